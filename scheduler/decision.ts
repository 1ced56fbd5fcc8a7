import type {
  ClusterSnapshot,
  Decision,
  Placement,
  PlacementToWrite,
  UnitRecord,
} from '../registry/model.js';
import { assertNever } from '../runtime/errors.js';
import { type Candidate, type Placeable, type Refusal, shortId } from '../units/eligibility.js';
import { nameParts } from '../units/name.js';
import { metadataValue } from '../units/requirement.js';
import type { TargetState } from '../units/state.js';
import { preferred } from './rank.js';
import type { Transfer } from './transfers.js';

/** The scheduler's words for why something is where it is, or goes: what the CLI prints. */
export const WHY = {
  fewest: 'fewest units of the machines that may run it',
  pinned: 'MachineID names this machine',
  global: 'global: runs on every machine that may run it',
  spread: (template: string, key: string, zone: string | null) =>
    `fewest of ${template} ${zone === null ? `where ${key} is not set` : `in ${key}=${zone}`}`,
  prefers: (met: readonly string[]) => `most preferred: ${met.join(', ')}`,
  withPeers: (peers: readonly string[]) => `together with ${peers.join(', ')}`,

  destroyed: 'unit destroyed',
  inactive: 'target state inactive',
  template: 'a template is never placed',
  becameGlobal: 'the unit became global',
  notAssigned: 'the unit is not global and not assigned to this machine',
  moved: 'moved by hand',
  machineGone: (machine: string) => `machine ${shortId(machine)} went away`,

  content: 'unit file replaced',
  target: (from: string, to: string) => `target state ${from} -> ${to}`,
  restart: 'restart requested',
  missing: 'placement was missing',
  bound: 'the bound of its stop changed',

  sticky: (machine: string) =>
    `machine ${shortId(machine)} is gone; moved only by hand (Sticky=yes): move it, or unload it, then start it`,
  stuck: (why: string) => `stays, since it is moved only by hand (Sticky=yes): ${why}; move or unload it`,
  unreported: (machine: string, why: string) =>
    `stays until ${shortId(machine)} has reported it, though ${why}`,
} as const;

/** Why a unit has to leave a machine that has it. */
export function whyLeaves({ kind, detail }: Refusal): string {
  switch (kind) {
    case 'invalid':
      return detail;
    case 'machine-id':
      return `machine is not ${detail}`;
    case 'metadata':
      return `machine lacks ${detail}`;
    case 'peer':
      return `machine lacks peer ${detail}`;
    case 'conflict':
      return `conflict with ${detail}`;
    case 'replaced':
      return `replaced by ${detail}`;
    case 'immovable':
      return `machine runs ${detail}, which is moved only by hand`;
    case 'draining':
    case 'cordoned':
      return `machine is ${kind}`;
    case 'stopping':
      return `still stopping on ${detail}`;
    case 'require':
      return `machine does not meet ${detail}`;
    case 'unreported':
      return `no report yet of ${detail}`;
    default:
      return assertNever(kind);
  }
}

/** Why a unit comes to a machine. */
export function whyPlaced(unit: Placeable, machine: Candidate, transfer: Transfer | undefined): string {
  const { global, machineId, peers, spread, prefers } = unit.constraints;
  if (global) return WHY.global;
  if (machineId !== null) return WHY.pinned;
  if (peers.length > 0) return WHY.withPeers(peers);
  if (transfer === undefined && spread === null && prefers.length === 0) return WHY.fewest;
  const moved = transfer?.why == null ? [] : [transfer.why];
  if (transfer?.to === machine.id) return moved.join('');
  const zone = spread === null ? null : metadataValue(machine.metadata, spread);
  const met = preferred(unit, machine);
  return [
    ...moved,
    ...(spread === null ? [] : [WHY.spread(`${nameParts(unit.name).prefix}@`, spread, zone)]),
    ...(met.length === 0 ? [] : [WHY.prefers(met)]),
    WHY.fewest,
  ].join('; ');
}

/** One line for the log: `place web.service on 472d6cb2: fewest units of ...`. */
export function describe({ kind, unit, machine, why }: Decision): string {
  const preposition = kind === 'unplace' ? 'from' : 'on';
  return `${kind} ${unit} ${preposition} ${shortId(machine)}: ${why}`;
}

/** A record's placement on a machine, as it should be. */
export function placementOf(record: UnitRecord, machine: string, why: string): PlacementToWrite {
  const { name: unit, hash, restarts } = record;
  return { unit, machine, hash, target: placedTarget(record), restarts, why };
}

/** The target of a record's placement. */
export function placedTarget({ target }: UnitRecord): Exclude<TargetState, 'inactive'> {
  return target === 'inactive' ? 'loaded' : target;
}

/** The snapshot as it is once decisions have been committed, one revision for each. */
export function apply(before: ClusterSnapshot, decisions: readonly Decision[]): ClusterSnapshot {
  let { revision } = before;
  const assigned = new Map(before.assigned);
  const placements = new Map(before.placements);
  const changed = new Map<string, Map<string, Placement>>();
  for (const decision of decisions) {
    const { unit, machine, global } = decision;
    revision += 1;
    let here = changed.get(machine);
    if (here === undefined) {
      here = new Map(placements.get(machine));
      changed.set(machine, here);
    }
    if (decision.kind === 'unplace') {
      if (!global) assigned.delete(unit);
      here.delete(unit);
      continue;
    }
    const written = decision.kind === 'update' ? decision.reassign : decision;
    if (!global && written !== undefined) {
      const { stopBoundMs, failedOn } = written;
      const created = assigned.get(unit)?.created ?? revision;
      assigned.set(unit, { unit, machine, stopBoundMs, failedOn, created, revision });
    }
    const fence = here.get(unit)?.fence ?? revision;
    const { hash, target, restarts, why } = decision.placement;
    here.set(unit, { unit, machine, hash, target, restarts, why, fence, revision });
  }
  for (const [machine, here] of changed)
    if (here.size === 0) placements.delete(machine);
    else placements.set(machine, here);
  return { ...before, revision, assigned, placements };
}
