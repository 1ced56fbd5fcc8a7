import {
  type Act,
  drainOrUncordon,
  migrationOf,
  pauseOrResume,
  retry,
  scale,
  startOrStop,
  type Upon,
} from './acts.js';
import { chosenRow, chosenTable, type TableBlock } from './choice.js';
import { chosenMigration } from './chosen-migration.js';
import { filterWords } from './filter-words.js';
import type { Frame } from './frame.js';
import type { Intent } from './intent.js';
import { KEYS } from './keys.js';
import { back, begun, goTo, moveBy, neighbour, nextTable, open, rowsSeen, settle, show } from './moves.js';
import type { Page } from './page.js';
import { pressInDialog } from './press-in-dialog.js';
import type { Snapshot } from './snapshot.js';
import { type State, viewOf } from './state.js';
import type { Key } from './view.js';

/** What is on the screen when a key comes: of one moment, that of the last frame painted. */
export interface Seen {
  readonly snapshot: Snapshot;
  readonly page: Page;
  readonly frame: Frame;
}

export interface Pressed {
  readonly state: State;
  /** What is to be done to the world; null: nothing. */
  readonly intent: Intent | null;
  readonly quit: boolean;
}

/** What a key is pressed upon. */
interface Place extends Upon {
  readonly state: State;
  readonly screen: Page;
  readonly frame: Frame;
  /** The table that has the focus; null: there is none on the screen. */
  readonly table: TableBlock | null;
}

/** What a key does. A key that means nothing here changes nothing, and may be told why in the last line. */
export function press(state: State, key: Key, { snapshot, page, frame }: Seen): Pressed {
  if (key.name === 'ctrl-c') return { state, intent: null, quit: true };
  if (state.dialog !== null) return pressInDialog(state, state.dialog, key);
  if (key.name === 'q') return { state, intent: null, quit: true };
  const calm = { ...settle(state, page), said: null };
  const elsewhere = meaningElsewhere(key.name, calm);
  if (elsewhere !== null) return told(calm, elsewhere);
  const chosen = chosenTable(page, state);
  const table = frame.panels.some(({ id }) => id === chosen?.id) ? chosen : null;
  const marked = table?.body.rows.filter((row) => row.marked) ?? [];
  const row = table === null ? null : chosenRow(page, state);
  const place = { state: calm, snapshot, page: page.about, screen: page, frame, table, row, marked };
  const act = ACTS.get(key.name)?.(place);
  if (act !== undefined) return acted(calm, act);
  const moved = MOVES.get(key.name)?.(place) ?? calm;
  return typeof moved === 'string' ? told(calm, moved) : { state: moved, intent: null, quit: false };
}

const told = (state: State, words: string): Pressed => ({
  state: { ...state, said: { words, tone: 'dim' } },
  intent: null,
  quit: false,
});

function acted(state: State, act: Act): Pressed {
  switch (act.kind) {
    case 'say':
      return told(state, act.words);
    case 'ask': {
      const { question, intent } = act;
      return {
        state: { ...state, dialog: { kind: 'confirm', question, intent } },
        intent: null,
        quit: false,
      };
    }
    case 'do':
      return { state: begun(state, act.intent), intent: act.intent, quit: false };
  }
}

/** Why a key that means something elsewhere means nothing here; null: it means something here, or nowhere. */
function meaningElsewhere(name: string, state: State): string | null {
  const rows = KEYS.filter(({ keys }) => keys.some(([key]) => key === name || key.toLowerCase() === name));
  return rows.length === 0 || rows.some(({ views }) => views.includes(viewOf(state)))
    ? null
    : `${name} means nothing here: ? lists the keys`;
}

const ACTS: ReadonlyMap<string, (upon: Upon) => Act> = new Map(
  Object.entries<(upon: Upon) => Act>({
    p: (upon) => pauseOrResume('pause', upon),
    r: (upon) => pauseOrResume('resume', upon),
    t: retry,
    s: startOrStop,
    d: drainOrUncordon,
    '+': (upon) => scale(1, upon),
    '-': (upon) => scale(-1, upon),
  }),
);

/** Answers what comes next, or in words why nothing does. */
const MOVES: ReadonlyMap<string, (place: Place) => State | string> = new Map(
  Object.entries<(place: Place) => State | string>({
    '1': ({ state }) => goTo('migration', state),
    '2': ({ state }) => goTo('fleet', state),
    escape: ({ state }) => back(state),
    enter: ({ state, row }) => {
      if (row === null) return state;
      if (row.opens !== null) return open(state, row.opens);
      return row.about.migration === undefined
        ? 'there is nothing to open'
        : show(row.about.migration, state);
    },
    f: (place) => {
      const migration = migrationOf(place);
      if (migration === undefined) return 'there is no migration';
      return open(place.state, { kind: 'failures', migration, filter: {} });
    },
    '[': (place) => otherMigration(place, -1),
    ']': (place) => otherMigration(place, 1),
    o: ({ state }) => {
      const workersBy = ({ name: 'rate', rate: 'failures', failures: 'name' } as const)[state.workersBy];
      return { ...state, workersBy, said: { words: `workers by ${workersBy}`, tone: 'dim' } };
    },
    tab: ({ state, screen }) => nextTable(state, screen, 1),
    backtab: ({ state, screen }) => nextTable(state, screen, -1),
    up: (place) => step(place, -1),
    down: (place) => step(place, 1),
    pageup: (place) => step(place, -pageOf(place)),
    pagedown: (place) => step(place, pageOf(place)),
    home: (place) => step(place, -Number.MAX_SAFE_INTEGER),
    end: (place) => step(place, Number.MAX_SAFE_INTEGER),
    space: (place) => {
      if (place.row?.about.failure === undefined)
        return 'only failures that can be tried again can be marked';
      return step({ ...place, state: toggled(place.state, [place.row.key]) }, 1);
    },
    a: ({ state, table }) => {
      const markable = table?.body.rows.filter(({ about }) => about.failure !== undefined) ?? [];
      const unmarked = markable.filter((row) => !row.marked);
      const changing = unmarked.length > 0 ? unmarked : markable;
      if (changing.length === 0) return 'there is no failure to mark';
      return toggled(
        state,
        changing.map(({ key }) => key),
      );
    },
    '/': ({ state, table }) => {
      if (table === null) return 'there is no table to filter';
      const rest = state.filters[table.id] ?? '';
      const detail = state.details.at(-1);
      const text = detail?.kind === 'failures' ? filterWords({ filter: detail.filter, rest }) : rest;
      return { ...state, dialog: { kind: 'filter', block: table.id, text } };
    },
    '?': ({ state }) => ({ ...state, dialog: { kind: 'help' } }),
  }),
);

function step({ state, table }: Place, steps: number): State {
  return table === null ? state : moveBy(state, table, steps);
}

function pageOf({ frame, table }: Place): number {
  return table === null ? 0 : rowsSeen(frame, table);
}

function toggled(state: State, keys: readonly string[]): State {
  const marked = new Set(state.marked);
  for (const key of keys) if (!marked.delete(key)) marked.add(key);
  return { ...state, marked: [...marked] };
}

function otherMigration({ state, snapshot: { cargo } }: Place, by: 1 | -1): State | string {
  const all = cargo.value ?? { migrations: new Map() };
  const next = neighbour([...all.migrations.keys()], chosenMigration(all, state.migration), by);
  return next === null ? 'there is no other migration' : show(next, state);
}
