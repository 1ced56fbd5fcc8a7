import type { UnitExplanation, UnitReport, UnitState } from '../../api/schemas.js';
import { labelOf, shortId } from '../machine-label.js';
import { ago } from '../times.js';
import { whyHere } from '../why-text.js';
import type { Block, Line } from './page.js';
import { type Listing, tableOf } from './rows.js';
import type { Fleet } from './snapshot.js';
import { dim, span } from './spans.js';
import type { State } from './state.js';
import { brokenWords, firstLine, standingOn, stateWords } from './unit-standing.js';

type MachineRow = UnitExplanation['machines'][number];

export interface UnitOnMachines {
  readonly report: UnitReport;
  /** null: it was not looked up yet. */
  readonly explanation: UnitExplanation | null;
  /** The machine whose state and log are shown; null: none has it. */
  readonly shown: string | null;
}

/** Every machine with how the unit is there, or why it is not; those that have it first. */
export function unitMachinesBlock(
  unit: UnitOnMachines,
  { machines: all }: Fleet,
  state: State,
  now: number,
): Block {
  const { report, explanation } = unit;
  const known = new Map(all.map((machine) => [machine.id, machine]));
  const rows = (explanation?.machines ?? reported(report, (id) => known.get(id)?.alive ?? false))
    .map((row) => ({ rank: rankOf(row, report), row }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ row }) => {
      const machine = known.get(row.machine);
      return rowOf(row, machine === undefined ? shortId(row.machine) : labelOf(machine), unit, now);
    });
  const empty = explanation === null ? 'no machine has it' : 'no machine has joined';
  return {
    id: 'machines',
    title: 'On machines',
    band: 1,
    grow: { width: 1, height: 3 },
    least: { width: 40, height: 4 },
    most: { height: Math.max(1, rows.length) + 3 },
    spare: 1,
    body: tableOf(state, 'machines', { columns: COLUMNS, rows, empty }),
  };
}

const COLUMNS: Listing['columns'] = [
  { head: 'MACHINE', align: 'left', spare: 0 },
  { head: 'STATE', align: 'left', spare: 0 },
  { head: 'SINCE', align: 'right', spare: 2 },
  { head: 'WHY', align: 'left', spare: 1 },
];

/** As much as is known without an explanation. */
function reported(
  { machine: home, why, states, record }: UnitReport,
  isThere: (machine: string) => boolean,
): readonly MachineRow[] {
  const rowAt = (machine: string, state: UnitState | null): MachineRow => ({
    machine,
    alive: isThere(machine),
    placed: machine === home ? why : record.global ? '' : null,
    refusal: null,
    state,
  });
  const told = states.map((state) => rowAt(state.machine, state));
  if (home === null || states.some(({ machine }) => machine === home)) return told;
  return [...told, rowAt(home, null)];
}

/** Those that have it, the worst first; those it is to be on; that could have it; that cannot; that are not there. */
function rankOf({ state, placed, refusal, alive }: MachineRow, { record }: UnitReport): number {
  if (state !== null) return standingOn(state, record.target).rank;
  if (placed !== null) return 4;
  return !alive ? 7 : refusal === null ? 5 : 6;
}

function rowOf(
  row: MachineRow,
  label: string,
  { report, shown }: UnitOnMachines,
  now: number,
): Listing['rows'][number] {
  const { machine, state } = row;
  const standing = state === null ? null : standingOn(state, report.record.target);
  const opens =
    state !== null && machine !== shown
      ? ({ kind: 'unit', unit: report.record.name, machine } as const)
      : ({ kind: 'machine', machine } as const);
  return {
    key: machine,
    cells: [
      [span(label, machine === shown ? 'strong' : 'plain')],
      state === null || standing === null
        ? [dim(row.placed === null ? '-' : 'placed')]
        : [span(stateWords(state, standing.word), standing.tone)],
      [state === null ? dim('-') : span(ago(now - state.since))],
      whyLine(row, report),
    ],
    opens,
    about: { machine },
  };
}

/** How it broke there, else why it is there or not. */
function whyLine(row: MachineRow, report: UnitReport): Line {
  const { state } = row;
  const broken = state === null ? '' : brokenWords(state, firstLine(state.reason));
  if (state !== null && broken !== '') return [span(broken, standingOn(state, report.record.target).tone)];
  const { global } = report.record;
  return [dim(whyHere({ global, machine: report.machine }, row))];
}

/** Whose state and log are shown: of the machine that was asked for, else where it is placed, else of whichever has it. */
export function shownState({ machine, states }: UnitReport, asked: string | null): UnitState | null {
  const at = asked ?? machine;
  return states.find((state) => state.machine === at) ?? (asked === null ? (states[0] ?? null) : null);
}
