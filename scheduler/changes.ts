import type { ClusterSnapshot, UnitState } from '../registry/model.js';

/**
 * Whether two snapshots of one cluster are the same to `place`. Most changes are of unit states, and of those only
 * few matter: which units a machine reports, with which content and of which placement, and how often they failed.
 *
 * Records without a revision are compared by identity: snapshots share those that did not change. Answering `false`
 * is always right.
 */
export function samePlacing(one: ClusterSnapshot, other: ClusterSnapshot): boolean {
  return (
    one === other ||
    (same(one.units, other.units, (a, b) => a.generation === b.generation) &&
      same(one.machines, other.machines, identical) &&
      same(one.known, other.known, identical) &&
      same(one.assigned, other.assigned, sameRevision) &&
      same(one.placements, other.placements, (rows, others) => same(rows, others, sameRevision)) &&
      same(one.states, other.states, (rows, others) => same(rows, others, sameState)))
  );
}

type Rows<T> = ReadonlyMap<string, T>;

function same<T>(one: Rows<T>, other: Rows<T>, alike: (a: T, b: T) => boolean): boolean {
  if (one === other) return true;
  if (one.size !== other.size) return false;
  for (const [key, value] of one) {
    const there = other.get(key);
    if (there === undefined || (there !== value && !alike(value, there))) return false;
  }
  return true;
}

const identical = (): boolean => false;
const sameRevision = (a: { revision: number }, b: { revision: number }): boolean => a.revision === b.revision;

function sameState(one: UnitState, other: UnitState): boolean {
  return (
    one.hash === other.hash &&
    one.heard === other.heard &&
    one.autoRestarts === other.autoRestarts &&
    (one.active === 'failed') === (other.active === 'failed')
  );
}
