import type { Block, Line } from './page.js';
import { programLine } from './program-line.js';
import { bad, dim, span } from './spans.js';

/** The end of a unit's output. */
export interface Log {
  readonly lines: readonly string[];
  /** Why it cannot be read now, or null: what was read before stays. */
  readonly trouble: string | null;
  /** In place of lines, if there is none. */
  readonly empty: string;
}

export function logBlock(log: Log, place: Pick<Block, 'title' | 'band' | 'spare'>): Block {
  return {
    ...place,
    id: 'log',
    grow: { width: 1, height: 4 },
    least: { width: 40, height: 4 },
    body: { kind: 'text', lines: logLines(log), from: 'end' },
  };
}

export function logLines({ lines, trouble, empty }: Log): readonly Line[] {
  const told = lines.map(outputLine);
  if (trouble !== null) return [...told, [bad(trouble)]];
  return told.length === 0 ? [[dim(empty)]] : told;
}

/** A line that a unit has written: of our own programs in words, any other as it is, without the colours it may have. */
export function outputLine(text: string): Line {
  return programLine(text) ?? [span(text.replace(COLOUR, ''))];
}

const COLOUR = /\p{Cc}\[[\d;]*m/gu;
