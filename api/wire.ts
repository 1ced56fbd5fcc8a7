import {
  type ClusterSnapshot,
  effectiveMetadata,
  type KnownMachine,
  type Machine,
  type ServiceEntry,
  type UnitRecord,
  type UnitState,
} from '../registry/model.js';
import type { UnitView } from '../registry/registry.js';
import { readConstraints } from '../units/constraints.js';
import { currentState, type TargetState } from '../units/state.js';
import type { UnitOption } from '../units/unit-file.js';

/** Fleet's Unit. Empty fields are left out; `currentState` of a global is only in lists. */
export interface WireUnit {
  readonly currentState?: TargetState;
  readonly desiredState: TargetState;
  readonly machineID?: string;
  readonly name: string;
  readonly options: readonly UnitOption[];
}

/** Fleet's UnitState: systemd's triple of one unit on one machine. */
export interface WireState {
  readonly hash: string;
  readonly machineID: string;
  readonly name: string;
  readonly systemdActiveState: string;
  readonly systemdLoadState: string;
  readonly systemdSubState: string;
}

/** Fleet's Machine, with the metadata in force. */
export interface WireMachine {
  readonly id: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly primaryIP?: string;
}

/** `GET /v1/units/NAME`: everything about one unit, at one revision; `GET /v1/units`: of all. */
export interface UnitReport {
  readonly record: {
    readonly name: string;
    readonly hash: string;
    readonly target: TargetState;
    readonly restarts: number;
    readonly generation: number;
    readonly global: boolean;
    readonly options: readonly UnitOption[];
  };
  readonly machine: string | null;
  /** The leader's reason for the placement. */
  readonly why: string | null;
  readonly states: readonly UnitState[];
  /** Why the unit is not where its target wants it, in words; null when nothing is pending on the leader. */
  readonly pending: string | null;
  /** All there is to say in one line: what is pending, else why it is in the state it is in; null if nothing. */
  readonly reason: string | null;
}

/**
 * `GET /v1/machines`: fleet's fields and what it left out, of every machine that ever joined. Address, version and
 * boot are empty for one that is not alive; its metadata is then what the operator set.
 */
export interface MachineReport {
  readonly id: string;
  readonly alive: boolean;
  readonly cordoned: boolean;
  readonly draining: boolean;
  /** Why its units need not wait for its return; null while it is alive, or gone without a word. */
  readonly away: KnownMachine['away'];
  readonly ip: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly apiAddress: string;
  readonly version: string;
  readonly bootId: string;
  readonly leader: boolean;
}

/** `GET /v1/leader`: who leads, and what the leader has to say; with `?unit=NAME` about that unit only. */
export interface LeaderReport {
  readonly machine: string | null;
  readonly refusals: Readonly<Record<string, string>>;
  /** Why units of missing machines are not placed elsewhere for the time being, or null. */
  readonly frozen: string | null;
  /** Why nothing at all is decided, or null. */
  readonly hold: string | null;
}

/** One line of `GET /v1/rebalance`. */
export interface PlannedMove {
  readonly unit: string;
  readonly from: string;
  readonly to: string;
  readonly why: string;
}

/** `GET /v1/rejoin`: why this machine touches nothing, or null. */
export interface HoldReport {
  readonly machine: string;
  readonly hold: string | null;
}

/** `POST /v1/rejoin`: the registry this machine has accepted. */
export interface AcceptedRegistry {
  readonly clusterId: string;
  readonly revision: number;
}

export interface ServiceList {
  readonly services: readonly ServiceEntry[];
}

/** `{error}` of the native API; fleet's has a number as code and no kind. */
export interface WireError {
  readonly error: { readonly code: string | number; readonly message: string; readonly kind?: string };
}

export function unitToWire(view: UnitView): WireUnit {
  const { record, machine, states } = view;
  if (isGlobal(record)) return fleetUnit(record, undefined, null);
  const reached = states.find((state) => state.machine === machine)?.reached;
  return fleetUnit(record, currentState(reached), machine);
}

/** Runs on every machine that suits it: no machine is its own. */
export function isGlobal({ name, unit }: Pick<UnitRecord, 'name' | 'unit'>): boolean {
  return readConstraints(name, unit).constraints.global;
}

/** All units by name, as fleet lists them. */
export function unitsToWire(snapshot: ClusterSnapshot): WireUnit[] {
  return sorted([...snapshot.units.values()], ({ name }) => name).map((record) => {
    if (isGlobal(record)) return fleetUnit(record, 'inactive', null);
    const machine = snapshot.assigned.get(record.name)?.machine ?? null;
    const state = machine === null ? undefined : snapshot.states.get(machine)?.get(record.name);
    return fleetUnit(record, currentState(state?.reached), machine);
  });
}

function fleetUnit(record: UnitRecord, current: TargetState | undefined, machine: string | null): WireUnit {
  return {
    ...(current === undefined ? {} : { currentState: current }),
    desiredState: record.target,
    ...(machine === null ? {} : { machineID: machine }),
    name: record.name,
    options: record.unit.options.map(({ name, section, value }) => ({ name, section, value })),
  };
}

export function stateToWire(state: UnitState): WireState {
  return {
    hash: state.hash,
    machineID: state.machine,
    name: state.unit,
    systemdActiveState: state.active,
    systemdLoadState: state.load,
    systemdSubState: state.sub,
  };
}

/** All states by unit, then machine. */
export function statesToWire(snapshot: ClusterSnapshot): WireState[] {
  const states = [...snapshot.states.values()].flatMap((ofMachine) => [...ofMachine.values()]);
  return sorted(states, ({ unit, machine }) => `${unit}\0${machine}`).map(stateToWire);
}

/** Live machines by id. */
export function machinesToWire(machines: readonly Machine[], known: readonly KnownMachine[]): WireMachine[] {
  const knownById = new Map(known.map((machine) => [machine.id, machine]));
  return sorted(machines, ({ id }) => id).map((machine) => {
    const metadata = effectiveMetadata(machine, knownById.get(machine.id));
    return {
      id: machine.id,
      ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
      ...(machine.ip === '' ? {} : { primaryIP: machine.ip }),
    };
  });
}

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
  const { record, machine, why, states } = view;
  const { name, hash, target, restarts, generation, unit } = record;
  return {
    record: { name, hash, target, restarts, generation, global: isGlobal(record), options: unit.options },
    machine,
    why,
    states: sorted(states, (state) => state.machine),
    pending,
    reason: pending ?? firstReason(states),
  };
}

/** The summary of the first state that has something to say. */
function firstReason(states: readonly UnitState[]): string | null {
  const summaries = states.map(({ reason }) => reason.split('\n')[0] ?? '');
  return summaries.find((summary) => summary !== '') ?? null;
}

/** All units by name, as `readUnit` would answer each. */
export function unitViews(snapshot: ClusterSnapshot): UnitView[] {
  return sorted([...snapshot.units.values()], ({ name }) => name).map((record) => {
    const machine = snapshot.assigned.get(record.name)?.machine ?? null;
    const placement = machine === null ? undefined : snapshot.placements.get(machine)?.get(record.name);
    const states = [...snapshot.states.values()].flatMap((ofMachine) => ofMachine.get(record.name) ?? []);
    return { record, machine, why: placement?.why ?? null, states };
  });
}

function sorted<T>(rows: readonly T[], key: (row: T) => string): T[] {
  return [...rows].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}
