import type { Assignment, ClusterSnapshot, Decision, Placement, UnitRecord } from '../registry/model.js';
import type { Constraints } from '../units/constraints.js';
import { placedTarget, placementOf, WHY } from './decision.js';
import type { Resident } from './resident.js';
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
  /** Null: the unit is to be nowhere. */
  readonly resident: Resident | null;
}

export const seatKey = ({ unit, machine }: Seat): string => `${unit} ${machine}`;

/** By unit, then machine: the order of everything that comes out of the scheduler. */
function compareSeats(a: Seat, b: Seat): number {
  return compare(a.unit, b.unit) || compare(a.machine, b.machine);
}

export function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/**
 * The seats of a snapshot, in order. `wanted`: units in order of names. That what is theirs by assignment comes in
 * order by itself is what makes this cheap: the rest is little.
 */
export function takenSeats(snapshot: ClusterSnapshot, wanted: ReadonlyMap<string, Resident>): TakenSeat[] {
  const { assigned, placements } = snapshot;
  const seats: TakenSeat[] = [];
  let rows = 0;
  for (const resident of wanted.values()) {
    const unit = resident.name;
    const machine = assigned.get(unit)?.machine;
    if (machine === undefined) continue;
    const placement = placements.get(machine)?.get(unit) ?? null;
    if (placement !== null) rows += 1;
    seats.push({ unit, machine, placement, assigned: true, resident });
  }
  const inOrder = seats.length;
  if (inOrder < assigned.size)
    for (const { unit, machine } of assigned.values())
      if (!wanted.has(unit) && !placements.get(machine)?.has(unit))
        seats.push({ unit, machine, placement: null, assigned: true, resident: null });
  const others = [...placements.values()].reduce((sum, { size }) => sum + size, -rows);
  if (others > 0)
    for (const [machine, here] of placements)
      for (const [unit, placement] of here) {
        const isAssigned = assigned.get(unit)?.machine === machine;
        const resident = wanted.get(unit) ?? null;
        if (!isAssigned || resident === null)
          seats.push({ unit, machine, placement, assigned: isAssigned, resident });
      }
  // What is in order already is sorted in one go over it.
  return seats.length > inOrder ? seats.sort(compareSeats) : seats;
}

/** Why a seat is given up whatever the machine is like, or null. */
export function whyUnwanted({ units }: ClusterSnapshot, seat: TakenSeat): string | null {
  if (seat.resident !== null) {
    const { global } = seat.resident.constraints;
    if (global === !seat.assigned) return null;
    return global ? WHY.becameGlobal : WHY.notAssigned;
  }
  const record = units.get(seat.unit);
  if (record === undefined) return WHY.destroyed;
  return record.target === 'inactive' ? WHY.inactive : WHY.template;
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
  record: UnitRecord,
  machine: string,
  { global, stopBoundMs }: Pick<Constraints, 'global' | 'stopBoundMs'>,
  transfer: Transfer | undefined,
  why: string,
): Decision {
  const { name: unit, generation } = record;
  return {
    kind: 'place',
    unit,
    machine,
    global,
    generation,
    revision: 0,
    why,
    placement: placementOf(record, machine, why),
    stopBoundMs: boundAtFirst(snapshot, record, machine, stopBoundMs),
    failedOn: transfer?.failedOn ?? NONE,
  };
}

const NONE: readonly string[] = [];

/** A machine that has the unit yet, as another content, may not hear in time that it is to be this one. */
function boundAtFirst(
  { states }: ClusterSnapshot,
  { name, hash }: UnitRecord,
  machine: string,
  stopBoundMs: number | null,
): number | null {
  if (stopBoundMs === null) return null;
  const state = states.get(machine)?.get(name);
  return state === undefined || state.hash === hash ? stopBoundMs : null;
}

/** What a unit that stays has to learn, or null. */
export function updateDecision(
  snapshot: ClusterSnapshot,
  record: UnitRecord,
  seat: TakenSeat,
  { stopBoundMs }: Pick<Constraints, 'stopBoundMs'>,
): Decision | null {
  const { unit, machine, placement: old } = seat;
  const why = whyUpdated(record, old);
  const reassign = reassignment(snapshot, seat, record, stopBoundMs);
  if (why === null && reassign === null) return null;
  const { generation } = record;
  return {
    ...{ kind: 'update', unit, machine, global: !seat.assigned, generation },
    ...{ revision: seen(snapshot, seat), why: why ?? WHY.bound },
    placement: placementOf(record, machine, old?.why ?? WHY.missing),
    ...(reassign === null ? {} : { reassign }),
  };
}

/** In which way a placement is not as the record is, or null. */
function whyUpdated(record: UnitRecord, old: Placement | null): string | null {
  if (old === null) return WHY.missing;
  const target = placedTarget(record);
  if (old.hash === record.hash && old.target === target && old.restarts === record.restarts) return null;
  const changes: string[] = [];
  if (old.hash !== record.hash) changes.push(WHY.content);
  if (old.target !== target) changes.push(WHY.target(old.target, target));
  if (old.restarts !== record.restarts) changes.push(WHY.restart);
  return changes.join(', ');
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
  if (!isAssigned || assignment === undefined || assignment.stopBoundMs === stopBoundMs) return null;
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
