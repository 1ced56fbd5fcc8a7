import type { ClusterSnapshot } from '../registry/model.js';
import { shortId } from '../units/eligibility.js';
import { type LeaseBoundUnits, watchLeaseBound } from './lease-bound.js';

/** For how long an eviction counts against further ones, in ms. */
const EVICTION_MEMORY_MS = 600_000;
/** So many machines may be given up whatever the size of the fleet. */
const ALWAYS_ALLOWED = 2;

/** What one leader remembers of machines that went away; times are of the steady clock, in ms. */
export interface Absences {
  /** Machines that are gone while units are placed on them, with when this leader first saw that. */
  readonly missingSince: ReadonlyMap<string, number>;
  /** Machines whose units were taken from them, with when that was last decided. */
  readonly evictedAt: ReadonlyMap<string, number>;
  /** Evictions had stopped at the last look. */
  readonly frozen: boolean;
  /** Units with OnPartition=stop; null before the first look. */
  readonly leaseBound: LeaseBoundUnits | null;
}

export const NO_ABSENCES: Absences = {
  missingSince: new Map(),
  evictedAt: new Map(),
  frozen: false,
  leaseBound: null,
};

/** What is left alone for now, each with the words why. */
export interface Holds {
  /** Machines that are gone but not given up: what is placed there stays. */
  readonly machines: ReadonlyMap<string, string>;
  /** Units that may still be stopping out of sight: neither taken away nor placed. */
  readonly units: ReadonlyMap<string, string>;
}

export const NO_HOLDS: Holds = { machines: new Map(), units: new Map() };

export interface AbsenceReport {
  readonly absences: Absences;
  readonly holds: Holds;
  /** Machines whose units are to be placed elsewhere from now on. */
  readonly evicted: readonly string[];
  /** Why evictions have stopped, or null. */
  readonly frozen: string | null;
  /** When the next grace or hold of a unit ends, on the steady clock; null if none runs. */
  readonly nextDue: number | null;
}

/**
 * Which of the machines that are gone are given up. A machine is when its grace is over - unless so many are
 * missing, or were given up lately, that the fault is more likely in the network or in the registry than in
 * each of them: then nothing is moved any more until they are back. They come back one after another, so when
 * there are few enough of them again, the rest have their grace once more. Machines that are draining were to be
 * emptied anyway: they do not count. Nor do those that the operator had forgotten, nor those that left in order or
 * that the operator gave up, and these are not waited for either.
 */
export function watchAbsences(
  snapshot: ClusterSnapshot,
  before: Absences,
  now: number,
  graceMs: number,
): AbsenceReport {
  const missing = missingMachines(snapshot);
  const away = (id: string): boolean => (snapshot.known.get(id)?.away ?? null) !== null;
  const counts = (id: string): boolean => !away(id) && snapshot.known.get(id)?.draining === false;
  const leaseBound = watchLeaseBound(snapshot, before.leaseBound, now, graceMs);
  const evictedAt = new Map([...before.evictedAt].filter(([, at]) => now - at < EVICTION_MEMORY_MS));
  const countLost = (): number => new Set([...missing, ...evictedAt.keys()].filter(counts)).size;
  const tooMany = (lost: number): boolean => lost > ALWAYS_ALLOWED && lost * 3 > snapshot.known.size;
  const thaws = before.frozen && !tooMany(countLost());
  const missingSince = new Map(
    missing.map((id) => [id, (thaws ? undefined : before.missingSince.get(id)) ?? now]),
  );
  const held = new Map<string, string>();
  const evicted: string[] = [];
  let frozen: string | null = null;
  let { nextDue } = leaseBound;

  for (const [id, since] of missingSince) {
    const due = since + graceMs;
    if (away(id)) {
      evicted.push(id);
      continue;
    }
    if (now < due) {
      held.set(id, `machine ${shortId(id)} is gone; its units stay for a grace of ${graceMs / 1000} s`);
      nextDue = Math.min(nextDue ?? due, due);
      continue;
    }
    const lost = countLost();
    if (counts(id) && tooMany(lost)) {
      frozen = `${lost} of ${snapshot.known.size} machines are missing or were given up in the last ten minutes: nothing is moved until they return, or \`convoyctl evict MACHINE\` gives them up`;
      held.set(id, `machine ${shortId(id)} is gone, but ${frozen}`);
    } else {
      evicted.push(id);
      evictedAt.set(id, now);
    }
  }
  return {
    absences: { missingSince, evictedAt, frozen: frozen !== null, leaseBound: leaseBound.units },
    holds: { machines: held, units: leaseBound.held },
    ...{ evicted, frozen, nextDue },
  };
}

/** By id, so that of many machines whose grace is over the same ones are given up first. */
function missingMachines({ machines, placements, assigned }: ClusterSnapshot): string[] {
  const used = new Set([...placements.keys(), ...[...assigned.values()].map(({ machine }) => machine)]);
  return [...used].filter((id) => !machines.has(id)).sort();
}
