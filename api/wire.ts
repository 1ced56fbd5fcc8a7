import {
  type ClusterSnapshot,
  effectiveMetadata,
  type KnownMachine,
  type Machine,
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

/** Of the native API, whose schemas say what they hold. */
export type {
  AcceptedRegistry,
  HoldReport,
  LeaderReport,
  MachineReport,
  PlannedMove,
  UnitReport,
} from './schemas.js';

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

/** By unit, then machine. */
export function byUnit<Row extends { readonly unit: string; readonly machine: string }>(
  rows: readonly Row[],
): Row[] {
  return sorted(rows, ({ unit, machine }) => `${unit}\0${machine}`);
}

export function sorted<T>(rows: readonly T[], key: (row: T) => string): T[] {
  const keyed = rows.map((row) => ({ row, at: key(row) }));
  return keyed.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)).map(({ row }) => row);
}
