import type { Frame } from './frame.js';
import type { Page } from './page.js';
import type { State } from './state.js';

/** Gives a page places on a screen of this size: what must be seen first, what can be left out as `spare` says. */
export function layOut(page: Page, state: State, size: { columns: number; rows: number }): Frame {
  const lines = [page.title, ...page.alarms, ...page.brief].slice(0, size.rows);
  return {
    ...size,
    lines: lines.map((line, row) => ({ row, line })),
    panels: [],
    dialog: state.dialog === null ? null : null,
  };
}
