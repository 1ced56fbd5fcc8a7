import type { ClusterSnapshot, Decision, Placement } from '../registry/model.js';
import type { Constraints } from '../units/constraints.js';
import { isTemplate } from '../units/name.js';
import { placementOf, WHY } from './decision.js';
import type { Transfer } from './transfers.js';

/** One unit on one machine, as the snapshot has it or as it is to be. */
export interface Seat {
  readonly unit: string;
  readonly machine: string;
}

/** A seat of the snapshot. */
export interface TakenSeat extends Seat {
  /** Held by the unit's assignment, as a unit's that is not global is. */
  readonly assigned: boolean;
  readonly placement: Placement | null;
}

export const seatKey = ({ unit, machine }: Seat): string => `${unit} ${machine}`;

/** By unit, then machine: the order of everything that comes out of the scheduler. */
export function compareSeats(a: Seat, b: Seat): number {
  return compare(a.unit, b.unit) || compare(a.machine, b.machine);
}

export function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

export function takenSeats(snapshot: ClusterSnapshot): TakenSeat[] {
  const seats: TakenSeat[] = [];
  for (const [machine, placements] of snapshot.placements)
    for (const [unit, placement] of placements)
      seats.push({ unit, machine, placement, assigned: snapshot.assigned.get(unit)?.machine === machine });
  for (const { unit, machine } of snapshot.assigned.values())
    if (!snapshot.placements.get(machine)?.has(unit))
      seats.push({ unit, machine, placement: null, assigned: true });
  return seats.sort(compareSeats);
}

/** Why a seat is given up whatever the machine is like, or null. */
export function whyUnwanted(snapshot: ClusterSnapshot, seat: TakenSeat, global: boolean): string | null {
  const record = snapshot.units.get(seat.unit);
  if (record === undefined) return WHY.destroyed;
  if (record.target === 'inactive') return WHY.inactive;
  if (isTemplate(seat.unit)) return WHY.template;
  if (global === !seat.assigned) return null;
  return global ? WHY.becameGlobal : WHY.notAssigned;
}

export function unplaceDecision(snapshot: ClusterSnapshot, seat: TakenSeat, why: string): Decision {
  const { unit, machine } = seat;
  const generation = snapshot.units.get(unit)?.generation ?? 0;
  return {
    kind: 'unplace',
    unit,
    machine,
    global: !seat.assigned,
    generation,
    revision: seen(snapshot, seat),
    why,
  };
}

export function placeDecision(
  snapshot: ClusterSnapshot,
  seat: Seat,
  { global, stopBoundMs }: Pick<Constraints, 'global' | 'stopBoundMs'>,
  transfer: Transfer | undefined,
  why: string,
): Decision[] {
  const record = snapshot.units.get(seat.unit);
  if (record === undefined) return [];
  const { unit, machine } = seat;
  const placement = placementOf(record, machine, why);
  return [
    {
      ...{ kind: 'place', unit, machine, global, generation: record.generation, revision: 0, why, placement },
      ...{ stopBoundMs, failedOn: transfer?.failedOn ?? [] },
    },
  ];
}

/** What a unit that stays has to learn: nothing, or one decision. */
export function updateDecision(snapshot: ClusterSnapshot, seat: TakenSeat): Decision[] {
  const record = snapshot.units.get(seat.unit);
  if (record === undefined) return [];
  const { unit, machine, placement: old } = seat;
  const placement = placementOf(record, machine, old?.why ?? WHY.missing);
  const changes: string[] = [];
  if (old === null) changes.push(WHY.missing);
  else {
    if (old.hash !== placement.hash) changes.push(WHY.content);
    if (old.target !== placement.target) changes.push(WHY.target(old.target, placement.target));
    if (old.restarts !== placement.restarts) changes.push(WHY.restart);
  }
  if (changes.length === 0) return [];
  const { generation } = record;
  const revision = seen(snapshot, seat);
  const global = !seat.assigned;
  return [
    { kind: 'update', unit, machine, global, generation, revision, why: changes.join(', '), placement },
  ];
}

/** The revision that a decision about a taken seat is based on. */
function seen(snapshot: ClusterSnapshot, { unit, assigned, placement }: TakenSeat): number {
  return (assigned ? snapshot.assigned.get(unit)?.revision : placement?.revision) ?? 0;
}
