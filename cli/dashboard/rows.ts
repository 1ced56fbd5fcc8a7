import { textOf } from './cells.js';
import type { BlockId, Row, Table } from './page.js';
import type { State } from './state.js';

/** What a page knows of a table: marks, filter and choice are the state's. */
export interface Listing extends Pick<Table, 'columns' | 'empty'> {
  /** All of them, whatever the filter. */
  readonly rows: readonly Omit<Row, 'marked'>[];
}

/**
 * The table of a block as whoever sits there wants it: only rows with the filter in the text of a cell (whatever its
 * case), with their marks, and the chosen one. If the chosen row vanished, the one that stands in its place is chosen.
 */
export function tableOf(state: State, id: BlockId, { columns, rows: all, empty }: Listing): Table {
  const filter = state.filters[id] ?? '';
  const found = filter === '' ? all : all.filter(holding(filter));
  const marked = new Set(state.marked);
  // Named one by one: to spread a thousand rows costs more than to make them.
  const rows = found.map(
    ({ key, cells, opens, about }): Row => ({ key, cells, opens, about, marked: marked.has(key) }),
  );
  const none = filter === '' || all.length === 0 ? empty : `nothing here has "${filter}" in it`;
  return { kind: 'table', columns, rows, empty: none, selected: chosenKey(state, id, rows) };
}

function holding(filter: string): (row: Pick<Row, 'cells'>) => boolean {
  const wanted = filter.toLowerCase();
  return ({ cells }) => cells.some((cell) => textOf(cell).toLowerCase().includes(wanted));
}

function chosenKey(
  { selected, places }: State,
  id: BlockId,
  rows: readonly Pick<Row, 'key'>[],
): string | null {
  const wanted = selected[id];
  if (wanted !== undefined && rows.some(({ key }) => key === wanted)) return wanted;
  const place = wanted === undefined ? 0 : (places[id] ?? 0);
  return rows[Math.min(place, rows.length - 1)]?.key ?? null;
}
