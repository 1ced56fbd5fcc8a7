import type { ClusterSnapshot, Decision } from '../registry/model.js';
import { type Placeable, Tally } from '../units/eligibility.js';
import { WHY, whyLeaves } from './decision.js';
import { Plan } from './plan.js';
import { compareSeats, placeDecision, type Seat, seatKey, unplaceDecision, updateDecision } from './seats.js';

export interface Placing {
  /** What to write: first what leaves, then what changes, then what comes; each by unit, then machine. */
  readonly decisions: readonly Decision[];
  /**
   * Why units are not, or not everywhere, where their target wants them; by unit, in order of names. Every live
   * machine that does not have the unit is counted: `pending: 0 of 12 machines: 7 lack az=eu-west, 5 conflict
   * with web@1.service`.
   */
  readonly refusals: ReadonlyMap<string, string>;
}

/**
 * Where every unit should be, with a reason for everything that changes and for everything that does not happen.
 * Pure and deterministic: the same cluster gives the same answer, and once the answer has been carried out the
 * next one is empty. Legal placements are never moved.
 *
 * `held` has the machines that are gone but not given up, each with the words why: what is placed there stays.
 */
export function place(snapshot: ClusterSnapshot, held: ReadonlyMap<string, string> = new Map()): Placing {
  const plan = new Plan(snapshot, held);
  plan.keep();
  plan.fill();
  return { decisions: decide(snapshot, plan), refusals: explain(plan, held) };
}

/** The difference between the seats as they are and as they are to be. */
function decide(snapshot: ClusterSnapshot, plan: Plan): Decision[] {
  const unplaces: Decision[] = [];
  const updates: Decision[] = [];
  const kept = new Set<string>();
  for (const seat of plan.taken) {
    const unit = plan.wanted.get(seat.unit);
    const stays =
      plan.occupancy.has(seat.machine, seat.unit) &&
      unit !== undefined &&
      unit.constraints.global === !seat.assigned;
    if (stays) {
      kept.add(seatKey(seat));
      updates.push(...updateDecision(snapshot, seat));
    } else unplaces.push(unplaceDecision(snapshot, seat, plan.left.get(seatKey(seat)) ?? WHY.notAssigned));
  }
  const fresh: (Seat & { global: boolean })[] = [];
  for (const { name, constraints } of plan.wanted.values())
    for (const machine of plan.occupancy.machinesOf(name))
      if (!kept.has(seatKey({ unit: name, machine })))
        fresh.push({ unit: name, machine, global: constraints.global });
  const places = fresh
    .sort(compareSeats)
    .flatMap((seat) =>
      placeDecision(snapshot, seat, seat.global, plan.came.get(seatKey(seat)) ?? WHY.fewest),
    );
  return [...unplaces, ...updates, ...places];
}

function explain(plan: Plan, held: ReadonlyMap<string, string>): Map<string, string> {
  const refusals = new Map<string, string>();
  // A thousand units that ask the same of a machine get the same answer, and it is worked out once.
  const known = new Map<string, string>();
  for (const [name, unit] of plan.wanted) {
    const home = unit.constraints.global ? undefined : [...plan.occupancy.machinesOf(name)][0];
    const alike = home === undefined ? plan.alikeKey(unit) : null;
    const words =
      home !== undefined
        ? explainPlaced(plan, held, unit, home)
        : ((alike === null ? undefined : known.get(alike)) ?? explainLacking(plan, unit));
    if (words !== null) refusals.set(name, words);
    if (alike !== null && words !== null) known.set(alike, words);
  }
  return refusals;
}

/** What a unit that keeps its machine waits for, or null. */
function explainPlaced(
  plan: Plan,
  held: ReadonlyMap<string, string>,
  unit: Placeable,
  machine: string,
): string | null {
  if (!plan.candidates.has(machine)) return `pending: ${held.get(machine) ?? WHY.sticky(machine)}`;
  const refusal = unit.constraints.sticky ? plan.stuck(unit, machine) : null;
  return refusal === null ? null : WHY.stuck(whyLeaves(refusal));
}

/** Why a unit without a machine, or a global one, is not where it is not; null if a global is everywhere. */
function explainLacking(plan: Plan, unit: Placeable): string | null {
  const tally = new Tally();
  const pinned = unit.problem === null ? plan.pinnedTo(unit) : null;
  const asked = pinned ?? [...plan.candidates.keys()];
  tally.add(
    { kind: 'machine-id', detail: unit.constraints.machineId ?? '' },
    plan.candidates.size - asked.length,
  );
  let running = 0;
  for (const id of asked) {
    const machine = plan.candidates.get(id);
    const refusal =
      machine === undefined || plan.occupancy.has(id, unit.name) ? null : plan.refusal(unit, machine);
    if (refusal === null) running += 1;
    else tally.add(refusal);
  }
  if (unit.constraints.global && running === plan.candidates.size) return null;
  return `${running > 0 ? 'runs on' : 'pending:'} ${tally.summary(running)}`;
}
