import type { ClusterSnapshot } from '../registry/model.js';
import { shortId } from '../units/eligibility.js';
import { NO_HOLDS } from './absences.js';
import { NO_MEMORY, place } from './place.js';

/**
 * Why units are not where their target wants them, in words by unit, as a machine that does not lead can tell: by
 * the leader's rules, without the graces that only the leader remembers. `frozen`: why the leader has said that
 * evictions stand still, or null.
 */
export function explainPending(
  snapshot: ClusterSnapshot,
  frozen: string | null,
): ReadonlyMap<string, string> {
  const gone = [...snapshot.known.values()].filter(
    ({ id, away }) => away === null && !snapshot.machines.has(id),
  );
  const what = frozen === null ? '; the leader decides when its units move' : `, but ${frozen}`;
  const machines = new Map(gone.map(({ id }) => [id, `machine ${shortId(id)} is gone${what}`]));
  return place(snapshot, { ...NO_MEMORY, holds: { ...NO_HOLDS, machines } }).refusals;
}
