import { textOf } from './cells.js';
import { composed, overlaid, panelRows } from './compose.js';
import type { Frame } from './frame.js';

/** A frame as plain text, a line for each row, without spaces at the ends: for `--once`, and for eyes without a terminal. */
export function frameText(frame: Frame): string {
  const rows = [...composed(frame, 'characters')];
  if (frame.dialog !== null) {
    const { left, top } = frame.dialog.rect;
    for (const [at, pieces] of panelRows(frame.dialog, 'characters').entries())
      rows[top + at] = overlaid(rows[top + at] ?? [], left, pieces);
  }
  return rows.map((row) => `${textOf(row).trimEnd()}\n`).join('');
}
