import type { ClusterSnapshot, Decision } from '../registry/model.js';
import { type Placeable, REFUSAL_KINDS, Tally } from '../units/eligibility.js';
import { type Holds, NO_HOLDS } from './absences.js';
import { WHY, whyLeaves } from './decision.js';
import { Departures } from './departures.js';
import { Plan, type Rest } from './plan.js';
import { countOf, homeOf, isOn, machinesOf, type Resident } from './resident.js';
import { placeDecision, seatKey, type TakenSeat, unplaceDecision, updateDecision } from './seats.js';
import type { Transfers } from './transfers.js';

export interface Placing {
  /** What to write: first what leaves, then what changes, then what comes; each by unit, then machine. */
  readonly decisions: readonly Decision[];
  /**
   * Why units are not, or not everywhere, where their target wants them; by unit, in order of names. Every live
   * machine that does not have the unit is counted: `pending: 0 of 12 machines: 7 lack az=eu-west, 5 conflict
   * with web@1.service`.
   */
  readonly refusals: ReadonlyMap<string, string>;
  /** Those of them that run nowhere, by unit, with what stands in the way most. */
  readonly pending: ReadonlyMap<string, PendingReason>;
  /** What to hand to the next look. */
  readonly transfers: Transfers;
}

/** What most machines refuse a unit for, or that none is there to take it, or that the one that has it is gone. */
export const PENDING_REASONS = [...REFUSAL_KINDS, 'no-machine', 'machine-gone'] as const;
export type PendingReason = (typeof PENDING_REASONS)[number];

/** What a leader remembers from look to look. */
export interface Memory {
  readonly holds: Holds;
  readonly transfers: Transfers;
}

export const NO_MEMORY: Memory = { holds: NO_HOLDS, transfers: new Map() };

/**
 * Where every unit should be, with a reason for everything that changes and for everything that does not happen.
 * Pure and deterministic: the same cluster gives the same answer, and once the answer has been carried out the
 * next one is empty. Legal placements are
 * moved only when asked to: by the operator, or by `MoveAfterFailures=`.
 */
export function place(snapshot: ClusterSnapshot, memory: Memory = NO_MEMORY): Placing {
  return placeAmong(snapshot, memory).placing;
}

/**
 * The same where there may be more than the snapshot has. `unsettled`: units about which there may be more to decide
 * though nothing of them changes, since something was decided or is put off.
 */
export function placeAmong(
  snapshot: ClusterSnapshot,
  { holds, transfers }: Memory,
  rest?: Rest,
): { readonly placing: Placing; readonly unsettled: ReadonlySet<string> } {
  const plan = new Plan(snapshot, holds, transfers, rest);
  const departures = new Departures(plan);
  plan.keep();
  departures.move();
  do plan.fill();
  while (departures.move());
  const unsettled = new Set<string>();
  const decisions = decide(snapshot, plan, unsettled);
  return {
    placing: { decisions, ...explain(plan, holds, departures.unmoved), transfers: plan.transfers },
    unsettled,
  };
}

/** The difference between the seats as they are and as they are to be. Both are in order of units. */
function decide(snapshot: ClusterSnapshot, plan: Plan, unsettled: Set<string>): Decision[] {
  const unplaces: Decision[] = [];
  const updates: Decision[] = [];
  const places: Decision[] = [];
  const { taken } = plan;
  const leave = (seat: TakenSeat): void => {
    unsettled.add(seat.unit);
    if (plan.isWaiting(seat)) return;
    unplaces.push(unplaceDecision(snapshot, seat, plan.left.get(seatKey(seat)) ?? WHY.notAssigned));
  };
  let next = 0;
  for (const unit of plan.wanted.values()) {
    const { name, constraints, record } = unit;
    for (let seat = taken[next]; seat !== undefined && seat.unit < name; seat = taken[++next]) leave(seat);
    const kept: string[] = [];
    for (let seat = taken[next]; seat?.unit === name; seat = taken[++next]) {
      if (!isOn(unit, seat.machine) || constraints.global === seat.assigned) leave(seat);
      else {
        kept.push(seat.machine);
        const update = updateDecision(snapshot, record, seat, constraints);
        if (update === null) continue;
        updates.push(update);
        unsettled.add(name);
      }
    }
    if (countOf(unit) === kept.length) continue;
    unsettled.add(name);
    const transfer = plan.transfers.get(name);
    const before = new Set(kept);
    for (const machine of machinesOf(unit))
      if (!before.has(machine))
        places.push(
          placeDecision(snapshot, record, machine, constraints, transfer, plan.whyHere(unit, machine)),
        );
  }
  for (let seat = taken[next]; seat !== undefined; seat = taken[++next]) leave(seat);
  return unplaces.length + updates.length === 0 ? places : [...unplaces, ...updates, ...places];
}

