import type { MachineReport, UnitReport } from '../../api/wire.js';
import { chosenTable } from '../../cli/dashboard/choice.js';
import type { Frame } from '../../cli/dashboard/frame.js';
import type { Intent } from '../../cli/dashboard/intent.js';
import type { About, BlockId, Page, Row } from '../../cli/dashboard/page.js';
import { press } from '../../cli/dashboard/press.js';
import { tableOf } from '../../cli/dashboard/rows.js';
import type { Snapshot } from '../../cli/dashboard/snapshot.js';
import { FIRST_STATE, type State } from '../../cli/dashboard/state.js';
import type { Key } from '../../cli/dashboard/view.js';
import type { MigrationStatus } from '../../jobs/work-queue.js';

/** Presses keys of the dashboard without a terminal. */

export type Migrations = Readonly<Record<string, Partial<MigrationStatus> | { readonly trouble: string }>>;

export interface Sight {
  readonly migrations?: Migrations;
  readonly units?: readonly UnitReport[];
  readonly machines?: readonly MachineReport[];
  /** Of each table, its rows. */
  readonly tables?: Partial<Record<BlockId, readonly Omit<Row, 'marked' | 'cells'>[]>>;
  readonly about?: About;
  /** So small a terminal that there are only lines. */
  readonly brief?: boolean;
}

export function unitReport(name: string, record: Partial<UnitReport['record']> = {}): UnitReport {
  const all = {
    hash: 'h',
    target: 'launched',
    restarts: 0,
    generation: 1,
    move: null,
    global: false,
  } as const;
  return {
    ...{ record: { name, options: [], ...all, ...record }, machine: null, why: null },
    ...{ states: [], pending: null, reason: null },
  };
}

export function machineReport(id: string, change: Partial<MachineReport> = {}): MachineReport {
  return {
    ...{ id, alive: true, cordoned: false, draining: false, away: null, ip: '', metadata: {} },
    ...{ apiAddress: '', version: '', bootId: '', leader: false, ...change },
  };
}

export function rowOf(
  key: string,
  about: About = {},
  opens: Row['opens'] = null,
): Omit<Row, 'marked' | 'cells'> {
  return { key, about, opens };
}

export function snapshotOf({ migrations = {}, units, machines }: Sight): Snapshot {
  const statuses = Object.entries(migrations).map(([name, found]) => [
    name,
    'trouble' in found
      ? found
      : {
          state: 'running',
          finished: false,
          verification: null,
          reason: '',
          failures: {},
          ...NO_ITEMS,
          ...found,
        },
  ]);
  const read = { readAt: 0, trouble: null };
  return {
    ...{ now: 0, opened: null },
    cargo: {
      ...read,
      value: {
        ...{ migrations: new Map(statuses as []), workers: [], failures: [] },
        ...{ images: new Map(), history: new Map() },
      },
    },
    fleet:
      units === undefined && machines === undefined
        ? { value: null, readAt: null, trouble: null }
        : {
            ...read,
            value: {
              ...{ revision: 1, machines: machines ?? [], units: units ?? [], hold: null },
              ...{ leader: { machine: null, refusals: {}, term: null, frozen: null, hold: null } },
              ...{ conditions: new Map(), events: [] },
            },
          },
  };
}

const NO_ITEMS = { tiles: { failed: 0 }, descriptors: { failed: 0 }, images: { refused: 0 } };

export function pageOfSight({ tables = {}, about = {} }: Sight, state: State): Page {
  return {
    ...{ title: [], alarms: [], about, keys: [], brief: [] },
    blocks: Object.entries(tables).map(([id, rows]) => ({
      ...{ id: id as BlockId, title: '', band: 0, grow: { width: 1, height: 1 } },
      ...{ least: { width: 1, height: 1 }, spare: 0 },
      body: tableOf(state, id as BlockId, {
        ...{ columns: [], empty: '' },
        rows: rows.map((row) => ({ ...row, cells: [[{ text: row.key, tone: 'plain' }]] })),
      }),
    })),
  };
}

/** A screen on which every table has room for seven rows. */
export function frameOfSight({ blocks }: Page, { brief = false }: Sight): Frame {
  const rect = { left: 0, top: 0, width: 80, height: 10 };
  const body = { kind: 'lines', lines: [], selected: null } as const;
  const panels = blocks.map(({ id, title }) => ({ id, title, rect, focused: false, body }));
  return { columns: 80, rows: 24, lines: [], panels: brief ? [] : panels, dialog: null };
}

export function keyOf(name: string): Key {
  return { name, text: name === 'space' ? ' ' : [...name].length === 1 ? name : '' };
}

/** Whoever sits there: what they see, and what came of the keys so far. */
export interface Sitting {
  readonly state: State;
  readonly intents: readonly Intent[];
  readonly quit: boolean;
  /** In the last line; empty: the keys. */
  readonly said: string;
  /** The question that is open; null: none is. */
  readonly question: string | null;
  /** The table that has the focus, and its chosen row. */
  readonly at: string;
}

/** Keys by their names with blanks between: `down down enter`. */
export function sit(sight: Sight, keys: string, from: State = FIRST_STATE): Sitting {
  let state = from;
  let quit = false;
  const intents: Intent[] = [];
  const snapshot = snapshotOf(sight);
  for (const name of keys.split(' ').filter((key) => key !== '')) {
    const page = pageOfSight(sight, state);
    const pressed = press(state, keyOf(name), { snapshot, page, frame: frameOfSight(page, sight) });
    state = pressed.state;
    quit ||= pressed.quit;
    if (pressed.intent !== null) intents.push(pressed.intent);
  }
  const table = chosenTable(pageOfSight(sight, state), state);
  return {
    ...{ state, intents, quit, said: state.said?.words ?? '' },
    question: state.dialog?.kind === 'confirm' ? state.dialog.question : null,
    at: `${table?.id ?? 'nowhere'} ${table?.body.selected ?? ''}`.trim(),
  };
}
