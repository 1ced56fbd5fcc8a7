import type { ClusterSnapshot, Machine, UnitRecord } from '../../../registry/model.js';
import { hashOf, type UnitFile, type UnitOption } from '../../../units/unit-file.js';

/** A cluster in which nothing is placed yet. */
export interface ClusterShape {
  readonly machines: number;
  readonly units: number;
  /** What the unit of this number says besides its command. */
  readonly options: (index: number) => readonly UnitOption[];
  /** Global units on top. */
  readonly globals?: number;
}

export const fleetOption = (name: string, value: string): UnitOption => ({ section: 'X-Fleet', name, value });
export const plain = (): readonly UnitOption[] => [];
/** One of three zones, in which a third of the machines is. */
export const inZone = (index: number): readonly UnitOption[] => [
  fleetOption('MachineMetadata', `az=${index % 3}`),
];

/** As a leader has it from its registry: units of one content share what was read of it. */
export function cluster({ machines, units, options, globals = 0 }: ClusterShape): ClusterSnapshot {
  const records = new Map<string, UnitRecord>();
  const contents = new Map<string, { readonly unit: UnitFile; readonly hash: string }>();
  for (let at = 0; at < units; at += 1) {
    const name = `g${at % 20}-${at}.service`;
    records.set(name, recordOf(name, options(at), contents));
  }
  for (let at = 0; at < globals; at += 1) {
    const name = `global-${at}.service`;
    records.set(name, recordOf(name, [fleetOption('Global', 'true')], contents));
  }
  const live = Array.from({ length: machines }, (_, at) => machineOf(at));
  return {
    revision: 1,
    units: records,
    machines: new Map(live.map((machine) => [machine.id, machine])),
    known: new Map(),
    assigned: new Map(),
    placements: new Map(),
    states: new Map(),
  };
}

export function recordOf(
  name: string,
  extra: readonly UnitOption[],
  contents: Map<string, { readonly unit: UnitFile; readonly hash: string }>,
): UnitRecord {
  const key = JSON.stringify(extra);
  let content = contents.get(key);
  if (content === undefined) {
    const unit = { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep 1d' }, ...extra] };
    content = { unit, hash: hashOf(unit) };
    contents.set(key, content);
  }
  const { unit, hash } = content;
  return { name, unit, hash, target: 'launched', restarts: 0, move: null, generation: 1 };
}

function machineOf(at: number): Machine {
  const id = at.toString(16).padStart(32, '0');
  return { id, ip: '127.0.0.1', metadata: { az: `${at % 3}` }, apiAddress: '', version: '0', bootId: '' };
}
