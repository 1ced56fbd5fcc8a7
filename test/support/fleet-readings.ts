import type { Event } from '../../api/event-schemas.js';
import type {
  LeaderReport,
  MachineCondition,
  MachineReport,
  UnitReport,
  UnitState,
} from '../../api/schemas.js';
import type { Fleet, Snapshot } from '../../cli/dashboard/snapshot.js';

/** Made-up readings of a fleet, for tests of what the dashboard shows. */

/** 09:00:00 UTC of a Saturday. */
export const NOW = Date.UTC(2026, 10, 21, 9);

/** An id that begins so. */
export function machineId(beginning: string): string {
  return beginning.padEnd(32, '0');
}

export const A = machineId('aaaa1111');
export const B = machineId('bbbb2222');
export const C = machineId('cccc3333');

export function aMachine(id: string, change: Partial<MachineReport> = {}): MachineReport {
  return {
    id,
    alive: true,
    cordoned: false,
    draining: false,
    away: null,
    ip: '10.0.0.1',
    metadata: {},
    apiAddress: 'psk://10.0.0.1:7373',
    version: '0.1.0',
    bootId: 'b7c9',
    leader: false,
    ...change,
  };
}

export function goneMachine(id: string, change: Partial<MachineReport> = {}): MachineReport {
  return aMachine(id, { alive: false, ip: '', apiAddress: '', version: '', bootId: '', ...change });
}

export function aCondition(machine: string, change: Partial<MachineCondition> = {}): MachineCondition {
  return {
    machine,
    cpus: 8,
    load: { oneMinute: 0.42, fiveMinutes: 0.4, quarterHour: 0.38 },
    memory: { total: 16_000_000_000, available: 8_123_400_000 },
    up: 4 * 86_400 + 3 * 3600,
    hold: null,
    ...change,
  };
}

export function aState(unit: string, machine: string, change: Partial<UnitState> = {}): UnitState {
  return {
    unit,
    machine,
    hash: '1c6fb6f3684bd0e9e2f8a3a6a4c8d2b7e5f90a11',
    load: 'loaded',
    active: 'active',
    sub: 'running',
    reached: 'launched',
    since: NOW - 300_000,
    exit: null,
    autoRestarts: 0,
    reason: '',
    heard: 9,
    ...change,
  };
}

export interface UnitChange extends Partial<Omit<UnitReport, 'record'>> {
  readonly record?: Partial<UnitReport['record']>;
}

/** Wanted, and active on the machine. */
export function aUnit(name: string, machine: string | null, change: UnitChange = {}): UnitReport {
  const { record, ...rest } = change;
  const states = rest.states ?? (machine === null ? [] : [aState(name, machine)]);
  const pending = rest.pending ?? null;
  return {
    record: {
      name,
      hash: '1c6fb6f3684bd0e9e2f8a3a6a4c8d2b7e5f90a11',
      target: 'launched',
      restarts: 0,
      generation: 1204,
      move: null,
      global: false,
      options: [
        { section: 'Unit', name: 'Description', value: 'Copy %i' },
        { section: 'Service', name: 'ExecStart', value: '/usr/bin/copy --shard %i' },
      ],
      ...record,
    },
    machine,
    why: machine === null ? null : 'fewest units',
    states,
    pending,
    reason: pending ?? states.map(({ reason }) => reason.split('\n')[0] ?? '').find(Boolean) ?? null,
    ...rest,
  };
}

export const LEADER: LeaderReport = { machine: A, refusals: {}, term: 1204, frozen: null, hold: null };

export function aFleet(change: Partial<Fleet> = {}): Fleet {
  return {
    revision: 1300,
    machines: [aMachine(A, { leader: true }), aMachine(B, { ip: '10.0.0.2' })],
    units: [],
    leader: LEADER,
    hold: null,
    conditions: new Map(),
    events: [],
    ...change,
  };
}

/** Heard so many ms ago. */
export function heard(event: Event, before = 0): Fleet['events'][number] {
  return { at: NOW - before, event };
}

/** Read just now. `null`: never. */
export function fleetSnapshot(value: Fleet | null, change: Partial<Snapshot> = {}): Snapshot {
  return {
    now: NOW,
    cargo: { value: null, readAt: null, trouble: null },
    fleet: { value, readAt: value === null ? null : NOW, trouble: null },
    opened: null,
    ...change,
  };
}
