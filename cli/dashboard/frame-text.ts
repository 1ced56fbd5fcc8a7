import { textOf } from './cells.js';
import type { Frame } from './frame.js';

/** A frame as plain text, a line for each row, without spaces at the ends: for `--once`, and for eyes without a terminal. */
export function frameText(frame: Frame): string {
  return frame.lines.map(({ line }) => `${textOf(line).trimEnd()}\n`).join('');
}