interface Explanation {
  readonly words: string;
  /** Absent of a unit that runs, though not everywhere or not where it should. */
  readonly pending?: PendingReason;
}

function explain(
  plan: Plan,
  holds: Holds,
  unmoved: ReadonlyMap<string, string>,
): Pick<Placing, 'refusals' | 'pending'> {
  const refusals = new Map<string, string>();
  const pending = new Map<string, PendingReason>();
  // A thousand units that ask the same of a machine get the same answer, and it is worked out once.
  const known = new Map<string, Explanation>();
  for (const [name, unit] of plan.wanted) {
    const home = unit.constraints.global ? undefined : homeOf(unit);
    const alike = home === undefined ? plan.alikeKey(unit) : null;
    const explanation =
      home !== undefined
        ? explainPlaced(plan, holds, unit, home, unmoved.get(name))
        : ((alike === null ? undefined : known.get(alike)) ?? explainLacking(plan, holds, unit));
    if (explanation === null) continue;
    refusals.set(name, explanation.words);
    if (explanation.pending !== undefined) pending.set(name, explanation.pending);
    if (alike !== null) known.set(alike, explanation);
  }
  return { refusals, pending };
}

/** What a unit that keeps its machine waits for, or null. */
function explainPlaced(
  plan: Plan,
  holds: Holds,
  unit: Placeable,
  machine: string,
  unmoved: string | undefined,
): Explanation | null {
  const { name, constraints } = unit;
  if (unmoved !== undefined) return { words: unmoved };
  if (!plan.candidates.has(machine)) {
    const why = holds.machines.get(machine) ?? holds.units.get(name) ?? WHY.sticky(machine);
    return { words: `pending: ${why}`, pending: 'machine-gone' };
  }
  const refusal = plan.stuck(unit, machine);
  if (refusal === null) return null;
  if (constraints.sticky) return { words: WHY.stuck(whyLeaves(refusal)) };
  return plan.isUnreported(name, machine) ? { words: WHY.unreported(machine, whyLeaves(refusal)) } : null;
}

/** Why a unit without a machine, or a global one, is not where it is not; null if a global is everywhere. */
function explainLacking(plan: Plan, holds: Holds, unit: Resident): Explanation | null {
  const hold = unit.constraints.global ? undefined : holds.units.get(unit.name);
  if (hold !== undefined) return { words: `pending: ${hold}`, pending: 'machine-gone' };
  const tally = new Tally();
  const pinned = unit.problem === null ? plan.machines.pinnedTo(unit) : null;
  const asked = pinned ?? [...plan.candidates.keys()];
  tally.add(
    { kind: 'machine-id', detail: unit.constraints.machineId ?? '' },
    plan.candidates.size - asked.length,
  );
  let running = 0;
  for (const id of asked) {
    const machine = plan.candidates.get(id);
    const refusal = machine === undefined || isOn(unit, id) ? null : plan.refusal(unit, machine);
    if (refusal === null) running += 1;
    else tally.add(refusal);
  }
  if (unit.constraints.global && running === plan.candidates.size) return null;
  if (running > 0) return { words: `runs on ${tally.summary(running)}` };
  return { words: `pending: ${tally.summary()}`, pending: tally.main() ?? 'no-machine' };
}
