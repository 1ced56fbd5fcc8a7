import type { ClusterSnapshot } from '../registry/model.js';
import { placeable, shortId } from '../units/eligibility.js';
import { isTemplate } from '../units/name.js';
import { NO_HOLDS } from './absences.js';
import { whyLeaves } from './decision.js';
import { NO_MEMORY, place } from './place.js';
import { Plan } from './plan.js';

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

/**
 * Why machines that are there cannot have a unit, in words by machine: as if it were wanted, whether it is or not.
 * Those that have it are not among them, nor those that could.
 */
export function explainUnit(snapshot: ClusterSnapshot, unit: string): ReadonlyMap<string, string> {
  const record = snapshot.units.get(unit);
  if (record === undefined || isTemplate(unit)) return new Map();
  const target = record.target === 'inactive' ? 'loaded' : record.target;
  const units = new Map([...snapshot.units, [unit, { ...record, target }]]);
  const plan = new Plan({ ...snapshot, units }, NO_HOLDS, NO_MEMORY.transfers);
  plan.keep();
  plan.fill();
  const wanted = placeable(unit, record.unit);
  const refused = new Map<string, string>();
  for (const [machine, candidate] of plan.candidates) {
    if (plan.occupancy.has(machine, unit) || snapshot.placements.get(machine)?.has(unit)) continue;
    const refusal = plan.whyNotHere(wanted, candidate);
    if (refusal !== null) refused.set(machine, whyLeaves(refusal));
  }
  return refused;
}
