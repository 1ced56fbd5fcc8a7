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
import { WHY, whyLeaves } from './decision.js';
import { Occupancy } from './occupancy.js';
import { compare, seatKey, type TakenSeat, takenSeats, whyUnwanted } from './seats.js';

/**
 * One placement being worked out: first what stays where it is (`keep`), then what finds a place (`fill`).
 * Everything happens in an order that follows from names alone.
 */
export class Plan {
  readonly taken: readonly TakenSeat[];
  /** Units that are to be somewhere, by name. */
  readonly wanted: ReadonlyMap<string, Placeable>;
  /** Live machines by id. */
  readonly candidates: ReadonlyMap<string, Candidate>;
  readonly occupancy: Occupancy;
  /** Why a seat was given up, and why one was taken. */
  readonly left = new Map<string, string>();
  readonly came = new Map<string, string>();

  private readonly snapshot: ClusterSnapshot;
  private readonly held: ReadonlyMap<string, string>;
  private readonly followers = new Map<string, string[]>();
  private readonly reportedOn = new Map<string, string[]>();
  /** What `alikeKey` says of units that no machine takes. */
  private readonly hopeless = new Set<string>();
  /** By full and by short id. */
  private readonly machinesById = new Map<string, string[]>();

  constructor(snapshot: ClusterSnapshot, held: ReadonlyMap<string, string>) {
    this.snapshot = snapshot;
    this.held = held;
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
  }

  /**
   * Leaves every legal placement where it is. Of two units in conflict the sticky one stays, then the global one,
   * then the first by name; of one that replaces the other, it. Sticky units leave only when nobody wants them.
   */
  keep(): void {
    const staying: (TakenSeat & { unitSeen: Placeable })[] = [];
    for (const seat of this.taken) {
      const unit = this.wanted.get(seat.unit);
      const why =
        whyUnwanted(this.snapshot, seat, unit?.constraints.global ?? false) ??
        (unit === undefined || unit.constraints.sticky ? null : this.whyMachineLoses(unit, seat.machine));
      if (why !== null) this.left.set(seatKey(seat), why);
      else if (unit !== undefined) staying.push({ ...seat, unitSeen: unit });
    }
    const there = new Set(staying.map(seatKey));
    staying.sort((a, b) => byImportance(a.unitSeen, b.unitSeen) || compare(a.machine, b.machine));
    for (const { unit, machine, unitSeen } of staying) {
      const neighbours = {
        ...this.occupancy.neighbours(machine),
        has: (name: string) => there.has(seatKey({ unit: name, machine })),
      };
      const refusal = this.isFixed(unitSeen.name, machine)
        ? null
        : whyNot(unitSeen, this.staying(machine), neighbours);
      if (refusal === null) this.take(machine, unitSeen);
      else this.left.set(seatKey({ unit, machine }), whyLeaves(refusal));
    }
    for (const { unit, machine } of staying)
      if (!this.occupancy.has(machine, unit)) this.leaveWithout(unit, machine);
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
          this.came.set(seatKey({ unit: unit.name, machine }), why(unit));
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
    const refusal = whyNot(unit, machine, this.occupancy.neighbours(machine.id));
    if (refusal !== null || unit.constraints.global) return refusal;
    const elsewhere = this.reportedOn.get(unit.name)?.find((other) => other !== machine.id);
    return elsewhere === undefined ? null : { kind: 'stopping', detail: shortId(elsewhere) };
  }

  /** Why a sticky unit would have to leave its live machine, or null. */
  stuck(unit: Placeable, machine: string): Refusal | null {
    return this.candidates.has(machine)
      ? whyNot(unit, this.staying(machine), this.occupancy.neighbours(machine))
      : null;
  }

  /** The live machines that `MachineID=` of a unit names, if it names any: no other would take it. */
  pinnedTo({ constraints }: Placeable): readonly string[] | null {
    return constraints.machineId === null ? null : (this.machinesById.get(constraints.machineId) ?? []);
  }

  /** The same text for units that ask the same of a machine and do not care who else is there, else null. */
  alikeKey(unit: Placeable): string | null {
    const { machineId, metadata, global } = unit.constraints;
    if (global || this.reportedOn.has(unit.name) || !this.occupancy.isLoner(unit)) return null;
    return JSON.stringify([machineId, metadata, unit.problem]);
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
    if (!this.isLacking(unit)) return [];
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
    return this.occupancy.ranking.machines();
  }

  /** Puts a unit on a machine; whom it replaces leaves, and those who are there only with them. Answers if any did. */
  private take(machine: string, unit: Placeable): boolean {
    const victims = this.occupancy.victims(machine, unit).filter((name) => !this.isFixed(name, machine));
    for (const victim of victims)
      this.leave(victim, machine, whyLeaves({ kind: 'replaced', detail: unit.name }));
    this.occupancy.add(machine, unit.name);
    return victims.length > 0;
  }

  private leave(unit: string, machine: string, reason: string): void {
    this.occupancy.remove(machine, unit);
    this.came.delete(seatKey({ unit, machine }));
    this.left.set(seatKey({ unit, machine }), reason);
    this.leaveWithout(unit, machine);
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
    if (this.held.has(machine)) return null;
    if (!this.candidates.has(machine)) return WHY.machineGone(machine);
    const refusal = whyNot(unit, this.staying(machine), ANYBODY);
    return refusal === null ? null : whyLeaves(refusal);
  }

  /** What nothing moves: sticky units, once they are somewhere, and all of a machine nobody can look into. */
  private isFixed(unit: string, machine: string): boolean {
    if (!this.candidates.has(machine)) return true;
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

function why({ constraints: { global, machineId, peers } }: Placeable): string {
  if (global) return WHY.global;
  if (machineId !== null) return WHY.pinned;
  return peers.length > 0 ? WHY.withPeers(peers) : WHY.fewest;
}
