import type { Block, Page, Row, Table } from './page.js';
import { type State, viewOf } from './state.js';

export type TableBlock = Block & { readonly body: Table };

/** The tables of a page, in the order in which Tab goes through them. */
export function tablesOf({ blocks }: Page): readonly TableBlock[] {
  return blocks.filter((block): block is TableBlock => block.body.kind === 'table');
}

/**
 * The table that arrow keys move in: the one of the state, else the first of the page; null: it has none. The layout
 * leaves it out last of all, so that it is seen whenever blocks are.
 */
export function chosenTable(page: Page, state: State): TableBlock | null {
  const tables = tablesOf(page);
  const focus = state.focus[viewOf(state)];
  return tables.find(({ id }) => id === focus) ?? tables[0] ?? null;
}

/** The row of that table that keys act upon; null: there is none. */
export function chosenRow(page: Page, state: State): Row | null {
  const table = chosenTable(page, state)?.body;
  return table?.rows.find(({ key }) => key === table.selected) ?? null;
}
