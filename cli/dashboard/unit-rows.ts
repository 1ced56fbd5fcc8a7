import type { UnitReport } from '../../api/schemas.js';
import { grouped } from '../../jobs/quantities.js';
import { shortId } from '../machine-label.js';
import { ago } from '../times.js';
import type { Block, Line } from './page.js';
import { type Listing, tableOf } from './rows.js';
import { dim, span, strong } from './spans.js';
import type { State } from './state.js';
import { reasonOf, type Standing, standingOf, standingWords, tallyOf } from './unit-standing.js';

/** A unit with how it stands, which is worked out once for all blocks. */
export interface Rated {
  readonly report: UnitReport;
  readonly standing: Standing;
  /** The machine that is seen from near with it; null: whichever has it. */
  readonly at: string | null;
}

/** Those that something is wrong with first, else in the order given. */
export function rated(units: readonly UnitReport[]): readonly Rated[] {
  return worstFirst(
    units.map((report) => {
      const standing = standingOf(report);
      // Of a global unit that is broken somewhere: how it is there.
      const at = report.record.global && standing.rank < 3 ? (standing.state?.machine ?? null) : null;
      return { report, standing, at };
    }),
  );
}

/** Those that a machine has or is to have, as they stand there. */
export function ratedOn(units: readonly UnitReport[], machine: string): readonly Rated[] {
  return worstFirst(
    units.flatMap((unit) => {
      const states = unit.states.filter((state) => state.machine === machine);
      if (states.length === 0 && unit.machine !== machine) return [];
      const report = { ...unit, states };
      return [{ report, standing: standingOf(report), at: machine }];
    }),
  );
}

function worstFirst(units: readonly Rated[]): readonly Rated[] {
  const byRank: Rated[][] = [[], [], [], []];
  for (const unit of units) byRank[urgencyOf(unit)]?.push(unit);
  return byRank.flat();
}

/** The rank of how it stands; but of one that runs where it should not stay, no less than of one on its way. */
export function urgencyOf({ report: { record, pending }, standing }: Rated): Standing['rank'] {
  // A global unit need not be able to run everywhere.
  return pending !== null && !record.global && standing.rank === 3 ? 2 : standing.rank;
}

/** Units with their states, and why they are where they are or how they broke. `only`: all are on this one machine. */
export function unitsBlock(
  units: readonly Rated[],
  state: State,
  now: number,
  place: { readonly band: number; readonly only: string | null; readonly empty: string },
): Block {
  const { band, only, empty } = place;
  const columns = only === null ? COLUMNS : COLUMNS.filter(({ head }) => head !== 'MACHINE');
  const rows = units.map((unit) => rowOf(unit, now, only));
  return {
    id: 'units',
    title: 'Units',
    band,
    grow: { width: 1, height: 5 },
    least: { width: 40, height: 8 },
    most: { height: Math.max(1, rows.length) + 3 },
    spare: 0,
    body: tableOf(state, 'units', { columns, rows, empty }),
  };
}

const COLUMNS: Listing['columns'] = [
  { head: 'UNIT', align: 'left', spare: 0 },
  { head: 'STATE', align: 'left', spare: 0 },
  { head: 'SINCE', align: 'right', spare: 3 },
  { head: 'MACHINE', align: 'left', spare: 2 },
  { head: 'TARGET', align: 'left', spare: 5 },
  { head: 'RESTARTS', align: 'right', spare: 4 },
  { head: 'WHY', align: 'left', spare: 1 },
];

function rowOf({ report, standing, at }: Rated, now: number, only: string | null): Listing['rows'][number] {
  const { record, states } = report;
  const { state, rank, tone } = standing;
  const restarts = states.reduce((sum, { autoRestarts }) => sum + autoRestarts, record.restarts);
  const why = reasonOf(report, standing);
  return {
    key: record.name,
    cells: [
      [span(record.name, rank === 0 ? 'bad' : 'plain')],
      [span(standingWords(standing, report), tone)],
      [state === null ? NOTHING : span(ago(now - state.since))],
      ...(only === null ? [placeLine(report, standing)] : []),
      [dim(record.target)],
      [restarts === 0 ? NOTHING : span(grouped(restarts))],
      [span(why.words, why.usual ? 'dim' : rank < 2 ? tone : 'plain')],
    ],
    opens: { kind: 'unit', unit: record.name, machine: at },
    about: { unit: record.name },
  };
}

const NOTHING = dim('-');

/** Where it is, or is to be. */
function placeLine({ record, machine, states }: UnitReport, { state }: Standing): Line {
  if (record.global && states.length !== 1) return [dim(`on ${grouped(states.length)}`)];
  const at = state?.machine ?? machine;
  return [at === null ? NOTHING : span(shortId(at), state === null ? 'dim' : 'plain')];
}

/** How many units stand how; the worst first. */
export function unitStatesBlock(units: readonly Rated[], band: number): Block {
  const tally = tallyOf(units.map(({ standing }) => standing));
  const all = grouped(units.length);
  const lines = [
    [strong(all), span(units.length === 1 ? ' unit' : ' units')],
    ...tally.map(({ standing: { word, rank, tone }, count }): Line => {
      const told = grouped(count).padStart(all.length);
      return [span(told, rank < 3 ? 'strong' : 'plain'), span(` ${word}`, tone)];
    }),
  ];
  return {
    id: 'unit-states',
    title: 'States',
    band,
    grow: { width: 0, height: 0 },
    least: { width: 20, height: 5 },
    most: { height: lines.length + 2 },
    spare: 1,
    body: { kind: 'text', lines, from: 'top' },
  };
}

/** Units that are wanted and nowhere, and what they wait for. */
export function pendingBlock(units: readonly Rated[], state: State, band: number): Block {
  const rows = units
    .filter(({ standing }) => standing.word === 'pending')
    .map(({ report, standing }) => ({
      key: report.record.name,
      cells: [[span(report.record.name, 'warn')], [span(reasonOf(report, standing).words)]],
      opens: { kind: 'unit', unit: report.record.name, machine: null } as const,
      about: { unit: report.record.name },
    }));
  return {
    id: 'pending',
    title: 'Pending',
    band,
    grow: { width: 2, height: 1 },
    least: { width: 40, height: 10 },
    spare: 3,
    body: tableOf(state, 'pending', { columns: PENDING_COLUMNS, rows, empty: 'no unit is pending' }),
  };
}

const PENDING_COLUMNS: Listing['columns'] = [
  { head: 'UNIT', align: 'left', spare: 0 },
  { head: 'WHY', align: 'left', spare: 1 },
];
