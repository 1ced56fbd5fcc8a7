import type { MachineCondition, MachineReport, UnitReport } from '../../api/schemas.js';
import { grouped, size } from '../../jobs/quantities.js';
import { type MachineState, machineState, shortId } from '../machine-label.js';
import type { Block, Line, Span, Tone } from './page.js';
import type { Listing } from './rows.js';
import { tableOf } from './rows.js';
import type { Fleet } from './snapshot.js';
import { dim, span } from './spans.js';
import type { State } from './state.js';

/** All machines that are known: those that something is wrong with first, then by id. */
export function machinesBlock(fleet: Fleet, state: State, band: number): Block {
  const units = unitsByMachine(fleet.units);
  const rows = fleet.machines
    .map((machine) => {
      const condition = fleet.conditions.get(machine.id) ?? null;
      return { rank: rankOf(machine, condition), row: rowOf(machine, condition, units.get(machine.id) ?? 0) };
    })
    .sort((a, b) => a.rank - b.rank)
    .map(({ row }) => row);
  const listing = { columns: COLUMNS, rows, empty: 'no machine has joined: start convoyd on one' };
  return {
    id: 'machines',
    title: 'Machines',
    band,
    grow: { width: 1, height: 4 },
    least: { width: 40, height: 5 },
    most: { height: Math.max(1, rows.length) + 3 },
    spare: 1,
    body: tableOf(state, 'machines', listing),
  };
}

const COLUMNS: Listing['columns'] = [
  { head: 'MACHINE', align: 'left', spare: 0 },
  { head: 'STATE', align: 'left', spare: 0 },
  { head: 'UNITS', align: 'right', spare: 1 },
  { head: 'LOAD', align: 'right', spare: 1 },
  { head: 'CPUS', align: 'right', spare: 4 },
  { head: 'MEMORY FREE', align: 'right', spare: 2 },
  { head: 'OF', align: 'right', spare: 4 },
  { head: 'ADDRESS', align: 'left', spare: 3 },
  { head: 'METADATA', align: 'left', spare: 5 },
];

function rowOf(
  machine: MachineReport,
  condition: MachineCondition | null,
  units: number,
): Listing['rows'][number] {
  const { id, ip } = machine;
  return {
    key: id,
    cells: [
      [span(shortId(id), machine.alive ? 'plain' : 'dim')],
      machineStateLine(machine, condition),
      [span(grouped(units))],
      [condition === null ? UNKNOWN : loadSpan(condition)],
      [condition === null ? UNKNOWN : span(grouped(condition.cpus))],
      [condition === null ? UNKNOWN : memorySpan(condition)],
      [condition === null ? UNKNOWN : span(grouped(size(condition.memory.total)))],
      [span(ip)],
      [dim(metadataWords(machine))],
    ],
    opens: { kind: 'machine', machine: id },
    about: { machine: id },
  };
}

const UNKNOWN = dim('-');

/** `ready, leads` */
export function machineStateLine(machine: MachineReport, condition: MachineCondition | null): Line {
  const state = machineState(machine);
  return [
    span(state, TONES[state]),
    ...(condition?.hold == null ? [] : [span(', holds', 'bad')]),
    ...(machine.leader ? [span(', leads', 'accent')] : []),
  ];
}

const TONES: Readonly<Record<MachineState, Tone>> = {
  ready: 'good',
  cordoned: 'warn',
  draining: 'warn',
  left: 'dim',
  evicted: 'dim',
  gone: 'bad',
};

/** The lower, the sooner an operator has to look at it. */
function rankOf(machine: MachineReport, condition: MachineCondition | null): number {
  if (machine.alive && condition?.hold != null) return 0;
  return ORDER.indexOf(machineState(machine));
}

const ORDER: readonly MachineState[] = ['gone', 'draining', 'cordoned', 'ready', 'evicted', 'left'];

/** More processes than processors: it has more to do than it can. */
export function loadSpan({ load: { oneMinute }, cpus }: MachineCondition): Span {
  return span(oneMinute.toFixed(2), oneMinute > 2 * cpus ? 'bad' : oneMinute > cpus ? 'warn' : 'plain');
}

/** What is free of its memory. Little of it, and whatever needs more is killed. */
export function memorySpan({ memory: { total, available } }: MachineCondition): Span {
  const tone = available < 0.05 * total ? 'bad' : available < 0.1 * total ? 'warn' : 'plain';
  return span(grouped(size(available)), tone);
}

/** `az=eu, disk=ssd` */
export function metadataWords({ metadata }: MachineReport): string {
  return Object.entries(metadata)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');
}

/** How many units each machine has, or is to have. */
function unitsByMachine(units: readonly UnitReport[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const add = (machine: string) => counts.set(machine, (counts.get(machine) ?? 0) + 1);
  for (const { machine, states } of units) {
    if (machine !== null) add(machine);
    for (const state of states) if (state.machine !== machine) add(state.machine);
  }
  return counts;
}
