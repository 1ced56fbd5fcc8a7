import { chosenTable, type TableBlock, tablesOf } from './choice.js';
import type { Detail } from './detail.js';
import type { Frame } from './frame.js';
import type { Intent } from './intent.js';
import type { Page } from './page.js';
import { type Choices, type State, viewOf } from './state.js';

/** Where one goes in the dashboard: to other views, tables and rows. */

const NOTHING_CHOSEN: Choices = { selected: {}, places: {}, marked: [], filters: {} };

/** The view of a detail, with nothing chosen in it; what was chosen here comes back with `back`. */
export function open(state: State, detail: Detail): State {
  const { selected, places, marked, filters } = state;
  return {
    ...state,
    ...NOTHING_CHOSEN,
    details: [...state.details, detail],
    covered: [...state.covered, { selected, places, marked, filters }],
  };
}

/** The view below this one; the same where there is none. */
export function back(state: State): State {
  return {
    ...state,
    ...state.covered.at(-1),
    details: state.details.slice(0, -1),
    covered: state.covered.slice(0, -1),
  };
}

export function goTo(page: State['page'], state: State): State {
  return { ...state, ...state.covered[0], page, details: [], covered: [], marked: [] };
}

/** Marks are done with once what they were for is under way. */
export function begun(state: State, { kind }: Intent): State {
  return kind === 'retry' ? { ...state, marked: [] } : state;
}

/** Another migration in this page: the marks were those of the one before. */
export function show(migration: string, state: State): State {
  const selected = { ...state.selected, migrations: migration };
  return { ...state, migration, selected, marked: [] };
}

/** The one that stands `by` places after it, round about; null: there is no other. */
export function neighbour(names: readonly string[], name: string | null, by: 1 | -1): string | null {
  if (names.length < 2) return null;
  const at = name === null ? 0 : names.indexOf(name);
  return names[(at + by + names.length) % names.length] ?? null;
}

/** The table after (or before) the one that has the focus gets it. */
export function nextTable(state: State, page: Page, by: 1 | -1): State {
  const ids = tablesOf(page).map(({ id }) => id);
  const next = neighbour(ids, chosenTable(page, state)?.id ?? null, by);
  const id = ids.find((one) => one === next);
  return id === undefined ? state : { ...state, focus: { ...state.focus, [viewOf(state)]: id } };
}

/** The row `steps` below the chosen one, or the last there is. */
export function moveBy(state: State, { id, body: { rows, selected } }: TableBlock, steps: number): State {
  const at = rows.findIndex(({ key }) => key === selected);
  const place = Math.min(Math.max(at + steps, 0), rows.length - 1);
  const key = rows[place]?.key;
  if (key === undefined) return state;
  return {
    ...state,
    selected: { ...state.selected, [id]: key },
    places: { ...state.places, [id]: place },
  };
}

/** How many rows of a table are seen at once: what PgUp and PgDn move by. */
export function rowsSeen({ panels }: Frame, { id }: TableBlock): number {
  const panel = panels.find((one) => one.id === id);
  const borderAndHead = 3;
  return Math.max(1, (panel?.rect.height ?? 0) - borderAndHead);
}

/**
 * Remembers where the row stands that was chosen, so that its neighbour can be chosen when it vanishes; whichever took
 * over from one that did vanish is the chosen one from now on.
 */
export function settle(state: State, page: Page): State {
  const table = chosenTable(page, state);
  if (table === null || state.selected[table.id] === undefined) return state;
  return moveBy(state, table, 0);
}
