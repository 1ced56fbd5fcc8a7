import type { ClusterSnapshot, UnitRecord } from '../registry/model.js';
import {
  ANYBODY,
  type Candidate,
  type Placeable,
  placeable,
  type Refusal,
  shortId,
  whyNot,
} from '../units/eligibility.js';
import { isTemplate } from '../units/name.js';
import { replacesRelation } from '../units/replaces.js';
import type { Holds } from './absences.js';
import { Candidates } from './candidates.js';
import { WHY, whyLeaves, whyPlaced } from './decision.js';
import { Occupancy } from './occupancy.js';
import { rankFor } from './rank.js';
import { countOf, isOn, machinesOf, type Resident } from './resident.js';
import { compare, seatKey, type TakenSeat, takenSeats, whyUnwanted } from './seats.js';
import { hasFailed, type Transfer, type Transfers, transferNow, transferOf } from './transfers.js';

/** What there is besides the units of a snapshot: its machines, which may be asked once for many placements. */
export interface Rest {
  readonly machines: Candidates;
  /** How many units a machine has that are not in the snapshot: none of these concerns any that is. */
  readonly others: ReadonlyMap<string, number>;
}

/**
 * One placement being worked out: first what stays where it is (`keep`), then what finds a place (`fill`). Everything
 * happens in an order that follows from names alone.
 */
export class Plan {
  readonly snapshot: ClusterSnapshot;
  readonly holds: Holds;
  readonly taken: readonly TakenSeat[];
  /** Units that are to be somewhere, by name. */
  readonly wanted: ReadonlyMap<string, Resident>;
  /** Those of them that may be to go elsewhere though they might stay. */
  readonly restless: readonly Resident[];
  readonly machines: Candidates;
  /** Live machines by id. */
  readonly candidates: ReadonlyMap<string, Candidate>;
  readonly occupancy: Occupancy;
  /** Why a seat was given up, by `seatKey`. */
  readonly left = new Map<string, string>();
  /** Seats that were taken by sticky or restless units, by `seatKey`. */
  readonly came = new Set<string>();
  /** Units that were taken from a machine for a reason that is still to be known when they are placed. */
  readonly transfers = new Map<string, Transfer>();

  /** Seats that are given up, but not before their live machine has reported the unit; machines by unit. */
  private readonly unreported = new Map<string, string[]>();
  private readonly followers = new Map<string, string[]>();
  /** Live machines that report a unit that is not assigned to them. */
  private readonly reportedElsewhere = new Map<string, string[]>();
  /** What units of the kind that no machine takes ask. */
  private readonly hopeless = new Set<string>();

  constructor(snapshot: ClusterSnapshot, holds: Holds, before: Transfers, rest: Rest = nobodyElse(snapshot)) {
    this.snapshot = snapshot;
    this.holds = holds;
    this.machines = rest.machines;
    this.candidates = this.machines.byId;
    this.wanted = wantedUnits(snapshot);
    this.taken = takenSeats(snapshot, this.wanted);
    const units = [...this.wanted.values()];
    this.restless = units.filter(isRestless);
    const replaces = replacesRelation(units);
    this.occupancy = new Occupancy(this.machines, this.wanted, replaces, rest.others);
    for (const { name, constraints } of units)
      for (const peer of constraints.peers) push(this.followers, peer, name);
    for (const { id } of this.machines.list)
      for (const unit of snapshot.states.get(id)?.keys() ?? [])
        if (snapshot.assigned.get(unit)?.machine !== id) push(this.reportedElsewhere, unit, id);
    for (const [name, transfer] of before) {
      const record = this.wanted.has(name) && !snapshot.assigned.has(name) && snapshot.units.get(name);
      const now = record ? transferNow(transfer, record) : undefined;
      if (now !== undefined) this.transfers.set(name, now);
    }
  }

