import type { Block, Line } from './page.js';
import { dim } from './spans.js';

/** What is known of one thing. null: there is nothing to say. */
export type Fact = readonly [name: string, told: Line | null];

/** Names in a column, what is told of each beside it. */
export function factLines(facts: readonly Fact[]): readonly Line[] {
  const told = facts.filter((fact): fact is readonly [string, Line] => fact[1] !== null);
  const widest = Math.max(0, ...told.map(([name]) => name.length));
  return told.map(([name, line]) => [dim(`${name.padStart(widest)}  `), ...line]);
}

/** A block of text: no higher than it is long. */
export function textBlock(
  block: Pick<Block, 'id' | 'title' | 'band' | 'grow' | 'least' | 'spare'>,
  lines: readonly Line[],
): Block {
  return {
    ...block,
    most: { height: Math.max(1, lines.length) + 2 },
    body: { kind: 'text', lines, from: 'top' },
  };
}
