import { type ClusterSnapshot, effectiveMetadata } from '../registry/model.js';
import {
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
import { WHY, whyLeaves, whyPlaced } from './decision.js';
import { Occupancy } from './occupancy.js';
import { rankFor } from './rank.js';
import { compare, seatKey, type TakenSeat, takenSeats, whyUnwanted } from './seats.js';
import { hasFailed, type Transfer, type Transfers, transferNow, transferOf } from './transfers.js';

/**
 * One placement being worked out: first what stays where it is (`keep`), then what finds a place (`fill`). Everything
 * happens in an order that follows from names alone.
 */
export class Plan {
  readonly snapshot: ClusterSnapshot;
  readonly holds: Holds;
  readonly taken: readonly TakenSeat[];
  /** Units that are to be somewhere, by name. */
  readonly wanted: ReadonlyMap<string, Placeable>;
  /** Live machines by id. */
  readonly candidates: ReadonlyMap<string, Candidate>;
  readonly occupancy: Occupancy;
  /** Why a seat was given up, and why one was taken. */
  readonly left = new Map<string, string>();
  readonly came = new Map<string, string>();
  /** Units that were taken from a machine for a reason that is still to be known when they are placed. */
  readonly transfers = new Map<string, Transfer>();

  /** Seats that are given up, but not before their live machine has reported the unit; machines by unit. */
  private readonly unreported = new Map<string, string[]>();
  private readonly followers = new Map<string, string[]>();
  private readonly reportedOn = new Map<string, string[]>();
  /** What `alikeKey` says of units that no machine takes. */
  private readonly hopeless = new Set<string>();
  /** By full and by short id. */
  private readonly machinesById = new Map<string, string[]>();

  constructor(snapshot: ClusterSnapshot, holds: Holds, before: Transfers) {
    this.snapshot = snapshot;
    this.holds = holds;
    this.taken = takenSeats(snapshot);
    this.candidates = new Map(
      [...snapshot.machines.keys()].sort().map((id) => [id, candidate(snapshot, id)]),
    );
    this.wanted = new Map(
      [...snapshot.units.values()]
        .filter(({ name, target }) => target !== 'inactive' && !isTemplate(name))
        .sort((a, b) => compare(a.name, b.name))
        .map(({ name, unit }) => [name, placeable(name, unit)]),
    );
    const replaces = replacesRelation([...this.wanted.values()]);
    this.occupancy = new Occupancy(this.candidates.keys(), this.wanted, replaces);
    for (const { name, constraints } of this.wanted.values())
      for (const peer of constraints.peers) push(this.followers, peer, name);
    for (const machine of this.candidates.keys())
      for (const unit of snapshot.states.get(machine)?.keys() ?? []) push(this.reportedOn, unit, machine);
    for (const machine of this.candidates.keys())
      for (const id of new Set([machine, shortId(machine)])) push(this.machinesById, id, machine);
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
    const staying: (TakenSeat & { unitSeen: Placeable })[] = [];
    for (const seat of this.taken) {
      const unit = this.wanted.get(seat.unit);
      const unwanted = whyUnwanted(this.snapshot, seat, unit?.constraints.global ?? false);
      const why =
        unwanted ??
        (unit === undefined || unit.constraints.sticky ? null : this.whyMachineLoses(unit, seat.machine));
      if (unwanted !== null && this.isWaiting(seat)) {
        if (this.candidates.has(seat.machine)) push(this.unreported, seat.unit, seat.machine);
      } else if (why !== null) this.giveUp(seat.unit, seat.machine, why);
      else if (unit !== undefined) staying.push({ ...seat, unitSeen: unit });
    }
    const there = new Set(staying.map(seatKey));
    staying.sort((a, b) => byImportance(a.unitSeen, b.unitSeen) || compare(a.machine, b.machine));
    for (const { unit, machine, unitSeen } of staying) {
      const neighbours = {
        ...this.occupancy.neighbours(machine),
        has: (name: string) => there.has(seatKey({ unit: name, machine })),
      };
      const refusal = whyNot(unitSeen, this.staying(machine), neighbours);
      if (refusal === null || this.isFixed(unit, machine)) this.take(machine, unitSeen);
      else this.giveUp(unit, machine, whyLeaves(refusal));
    }
    for (const { unit, machine } of staying)
      if (!this.occupancy.has(machine, unit)) this.leaveWithout(unit, machine);
    // What nobody wants is there until it can be taken away: nothing in conflict with it comes meanwhile.
    for (const [unit, machines] of this.unreported)
      if (!this.wanted.has(unit)) for (const machine of machines) this.occupancy.add(machine, unit);
  }

  /** Finds a place for whatever has none, globals first, then by name, until nothing more can be placed. */
  fill(): void {
    let queue = [...this.wanted.values()].filter((unit) => this.isLacking(unit));
    while (queue.length > 0) {
      let madeRoom = false;
      const waiting = new Set<string>();
      queue.sort(
        (a, b) => Number(b.constraints.global) - Number(a.constraints.global) || compare(a.name, b.name),
      );
      for (const unit of queue) {
        for (const machine of this.placesFor(unit)) {
          madeRoom = this.take(machine, unit) || madeRoom;
          this.came.set(seatKey({ unit: unit.name, machine }), this.whyHere(unit, machine));
          for (const follower of this.followers.get(unit.name) ?? []) waiting.add(follower);
        }
      }
      queue = [...this.wanted.values()].filter(
        (unit) => (madeRoom || waiting.has(unit.name)) && this.isLacking(unit),
      );
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
    const reported = this.reportedOn.get(name);
    if (reported === undefined) return null;
    // A machine that still has it may take it back as it is, unless it was to leave there or has failed there.
    const anew = this.transfers.has(name) || reported.some((id) => hasFailed(this.snapshot, unit, id));
    const stopping = reported.find((other) => anew || other !== machine.id);
    return stopping === undefined ? null : { kind: 'stopping', detail: shortId(stopping) };
  }

  /** Why a unit that stays for now would have to leave its live machine, or null. */
  stuck(unit: Placeable, machine: string): Refusal | null {
    return this.candidates.has(machine)
      ? whyNot(unit, this.staying(machine), this.occupancy.neighbours(machine))
      : null;
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

  /** The live machines that `MachineID=` of a unit names, if it names any: no other would take it. */
  pinnedTo({ constraints }: Placeable): readonly string[] | null {
    return constraints.machineId === null ? null : (this.machinesById.get(constraints.machineId) ?? []);
  }

  /** The same text for units that ask the same of a machine and do not care who else is there, else null. */
  alikeKey(unit: Placeable): string | null {
    const { machineId, metadata, requires, global } = unit.constraints;
    if (global || this.reportedOn.has(unit.name) || this.unreported.has(unit.name)) return null;
    if (this.holds.units.has(unit.name) || !this.occupancy.isLoner(unit)) return null;
    const { problem } = unit;
    if (machineId === null && metadata.length + requires.length === 0 && problem === null) return '';
    return JSON.stringify([machineId, metadata, requires, problem]);
  }

  private isLacking({ name, constraints }: Placeable): boolean {
    return constraints.global || this.occupancy.machinesOf(name).size === 0;
  }

  /** The machine for a unit, or all of a global's that do not have it yet. */
  private placesFor(unit: Placeable): string[] {
    const free = (id: string): boolean => {
      const machine = this.candidates.get(id);
      return (
        machine !== undefined && !this.occupancy.has(id, unit.name) && this.refusal(unit, machine) === null
      );
    };
    if (unit.constraints.global) return [...this.candidates.keys()].filter(free);
    if (!this.isLacking(unit) || this.holds.units.has(unit.name)) return [];
    const alike = this.alikeKey(unit);
    if (alike !== null && this.hopeless.has(alike)) return [];
    const place = this.toTry(unit).find(free);
    if (place !== undefined) return [place];
    if (alike !== null) this.hopeless.add(alike);
    return [];
  }

  /** The machines worth a try, best first. */
  private toTry(unit: Placeable): readonly string[] {
    const { name, constraints } = unit;
    const reported = this.reportedOn.get(name);
    if (reported !== undefined) return reported;
    const pinned = this.pinnedTo(unit);
    if (pinned !== null) return pinned;
    const home = constraints.peers[0] === undefined ? null : this.occupancy.machinesOf(constraints.peers[0]);
    if (home !== null && home.size < 2) return [...home];
    const machines = this.occupancy.ranking.machines();
    const transfer = this.transfers.get(name);
    if (constraints.spread === null && constraints.prefers.length === 0 && transfer === undefined)
      return machines;
    return rankFor(unit, machines, this.candidates, this.occupancy.siblings(name), transfer);
  }

  private whyHere(unit: Placeable, id: string): string {
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
  private take(machine: string, unit: Placeable): boolean {
    const victims = this.occupancy.victims(machine, unit).filter((name) => !this.isFixed(name, machine));
    for (const victim of victims)
      this.leave(victim, machine, whyLeaves({ kind: 'replaced', detail: unit.name }));
    this.occupancy.add(machine, unit.name);
    return victims.length > 0;
  }

  /** Takes a unit from a machine, and its followers with it. */
  leave(unit: string, machine: string, reason: string): void {
    this.occupancy.remove(machine, unit);
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

  /** A machine as those see it who are there already: a cordon does not concern them. */
  private staying(machine: string): Candidate {
    const here = this.candidates.get(machine);
    return here === undefined ? NOWHERE : { ...here, cordoned: false };
  }
}

const ANYBODY = { has: () => true, conflicting: () => null, replacing: () => null, immovable: () => null };
const NOWHERE: Candidate = { id: '', metadata: {}, cordoned: false, draining: false };

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

function candidate(snapshot: ClusterSnapshot, id: string): Candidate {
  const machine = snapshot.machines.get(id);
  const known = snapshot.known.get(id);
  return {
    id,
    metadata: machine === undefined ? {} : effectiveMetadata(machine, known),
    cordoned: known?.cordoned ?? false,
    draining: known?.draining ?? false,
  };
}