  /**
   * Leaves every legal placement where it is. Of two units in conflict the sticky one stays, then the global one,
   * then the first by name; of one that replaces the other, it. Sticky units leave only when nobody wants them.
   */
  keep(): void {
    const staying: (TakenSeat & { readonly resident: Resident })[] = [];
    for (const seat of this.taken) {
      const { machine, resident } = seat;
      const unwanted = whyUnwanted(this.snapshot, seat);
      const why =
        unwanted ??
        (resident === null || resident.constraints.sticky ? null : this.whyMachineLoses(resident, machine));
      if (unwanted !== null && this.isWaiting(seat)) {
        if (this.candidates.has(machine)) push(this.unreported, seat.unit, machine);
      } else if (why !== null) this.giveUp(seat.unit, machine, why);
      else if (resident === null) continue;
      // Nothing but the machine could be in its way.
      else if (this.occupancy.isLoner(resident) && this.mayStay(resident, machine))
        this.occupancy.add(machine, resident);
      else staying.push({ ...seat, resident });
    }
    const there = new Set(staying.map(seatKey));
    staying.sort((a, b) => byImportance(a.resident, b.resident) || compare(a.machine, b.machine));
    for (const { unit, machine, resident } of staying) {
      const here = this.occupancy.neighbours(machine);
      const has = (name: string): boolean => there.has(seatKey({ unit: name, machine })) || here.has(name);
      const refusal = whyNot(resident, this.staying(machine), { ...here, has });
      if (refusal === null || this.isFixed(unit, machine)) this.take(machine, resident);
      else this.giveUp(unit, machine, whyLeaves(refusal));
    }
    for (const { unit, machine, resident } of staying)
      if (!isOn(resident, machine)) this.leaveWithout(unit, machine);
    // What nobody wants is there until it can be taken away: nothing in conflict with it comes meanwhile.
    for (const [unit, machines] of this.unreported)
      if (!this.wanted.has(unit)) for (const machine of machines) this.occupancy.addUnwanted(machine, unit);
  }

  /** Finds a place for whatever has none, globals first, then by name, until nothing more can be placed. */
  fill(): void {
    let queue = this.lacking(() => true);
    while (queue.length > 0) {
      let madeRoom = false;
      const waiting = new Set<string>();
      for (const unit of queue) {
        for (const machine of this.placesFor(unit)) {
          madeRoom = this.take(machine, unit) || madeRoom;
          if (unit.constraints.sticky || isRestless(unit))
            this.came.add(seatKey({ unit: unit.name, machine }));
          for (const follower of this.followers.get(unit.name) ?? []) waiting.add(follower);
        }
      }
      queue = madeRoom || waiting.size > 0 ? this.lacking((name) => madeRoom || waiting.has(name)) : [];
    }
  }

  /** Why a live machine does not get a unit it has not, or null. */
  refusal(unit: Placeable, machine: Candidate): Refusal | null {
    const { name, constraints } = unit;
    const refusal = this.whyNotHere(unit, machine);
    if (refusal !== null) return refusal;
    const waits = this.unreported.get(name)?.find((other) => !constraints.global || other === machine.id);
    if (waits !== undefined) return { kind: 'unreported', detail: `${name} on ${shortId(waits)}` };
    if (constraints.global) return null;
    const reported = this.reportedOn(name);
    if (reported.length === 0) return null;
    // A machine that still has it may take it back as it is, unless it was to leave there or has failed there.
    const anew = this.transfers.has(name) || reported.some((id) => hasFailed(this.snapshot, unit, id));
    const stopping = reported.find((other) => anew || other !== machine.id);
    return stopping === undefined ? null : { kind: 'stopping', detail: shortId(stopping) };
  }

  /** Why a unit that stays for now would have to leave its live machine, or null. */
  stuck(unit: Placeable, machine: string): Refusal | null {
    if (!this.candidates.has(machine)) return null;
    if (this.occupancy.isLoner(unit) && this.mayStay(unit, machine)) return null;
    return whyNot(unit, this.staying(machine), this.occupancy.neighbours(machine));
  }

  /**
   * Whether a live machine that is to have a unit has not said yet what has become of it there. A state from before
   * it heard of this placement is of what the machine had then: it may be gone soon, and the unit started anew.
   */
  isUnreported(unit: string, machine: string): boolean {
    const placement = this.snapshot.placements.get(machine)?.get(unit);
    if (placement === undefined || !this.candidates.has(machine)) return false;
    return (this.snapshot.states.get(machine)?.get(unit)?.heard ?? 0) < placement.fence;
  }

  /** Whether a seat that nobody wants any more must not be taken away yet. */
  isWaiting({ unit, machine, assigned }: TakenSeat): boolean {
    return (
      this.isUnreported(unit, machine) ||
      (assigned && this.holds.units.has(unit) && !this.candidates.has(machine))
    );
  }

