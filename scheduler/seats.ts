import type { Assignment, ClusterSnapshot, Decision, Placement, UnitRecord } from '../registry/model.js';
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
      ...{
        stopBoundMs: boundAtFirst(snapshot, seat, record, stopBoundMs),
        failedOn: transfer?.failedOn ?? [],
      },
    },
  ];
}

/** A machine that has the unit yet, as another content, may not hear in time that it is to be this one. */
function boundAtFirst(
  { states }: ClusterSnapshot,
  { unit, machine }: Seat,
  { hash }: UnitRecord,
  stopBoundMs: number | null,
): number | null {
  const state = states.get(machine)?.get(unit);
  return state === undefined || state.hash === hash ? stopBoundMs : null;
}

/** What a unit that stays has to learn: nothing, or one decision. */
export function updateDecision(
  snapshot: ClusterSnapshot,
  seat: TakenSeat,
  { stopBoundMs }: Pick<Constraints, 'stopBoundMs'>,
): Decision[] {
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
  const reassign = reassignment(snapshot, seat, record, stopBoundMs);
  if (changes.length === 0 && reassign !== null) changes.push(WHY.bound);
  if (changes.length === 0) return [];
  const { generation } = record;
  const revision = seen(snapshot, seat);
  return [
    {
      ...{ kind: 'update', unit, machine, global: !seat.assigned, generation, revision },
      ...{ why: changes.join(', '), placement, ...(reassign === null ? {} : { reassign }) },
    },
  ];
}

/**
 * The assignment with another stop bound, or null if it is right. What counts is what the machine may run the unit
 * as. Sound in every order of events: a longer bound is written in the transaction that tells of it, before the
 * machine can know; a shorter one only when the machine has reported to run what its placement says now, and it
 * learns of anything else by a later update, which is such a transaction again.
 */
function reassignment(
  { assigned, states }: ClusterSnapshot,
  { unit, machine, assigned: isAssigned, placement }: TakenSeat,
  { hash }: UnitRecord,
  stopBoundMs: number | null,
): Pick<Assignment, 'stopBoundMs' | 'failedOn'> | null {
  const assignment = assigned.get(unit);
  if (!isAssigned || assignment === undefined) return null;
  const state = states.get(machine)?.get(unit);
  const isTold = placement?.hash === hash && state?.hash === hash && state.heard >= placement.revision;
  const next = isTold ? stopBoundMs : longerBound(assignment.stopBoundMs, stopBoundMs);
  return next === assignment.stopBoundMs ? null : { stopBoundMs: next, failedOn: assignment.failedOn };
}

/** Null is longer than any. */
function longerBound(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : Math.max(one, other);
}

/** The revision that a decision about a taken seat is based on. */
function seen(snapshot: ClusterSnapshot, { unit, assigned, placement }: TakenSeat): number {
  return (assigned ? snapshot.assigned.get(unit)?.revision : placement?.revision) ?? 0;
}
