import type { ClusterSnapshot } from '../registry/model.js';
import { placeable, shortId } from '../units/eligibility.js';
import { LONGEST_STOP_MS } from '../units/stop-bound.js';

/** On top of a unit's stop bound, in ms: what the lease's end may be known late. */
const SLACK_MS = 2000;

/** A unit that must not run twice (OnPartition=stop), and the machine that may run it. */
interface LeaseBoundUnit {
  /** Null: not known, since it was unassigned when this leader came. */
  readonly machine: string | null;
  readonly boundMs: number;
  /** When this leader first saw that machine missing, on the steady clock; null while it is there. */
  readonly missingSince: number | null;
}

export type LeaseBoundUnits = ReadonlyMap<string, LeaseBoundUnit>;

export interface LeaseBoundReport {
  readonly units: LeaseBoundUnits;
  /** Units that may be stopping somewhere out of sight, with the words why. Nothing is decided about them. */
  readonly held: ReadonlyMap<string, string>;
  /** When the next of these ends, on the steady clock; null if there is none. */
  readonly nextDue: number | null;
}

/**
 * Which units with OnPartition=stop may still be running on a machine that is missing. One is, for as long as its
 * stop may take after the machine's lease was gone, wherever it was last assigned or reported: also when it was to
 * leave that machine just then. A machine that left in order had stopped its units.
 *
 * `before` is null at a leader's first look. It does not know then where an unassigned unit may be, so if any
 * machine is missing, such a unit waits too.
 */
export function watchLeaseBound(
  snapshot: ClusterSnapshot,
  before: LeaseBoundUnits | null,
  now: number,
  graceMs: number,
): LeaseBoundReport {
  const { machines, known, assigned, states } = snapshot;
  const missing = (machine: string): boolean => !machines.has(machine) && known.get(machine)?.away !== 'left';
  const units = new Map<string, LeaseBoundUnit>();

  for (const { unit, machine, stopBoundMs } of assigned.values()) {
    const isMissing = missing(machine);
    const boundMs = stopBoundMs ?? Number.POSITIVE_INFINITY;
    // Whoever runs on in a partition is waited for only if that was to end, and only until the operator gives it up.
    if (stopBoundMs === null)
      if (!isMissing || known.get(machine)?.away === 'evicted' || boundOf(snapshot, unit) === null) continue;
    const last = before?.get(unit);
    const since = last?.machine === machine ? last.missingSince : null;
    units.set(unit, { machine, boundMs, missingSince: isMissing ? (since ?? now) : null });
  }
  for (const [unit, last] of before ?? []) {
    if (units.has(unit) || assigned.has(unit)) continue;
    const { machine, boundMs } = last;
    if (machine !== null && states.get(machine)?.has(unit)) {
      units.set(unit, { ...last, missingSince: null });
      continue;
    }
    // It has reported the unit gone. One that is back from being missing may not have reported anything yet.
    if (machine !== null && !missing(machine) && last.missingSince === null) continue;
    const since = last.missingSince ?? now;
    if (now < since + boundMs + SLACK_MS) units.set(unit, { ...last, missingSince: since });
  }
  // A destroyed unit that is still reported may be submitted again, for another machine: its bound is not known then.
  for (const [machine, reported] of states)
    for (const unit of machines.has(machine) ? reported.keys() : [])
      if (!assigned.has(unit) && !units.has(unit))
        units.set(unit, { machine, boundMs: boundOf(snapshot, unit) ?? LONGEST_STOP_MS, missingSince: null });
  if (before === null && [...known.keys()].some(missing))
    for (const { name, target } of snapshot.units.values()) {
      if (target === 'inactive' || assigned.has(name)) continue;
      const boundMs = boundOf(snapshot, name);
      if (boundMs !== null) units.set(name, { machine: null, boundMs, missingSince: now });
    }

  const held = new Map<string, string>();
  let nextDue: number | null = null;
  for (const [unit, { machine, boundMs, missingSince }] of units) {
    if (missingSince === null || (!assigned.has(unit) && boundOf(snapshot, unit) === null)) continue;
    const waitMs = Math.max(assigned.has(unit) ? graceMs : 0, boundMs + SLACK_MS);
    const due = missingSince + waitMs;
    if (now >= due) continue;
    if (waitMs < Number.POSITIVE_INFINITY) nextDue = Math.min(nextDue ?? due, due);
    held.set(unit, words(machine, waitMs));
  }
  return { units, held, nextDue };
}

function boundOf({ units }: ClusterSnapshot, name: string): number | null {
  const record = units.get(name);
  return record === undefined ? null : placeable(name, record.unit).constraints.stopBoundMs;
}

function words(machine: string | null, waitMs: number): string {
  if (waitMs === Number.POSITIVE_INFINITY)
    return `machine ${machine === null ? '' : shortId(machine)} went away and may not know yet that it must not run twice (OnPartition=stop): stays until it is back, or \`convoyctl evict MACHINE\` gives it up`;
  const seconds = `${waitMs / 1000} s`;
  return machine === null
    ? `a machine is missing and may still be stopping it (OnPartition=stop): placed ${seconds} after the leader’s election`
    : `machine ${shortId(machine)} went away and may still be stopping it (OnPartition=stop): placed elsewhere ${seconds} after it was missed`;
}