  /**
   * What a unit asks, if no more than what the machines answer to that decides about its place: then units that ask
   * the same fare alike. Else null.
   */
  alikeKey(unit: Placeable): string | null {
    const { name, constraints, asks } = unit;
    if (constraints.global || this.reportedOn(name).length > 0 || this.unreported.has(name)) return null;
    return this.holds.units.has(name) || !this.occupancy.isLoner(unit) ? null : asks;
  }

  /** Live machines that report a unit, by id. */
  private reportedOn(unit: string): readonly string[] {
    const elsewhere = this.reportedElsewhere.get(unit) ?? NOWHERE;
    const home = this.snapshot.assigned.get(unit)?.machine;
    if (home === undefined || !this.candidates.has(home) || !this.snapshot.states.get(home)?.has(unit))
      return elsewhere;
    return [...elsewhere, home].sort();
  }

  /** Units that lack a place, or may, in the order in which they look for one. */
  private lacking(asked: (unit: string) => boolean): Resident[] {
    const globals: Resident[] = [];
    const others: Resident[] = [];
    for (const unit of this.wanted.values()) {
      if (!asked(unit.name)) continue;
      if (unit.constraints.global) globals.push(unit);
      else if (unit.on === null) others.push(unit);
    }
    for (const unit of others) globals.push(unit);
    return globals;
  }

  /** The machine for a unit, or all of a global's that do not have it yet. */
  private placesFor(unit: Resident): readonly string[] {
    const { name, constraints } = unit;
    const { list } = this.machines;
    const answers = this.machines.answersTo(unit);
    const isFree = (at: number): boolean => {
      const machine = list[at];
      return (
        machine !== undefined &&
        answers.mayCome(at) &&
        !isOn(unit, machine.id) &&
        this.refusal(unit, machine) === null
      );
    };
    if (constraints.global) return list.flatMap(({ id }, at) => (isFree(at) ? [id] : NOWHERE));
    if (unit.on !== null || this.holds.units.has(name)) return NOWHERE;
    const alike = this.alikeKey(unit);
    if (alike !== null && this.hopeless.has(alike)) return NOWHERE;
    const toTry = this.toTry(unit);
    const place =
      toTry === null
        ? this.occupancy.ranking.first(alike === null ? isFree : (at) => answers.mayCome(at))?.id
        : toTry.find((id) => isFree(this.machines.placeOf(id) ?? -1));
    if (place !== undefined) return [place];
    if (alike !== null) this.hopeless.add(alike);
    return NOWHERE;
  }

  /** The machines worth a try, best first; null: all, the one with the fewest units first. */
  private toTry(unit: Placeable): readonly string[] | null {
    const { name, constraints } = unit;
    const reported = this.reportedOn(name);
    if (reported.length > 0) return reported;
    const pinned = this.machines.pinnedTo(unit);
    if (pinned !== null) return pinned;
    const [peer] = constraints.peers;
    if (peer !== undefined) {
      const there = this.wanted.get(peer) ?? { on: null };
      if (countOf(there) < 2) return machinesOf(there);
    }
    const transfer = this.transfers.get(name);
    if (constraints.spread === null && constraints.prefers.length === 0 && transfer === undefined)
      return null;
    return rankFor(
      unit,
      this.occupancy.ranking.machines(),
      this.candidates,
      this.occupancy.siblings(name),
      transfer,
    );
  }

  /** Why a unit comes to a machine, in words. */
  whyHere(unit: Placeable, id: string): string {
    const machine = this.candidates.get(id);
    return machine === undefined ? WHY.fewest : whyPlaced(unit, machine, this.transfers.get(unit.name));
  }

  /** Why a unit may not be on a machine, whatever it takes to bring it there. */
  whyNotHere(unit: Placeable, machine: Candidate): Refusal | null {
    const refusal = whyNot(unit, machine, this.occupancy.neighbours(machine.id));
    if (refusal !== null || unit.constraints.replaces.length === 0) return refusal;
    const victim = this.occupancy
      .victims(machine.id, unit)
      .find((name) => this.isUnreported(name, machine.id));
    return victim === undefined ? null : { kind: 'unreported', detail: victim };
  }

  /** Puts a unit on a machine; whom it replaces leaves, and those who are there only with them. Answers if any did. */
  private take(machine: string, unit: Resident): boolean {
    if (unit.constraints.replaces.length === 0) {
      this.occupancy.add(machine, unit);
      return false;
    }
    const victims = this.occupancy.victims(machine, unit).filter((name) => !this.isFixed(name, machine));
    for (const victim of victims)
      this.leave(victim, machine, whyLeaves({ kind: 'replaced', detail: unit.name }));
    this.occupancy.add(machine, unit);
    return victims.length > 0;
  }

