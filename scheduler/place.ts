import type { ClusterSnapshot, Decision } from '../registry/model.js';
import { type Placeable, type Refusal, summarize } from '../units/eligibility.js';
import { WHY, whyLeaves } from './decision.js';
import { Plan } from './plan.js';
import { compareSeats, placeDecision, type Seat, seatKey, unplaceDecision, updateDecision } from './seats.js';

/** Why a unit is not, or not everywhere, where its target wants it. */
export interface Pending {
  /** For people: `pending: 0 of 12 machines: 7 lack az=eu-west, 5 conflict with web@1.service`. */
  readonly words: string;
  /** One refusal for every live machine that does not have it, or the one for the machine it waits on. */
  readonly refusals: readonly Refusal[];
}

export interface Placing {
  /** What to write: first what leaves, then what changes, then what comes; each by unit, then machine. */
  readonly decisions: readonly Decision[];
  /** By unit, in order of names. */
  readonly pending: ReadonlyMap<string, Pending>;
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
  return { decisions: decide(snapshot, plan), pending: explain(plan, held) };
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

function explain(plan: Plan, held: ReadonlyMap<string, string>): Map<string, Pending> {
  const pending = new Map<string, Pending>();
  const machines = [...plan.candidates.values()];
  const known = new Map<string, Pending>();
  for (const [name, unit] of plan.wanted) {
    const places = plan.occupancy.machinesOf(name);
    const home = unit.constraints.global ? undefined : [...places][0];
    if (home !== undefined) {
      const waits = explainPlaced(plan, held, unit, home);
      if (waits !== null) pending.set(name, waits);
      continue;
    }
    // Units that ask the same of a machine get the same answer: a thousand of them pending cost little.
    const alike = alikeKey(plan, unit);
    const seen = alike === null ? undefined : known.get(alike);
    const refusals =
      seen?.refusals ??
      machines.flatMap((machine) =>
        places.has(machine.id) ? [] : [plan.refusal(unit, machine)].filter((refusal) => refusal !== null),
      );
    if (unit.constraints.global && refusals.length === 0) continue;
    const running = machines.length - refusals.length;
    const words = seen?.words ?? `${running > 0 ? 'runs on' : 'pending:'} ${summarize(refusals, running)}`;
    const answer = { words, refusals };
    if (alike !== null) known.set(alike, answer);
    pending.set(name, answer);
  }
  return pending;
}

/** What a unit that keeps its machine waits for, if it does. */
function explainPlaced(
  plan: Plan,
  held: ReadonlyMap<string, string>,
  unit: Placeable,
  machine: string,
): Pending | null {
  if (!plan.candidates.has(machine)) {
    const detail = held.get(machine) ?? WHY.sticky(machine);
    return { words: `pending: ${detail}`, refusals: [{ machine, kind: 'gone', detail }] };
  }
  const refusal = unit.constraints.sticky ? plan.stuck(unit, machine) : null;
  return refusal === null ? null : { words: WHY.stuck(whyLeaves(refusal)), refusals: [refusal] };
}

function alikeKey(plan: Plan, unit: Placeable): string | null {
  const { machineId, metadata, global } = unit.constraints;
  if (global || plan.isReported(unit.name) || !plan.occupancy.isLoner(unit)) return null;
  return JSON.stringify([machineId, metadata, unit.problem]);
}
