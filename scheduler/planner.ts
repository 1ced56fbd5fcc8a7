import type { Assignment, ClusterSnapshot, Placement, UnitRecord, UnitState } from '../registry/model.js';
import { Candidates } from './candidates.js';
import { type Changes, placingChanges } from './changes.js';
import { Couplings } from './couplings.js';
import { type Memory, type Placing, placeAmong } from './place.js';
import { compare } from './seats.js';

/** From so many units on it counts which part of all is to be looked at. */
const MANY = 1000;

interface Look {
  readonly snapshot: ClusterSnapshot;
  readonly memory: Memory;
  readonly machines: Candidates;
  readonly placing: Placing;
  readonly unsettled: ReadonlySet<string>;
}

/**
 * `place` for one who looks again and again: the same answers, at the cost of what has changed since the last look.
 * A unit that has to do with no other, about which nothing was to be decided and of which nothing has changed stays
 * as it is, or goes on waiting for the same reason: it only counts as one more on its machine. So `place` is asked
 * about the others alone.
 */
export class Planner {
  private last: Look | null = null;
  private compared: { before: ClusterSnapshot; snapshot: ClusterSnapshot; changes: Changes } | null = null;
  /** Made when they are first of use, then kept up. */
  private couplings: Couplings | null = null;
  /** Machines with rows of a unit that it is not assigned to. */
  private elsewhere = new Map<string, ReadonlySet<string>>();

  /** Whether a cluster is as it was at the last look. */
  isAsBefore(snapshot: ClusterSnapshot): boolean {
    if (this.last === null) return false;
    const { machines, units } = this.changes(this.last, snapshot);
    return !machines && units.size === 0;
  }

  place(snapshot: ClusterSnapshot, memory: Memory): Placing {
    const { last } = this;
    const asked = last === null ? null : this.toAsk(last, this.changes(last, snapshot), snapshot, memory);
    this.last =
      last === null || asked === null
        ? this.fresh(snapshot, memory)
        : this.again(last, asked, snapshot, memory);
    return this.last.placing;
  }

  private changes({ snapshot: before }: Look, snapshot: ClusterSnapshot): Changes {
    if (this.compared?.before !== before || this.compared.snapshot !== snapshot)
      this.compared = { before, snapshot, changes: placingChanges(before, snapshot) };
    return this.compared.changes;
  }

  private fresh(snapshot: ClusterSnapshot, memory: Memory): Look {
    this.couplings = null;
    this.elsewhere.clear();
    const machines = new Candidates(snapshot);
    const rest = { machines, others: new Map<string, number>() };
    return { snapshot, memory, machines, ...placeAmong(snapshot, memory, rest) };
  }

  /** The units to be looked at, or null if that is all of them or nearly so. */
  private toAsk(
    last: Look,
    changes: Changes,
    snapshot: ClusterSnapshot,
    memory: Memory,
  ): ReadonlySet<string> | null {
    const { holds } = memory;
    if (changes.machines || !sameWords(holds.machines, last.memory.holds.machines)) return null;
    if (!sameWords(holds.units, last.memory.holds.units)) return null;
    const tooMany = (count: number): boolean => count > MANY && count * 2 > snapshot.units.size;
    const asked = new Set([...last.unsettled, ...memory.transfers.keys(), ...changes.units.keys()]);
    if (tooMany(asked.size)) return null;
    if (this.couplings === null) {
      // Of the last look: what is gone since may have stood in the way of others.
      this.couplings = new Couplings(last.snapshot);
      this.noteRows(snapshot);
    } else {
      for (const [unit, machines] of changes.units)
        this.noteElsewhere(last.snapshot, snapshot, unit, machines);
    }
    this.couplings.add(snapshot, changes.units.keys());
    for (const unit of this.couplings.units) asked.add(unit);
    return tooMany(asked.size) ? null : asked;
  }