  /** Takes a unit from a machine, and its followers with it. */
  leave(unit: string, machine: string, reason: string): void {
    const resident = this.wanted.get(unit);
    if (resident !== undefined) this.occupancy.remove(machine, resident);
    this.came.delete(seatKey({ unit, machine }));
    this.giveUp(unit, machine, reason);
    this.leaveWithout(unit, machine);
  }

  /** Notes why a seat is given up, and what is to be known of the unit when it is placed anew. */
  private giveUp(unit: string, machine: string, reason: string): void {
    this.left.set(seatKey({ unit, machine }), reason);
    const wanted = this.wanted.get(unit);
    if (wanted === undefined || wanted.constraints.global) return;
    if (this.snapshot.assigned.get(unit)?.machine !== machine) return;
    const transfer = transferOf(this.snapshot, wanted);
    if (transfer !== null) this.transfers.set(unit, transfer);
  }

  /** Followers of a unit that is no longer on a machine leave it too. */
  private leaveWithout(peer: string, machine: string): void {
    for (const follower of this.followers.get(peer) ?? []) {
      if (!this.occupancy.has(machine, follower) || this.isFixed(follower, machine)) continue;
      this.leave(follower, machine, whyLeaves({ kind: 'peer', detail: peer }));
    }
  }

  /** Why a machine itself cannot keep a unit, whoever else is there. */
  private whyMachineLoses(unit: Placeable, machine: string): string | null {
    if (this.holds.machines.has(machine)) return null;
    if (!this.candidates.has(machine))
      return this.holds.units.has(unit.name) ? null : WHY.machineGone(machine);
    if (this.mayStay(unit, machine)) return null;
    const refusal = whyNot(unit, this.staying(machine), ANYBODY);
    return refusal === null || this.isUnreported(unit.name, machine) ? null : whyLeaves(refusal);
  }

  /**
   * What nothing moves but the operator: sticky units, once they are somewhere, all of a machine nobody can look
   * into, and what a machine has not reported yet.
   */
  private isFixed(unit: string, machine: string): boolean {
    if (!this.candidates.has(machine) || this.isUnreported(unit, machine)) return true;
    return this.wanted.get(unit)?.constraints.sticky === true && !this.came.has(seatKey({ unit, machine }));
  }

  /** Whether a live machine itself keeps a unit, whoever else is there. */
  private mayStay(unit: Placeable, machine: string): boolean {
    const at = this.machines.placeOf(machine);
    return at !== undefined && this.machines.answersTo(unit).mayStay(at);
  }

  /** A machine as those see it who are there already: a cordon does not concern them. */
  private staying(machine: string): Candidate {
    const here = this.candidates.get(machine);
    return here === undefined ? NO_MACHINE : { ...here, cordoned: false };
  }
}

const NO_MACHINE: Candidate = { id: '', metadata: {}, cordoned: false, draining: false };
const NOWHERE: readonly string[] = [];

/** Who keeps a place that two units claim. */
function byImportance(a: Placeable, b: Placeable): number {
  const [one, other] = [a.constraints, b.constraints];
  return (
    Number(other.sticky) - Number(one.sticky) ||
    Number(other.global) - Number(one.global) ||
    compare(a.name, b.name)
  );
}

function push(index: Map<string, string[]>, key: string, value: string): void {
  const values = index.get(key);
  if (values === undefined) index.set(key, [value]);
  else values.push(value);
}

/** Units that are to be somewhere, in order of names. */
function wantedUnits({ units }: ClusterSnapshot): ReadonlyMap<string, Resident> {
  const records: UnitRecord[] = [];
  for (const record of units.values())
    if (record.target !== 'inactive' && !isTemplate(record.name)) records.push(record);
  records.sort((a, b) => (a.name < b.name ? -1 : 1));
  const wanted = new Map<string, Resident>();
  for (const record of records) {
    const { name, constraints, problem, asks } = placeable(record.name, record.unit);
    wanted.set(name, { name, constraints, problem, asks, record, on: null });
  }
  return wanted;
}

function isRestless({ constraints, record }: Resident): boolean {
  return constraints.moveAfterFailures !== null || record.move !== null;
}

const nobodyElse = (snapshot: ClusterSnapshot): Rest => ({
  machines: new Candidates(snapshot),
  others: new Map(),
});
