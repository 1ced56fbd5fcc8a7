import type {
  ClusterSnapshot,
  KnownMachine,
  Machine,
  UnitRecord,
  UnitState,
} from '../../../registry/model.js';
import { readConstraints } from '../../../units/constraints.js';
import { parse } from '../../../units/parse.js';
import type { TargetState } from '../../../units/state.js';
import { hashOf, type UnitFile } from '../../../units/unit-file.js';

export interface UnitSketch {
  readonly fleet?: readonly string[];
  readonly convoy?: readonly string[];
  readonly service?: readonly string[];
  readonly target?: TargetState;
  readonly restarts?: number;
  /** Machines it is placed on; the first is assigned unless `global`. */
  readonly on?: readonly string[];
  readonly global?: boolean;
  /** Content that the placement has in place of the record's. */
  readonly oldHash?: string;
  /** Machines that report it: those it is placed on, unless it says otherwise. */
  readonly reported?: readonly string[];
  /** The operator wants it elsewhere: on this machine, or (null) on any other. */
  readonly move?: string | null;
  /** How often it failed where it is reported. */
  readonly failures?: number;
  readonly failedOn?: readonly string[];
  /** What is reported of it is from before its machine heard of its placement. */
  readonly stale?: boolean;
  /** Only its placement is left. */
  readonly destroyed?: boolean;
}

export interface MachineSketch {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly cordoned?: boolean;
  readonly draining?: boolean;
  readonly gone?: boolean;
  readonly away?: 'left' | 'evicted';
}

export interface ClusterSketch {
  readonly machines: Readonly<Record<string, MachineSketch>>;
  readonly units: Readonly<Record<string, UnitSketch>>;
}

/** A cluster as a leader sees it, from a few words. */
export function sketch({ machines, units }: ClusterSketch): ClusterSnapshot {
  let revision = 100;
  const placements = new Map<string, Map<string, never>>() as Map<
    string,
    Map<string, ReturnType<typeof placed>>
  >;
  const states = new Map<string, Map<string, UnitState>>();
  const snapshot = {
    revision: 1000,
    units: new Map(),
    machines: new Map<string, Machine>(),
    known: new Map<string, KnownMachine>(),
    assigned: new Map(),
    placements,
    states,
  };
  const placed = (unit: string, machine: string, hash: string, sketchOf: UnitSketch) => ({
    ...{
      unit,
      machine,
      hash: sketchOf.oldHash ?? hash,
      restarts: 0,
      why: 'as before',
      fence: revision,
      revision,
    },
    target: sketchOf.target === 'loaded' ? ('loaded' as const) : ('launched' as const),
  });
  for (const [id, { metadata = {}, cordoned = false, draining = false, gone, away = null }] of Object.entries(
    machines,
  )) {
    snapshot.known.set(id, { id, firstSeen: 1, cordoned, draining, away, metadata: {} });
    if (gone !== true)
      snapshot.machines.set(id, { id, ip: '', metadata, apiAddress: '', version: '1', bootId: 'b' });
  }
  for (const [name, unitSketch] of Object.entries(units)) {
    const unit = unitOf(unitSketch);
    const hash = hashOf(unit);
    const { target = 'launched', restarts = 0, on = [], reported = on, failedOn = [] } = unitSketch;
    const { stopBoundMs } = readConstraints(name, unit).constraints;
    revision += 1;
    const generation = revision;
    let move: UnitRecord['move'] = null;
    for (const [index, machine] of on.entries()) {
      revision += 1;
      if (index === 0 && unitSketch.global !== true)
        snapshot.assigned.set(name, {
          unit: name,
          machine,
          stopBoundMs,
          failedOn,
          created: revision,
          revision,
        });
      if (index === 0 && unitSketch.move !== undefined) move = { assignment: revision, to: unitSketch.move };
      const here = placements.get(machine) ?? new Map();
      placements.set(machine, here.set(name, placed(name, machine, hash, unitSketch)));
    }
    if (unitSketch.destroyed !== true)
      snapshot.units.set(name, { name, hash, unit, target, restarts, move, generation });
    for (const machine of reported) {
      if (machines[machine]?.gone === true) continue;
      const here = states.get(machine) ?? new Map();
      const heard = unitSketch.stale === true ? 0 : (placements.get(machine)?.get(name)?.revision ?? 0);
      states.set(machine, here.set(name, stateOf(name, machine, hash, heard, unitSketch.failures)));
    }
  }
  return snapshot;
}

export function unitOf({ fleet = [], convoy = [], service = [] }: UnitSketch): UnitFile {
  const section = (name: string, lines: readonly string[]): string =>
    lines.length === 0 ? '' : `[${name}]\n${lines.join('\n')}\n`;
  const text = section('Service', ['ExecStart=/bin/true', ...service]);
  return parse(`${text}${section('X-Fleet', fleet)}${section('X-Convoy', convoy)}`).unit;
}

/**
 * The cluster once every machine has done what its placements say, and has reported it; what was reported before
 * stays as it was.
 */
export function settled(snapshot: ClusterSnapshot): ClusterSnapshot {
  const states = new Map<string, Map<string, UnitState>>();
  for (const machine of snapshot.machines.keys()) {
    const before = snapshot.states.get(machine);
    const rows = [...(snapshot.placements.get(machine)?.values() ?? [])].map(
      ({ unit, hash, revision }): [string, UnitState] => [
        unit,
        { ...(before?.get(unit) ?? stateOf(unit, machine, hash, revision)), heard: revision },
      ],
    );
    if (rows.length > 0) states.set(machine, new Map(rows));
  }
  return { ...snapshot, states };
}

function stateOf(unit: string, machine: string, hash: string, heard: number, autoRestarts = 0): UnitState {
  return {
    ...{ unit, machine, hash, reached: 'launched', load: 'loaded', active: 'active', sub: 'running' },
    ...{ since: 0, exit: null, autoRestarts, reason: '', heard },
  };
}