  private again(
    { machines, placing: before }: Look,
    asked: ReadonlySet<string>,
    snapshot: ClusterSnapshot,
    memory: Memory,
  ): Look {
    const part = this.partOf(snapshot, asked);
    const others = new Map<string, number>();
    for (const { id } of machines.list) {
      const count = (snapshot.placements.get(id)?.size ?? 0) - (part.placements.get(id)?.size ?? 0);
      if (count > 0) others.set(id, count);
    }
    const { placing, unsettled } = placeAmong(part, memory, { machines, others });
    const refusals = merged(before.refusals, placing.refusals, asked);
    const pending = merged(before.pending, placing.pending, asked);
    return { snapshot, memory, machines, placing: { ...placing, refusals, pending }, unsettled };
  }

  /** The cluster as if it had these units alone. */
  private partOf(snapshot: ClusterSnapshot, asked: ReadonlySet<string>): ClusterSnapshot {
    const { units, assigned, placements, states } = snapshot;
    const part = {
      ...snapshot,
      units: new Map<string, UnitRecord>(),
      assigned: new Map<string, Assignment>(),
      placements: new Map<string, Map<string, Placement>>(),
      states: new Map<string, Map<string, UnitState>>(),
    };
    for (const unit of asked) {
      copy(units, part.units, unit);
      copy(assigned, part.assigned, unit);
      const home = assigned.get(unit)?.machine;
      const machines = this.elsewhere.get(unit) ?? [];
      for (const machine of home === undefined ? machines : [...machines, home]) {
        copyRow(placements, part.placements, machine, unit);
        copyRow(states, part.states, machine, unit);
      }
    }
    return part;
  }

  private noteRows({ assigned, placements, states }: ClusterSnapshot): void {
    const found = new Map<string, Set<string>>();
    for (const rows of [placements, states])
      for (const [machine, here] of rows)
        for (const unit of here.keys()) {
          if (assigned.get(unit)?.machine === machine) continue;
          const machines = found.get(unit);
          if (machines === undefined) found.set(unit, new Set([machine]));
          else machines.add(machine);
        }
    this.elsewhere = found;
  }

  private noteElsewhere(
    before: ClusterSnapshot,
    { assigned, placements, states }: ClusterSnapshot,
    unit: string,
    changed: ReadonlySet<string>,
  ): void {
    const machines = new Set([...(this.elsewhere.get(unit) ?? []), ...changed]);
    const left = before.assigned.get(unit)?.machine;
    if (left !== undefined) machines.add(left);
    const home = assigned.get(unit)?.machine;
    for (const machine of machines)
      if (machine === home || !(placements.get(machine)?.has(unit) || states.get(machine)?.has(unit)))
        machines.delete(machine);
    if (machines.size > 0) this.elsewhere.set(unit, machines);
    else this.elsewhere.delete(unit);
  }
}

function copy<T>(from: ReadonlyMap<string, T>, to: Map<string, T>, key: string): void {
  const value = from.get(key);
  if (value !== undefined) to.set(key, value);
}

function copyRow<T>(
  from: ReadonlyMap<string, ReadonlyMap<string, T>>,
  to: Map<string, Map<string, T>>,
  machine: string,
  unit: string,
): void {
  const row = from.get(machine)?.get(unit);
  if (row === undefined) return;
  const rows = to.get(machine);
  if (rows === undefined) to.set(machine, new Map([[unit, row]]));
  else rows.set(unit, row);
}

/** What was said of all units, with what is now said of some of them; in order of names. */
function merged<T>(
  before: ReadonlyMap<string, T>,
  now: ReadonlyMap<string, T>,
  asked: ReadonlySet<string>,
): ReadonlyMap<string, T> {
  if (now.size === 0 && ![...asked].some((unit) => before.has(unit))) return before;
  const all = new Map([...before].filter(([unit]) => !asked.has(unit)));
  for (const [unit, said] of now) all.set(unit, said);
  return new Map([...all].sort(([a], [b]) => compare(a, b)));
}

function sameWords(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  return one.size === other.size && [...one].every(([key, words]) => other.get(key) === words);
}
