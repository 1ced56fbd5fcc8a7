import {
  type ClusterSnapshot,
  effectiveMetadata,
  type KnownMachine,
  type Machine,
  type Placement,
  type UnitRecord,
  type UnitState,
} from '../registry/model.js';
import type { ClusterChange, ClusterEvent, UnitView } from '../registry/registry.js';
import type { Event, EventKind } from './event-schemas.js';
import type { MachineReport, UnitRecord as RecordReport, UnitReport } from './schemas.js';
import { byUnit, isGlobal, sorted } from './wire.js';

export function machinesToReport(
  machines: readonly Machine[],
  known: readonly KnownMachine[],
  leader: string | null,
): MachineReport[] {
  const alive = new Map(machines.map((machine) => [machine.id, machine]));
  const knownById = new Map(known.map((machine) => [machine.id, machine]));
  return sorted([...new Set([...alive.keys(), ...knownById.keys()])], (id) => id).map((id) => {
    const { ip, metadata, apiAddress, version, bootId } = alive.get(id) ?? NOT_THERE;
    const wished = knownById.get(id);
    return {
      id,
      alive: alive.has(id),
      cordoned: wished?.cordoned ?? false,
      draining: wished?.draining ?? false,
      away: wished?.away ?? null,
      ip,
      metadata: effectiveMetadata({ metadata }, wished),
      apiAddress,
      version,
      bootId,
      leader: id === leader,
    };
  });
}

const NOT_THERE = { ip: '', metadata: {}, apiAddress: '', version: '', bootId: '' };

export function unitToReport(view: UnitView, pending: string | null): UnitReport {
  const { record, machine, why } = view;
  const { unit } = record;
  const states = sorted(view.states, (state) => state.machine);
  return {
    record: { ...recordReport(record), global: isGlobal(record), options: unit.options },
    machine,
    why,
    states,
    pending,
    reason: pending ?? firstReason(states),
  };
}

/** The summary of the first state that has something to say. */
export function firstReason(states: readonly UnitState[]): string | null {
  const summaries = states.map(({ reason }) => reason.split('\n')[0] ?? '');
  return summaries.find((summary) => summary !== '') ?? null;
}

/** All units by name, as `readUnit` would answer each, but for the order of their states. */
export function unitViews(snapshot: ClusterSnapshot): UnitView[] {
  const states = new Map<string, UnitState[]>();
  for (const rows of snapshot.states.values())
    for (const state of rows.values()) {
      const ofUnit = states.get(state.unit);
      if (ofUnit === undefined) states.set(state.unit, [state]);
      else ofUnit.push(state);
    }
  const records = sorted([...snapshot.units.values()], ({ name }) => name);
  return records.map((record) => viewOf(snapshot, record, states.get(record.name) ?? []));
}

/** States of units that are there no more, by unit, then machine. */
export function destroyedStates({ states, units }: ClusterSnapshot): UnitState[] {
  const left: UnitState[] = [];
  for (const rows of states.values())
    for (const state of rows.values()) if (!units.has(state.unit)) left.push(state);
  return byUnit(left);
}

/** One unit as `readUnit` would answer it, or null. */
export function unitView(snapshot: ClusterSnapshot, name: string): UnitView | null {
  const record = snapshot.units.get(name);
  const states = [...snapshot.states.values()].flatMap((ofMachine) => ofMachine.get(name) ?? []);
  return record === undefined ? null : viewOf(snapshot, record, states);
}

function viewOf(
  { assigned, placements }: ClusterSnapshot,
  record: UnitRecord,
  states: readonly UnitState[],
): UnitView {
  const machine = assigned.get(record.name)?.machine ?? null;
  const placement = machine === null ? undefined : placements.get(machine)?.get(record.name);
  return { record, machine, why: placement?.why ?? null, states };
}

/** A record without its content, and of a wish to move what is asked for. */
export function recordReport(record: Omit<UnitRecord, 'unit'>): RecordReport {
  const { name, hash, target, restarts, generation, move } = record;
  return { name, hash, target, restarts, generation, move: move === null ? null : { to: move.to } };
}

/** All placements by unit, then machine. */
export function allPlacements({ placements }: ClusterSnapshot): Placement[] {
  return byUnit([...placements.values()].flatMap((rows) => [...rows.values()]));
}

/** Which events are asked for. Null and undefined: no matter which. */
export interface EventFilter {
  readonly isUnit: ((name: string) => boolean) | null;
  readonly machine: string | undefined;
  readonly kinds: readonly EventKind[] | undefined;
}

/** What of one revision is asked for, as the API tells it. */
export function eventsOf({ revision, events }: ClusterChange, filter: EventFilter): Event[] {
  return events.filter((event) => isAsked(event, filter)).map((event) => eventReport(event, revision));
}

/** What is not about a unit is about none of those asked for; the same of machines. */
function isAsked(event: ClusterEvent, { isUnit, machine, kinds }: EventFilter): boolean {
  if (kinds !== undefined && !kinds.includes(event.kind)) return false;
  if (isUnit !== null && !('unit' in event && isUnit(event.unit))) return false;
  return machine === undefined || ('machine' in event && event.machine === machine);
}

function eventReport(event: ClusterEvent, revision: number): Event {
  if (event.kind !== 'unit') return { ...event, revision };
  return { ...event, revision, value: event.value === null ? null : recordReport(event.value) };
}
