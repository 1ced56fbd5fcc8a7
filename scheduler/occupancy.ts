import { compileGlob, type Glob } from '../runtime/glob.js';
import type { Neighbours, Placeable, Replaces } from '../units/eligibility.js';
import { templateOf } from '../units/name.js';
import type { Candidates } from './candidates.js';
import { Patterns } from './patterns.js';
import { Ranking } from './rank.js';
import { isOn, moveIn, moveOut, type Resident, type Whereabouts } from './resident.js';

type Index = Map<string, Set<string>>;

/** One `Conflicts=` or `Replaces=` pattern of the cluster, with where it strikes. Both tables are by machine. */
interface Pattern {
  readonly glob: Glob;
  /** Units that it matches. */
  readonly matched: Index;
  /** Units that say it in `Conflicts=`, and in `Replaces=`. */
  readonly conflicts: Index;
  readonly replaces: Index;
}

/**
 * Which unit is on which machine while a placement is worked out, indexed so that a question about one machine
 * costs what the patterns of the asking unit cost, not what is on the machine.
 */
export class Occupancy {
  readonly ranking: Ranking;
  private readonly units: ReadonlyMap<string, Resident>;
  /** Units that nobody wants and that are still there. */
  private readonly unwanted = new Map<string, Whereabouts>();
  private readonly replacesUnit: Replaces;
  private readonly patterns = new Patterns<Pattern>();
  private readonly patternsOfName = new Map<string, readonly Pattern[]>();
  private readonly neighboursOn = new Map<string, Neighbours>();
  /** The template of each unit that has siblings anybody asks for; and how many of a template a machine has. */
  private readonly spreadTemplate = new Map<string, string>();
  private readonly siblingsOn = new Map<string, Map<string, number>>();

  /** `others`: how many units the machines have besides, none of which matters to any of these but by being there. */
  constructor(
    candidates: Candidates,
    units: ReadonlyMap<string, Resident>,
    replaces: Replaces,
    others: ReadonlyMap<string, number>,
  ) {
    this.ranking = new Ranking(candidates, others);
    this.units = units;
    this.replacesUnit = replaces;
    for (const { constraints } of units.values()) {
      for (const text of constraints.conflicts) this.addPattern(text);
      for (const text of constraints.replaces) this.addPattern(text);
    }
    for (const { name, constraints } of units.values()) {
      const template = constraints.spread === null ? null : templateOf(name);
      if (template !== null) this.siblingsOn.set(template, new Map());
    }
    if (this.siblingsOn.size > 0)
      for (const name of units.keys()) {
        const template = templateOf(name);
        if (template !== null && this.siblingsOn.has(template)) this.spreadTemplate.set(name, template);
      }
  }

  /** Machines with units of the same template as this one with `Spread=`, each with how many. */
  siblings(name: string): ReadonlyMap<string, number> {
    return this.siblingsOn.get(this.spreadTemplate.get(name) ?? '') ?? NO_SIBLINGS;
  }

  has(machine: string, name: string): boolean {
    const unit = this.units.get(name) ?? this.unwanted.get(name);
    return unit !== undefined && isOn(unit, machine);
  }

  add(machine: string, unit: Resident): void {
    moveIn(unit, machine);
    this.change(machine, unit.name, 1, addTo);
  }

  remove(machine: string, unit: Resident): void {
    moveOut(unit, machine);
    this.change(machine, unit.name, -1, removeFrom);
  }

  /** A unit that nobody wants takes its room as well. */
  addUnwanted(machine: string, name: string): void {
    const unit = this.unwanted.get(name) ?? { on: null };
    this.unwanted.set(name, unit);
    moveIn(unit, machine);
    this.change(machine, name, 1, addTo);
  }

  /** Units that have to leave a machine when this one comes, by name. */
  victims(machine: string, unit: Placeable): string[] {
    if (unit.constraints.replaces.length === 0) return [];
    const names = new Set(
      unit.constraints.replaces.flatMap((text) => [...(this.patterns.get(text)?.matched.get(machine) ?? [])]),
    );
    return [...names].filter((name) => this.replaces(unit.name, name)).sort();
  }

  /** Whether it depends on a machine's other units at all where this one may be. */
  isLoner(unit: Placeable): boolean {
    const { conflicts, replaces, peers } = unit.constraints;
    return (
      conflicts.length + replaces.length + peers.length === 0 && this.patternsFor(unit.name).length === 0
    );
  }

  neighbours(machine: string): Neighbours {
    let neighbours = this.neighboursOn.get(machine);
    if (neighbours === undefined) {
      neighbours = {
        has: (name) => this.units.has(name) && this.has(machine, name),
        conflicting: (unit) => this.conflicting(machine, unit),
        replacing: (unit) => this.replacing(machine, unit),
        immovable: (unit) => this.immovable(machine, unit),
      };
      this.neighboursOn.set(machine, neighbours);
    }
    return neighbours;
  }

  private conflicting(machine: string, unit: Placeable): string | null {
    let found: string | null = null;
    for (const text of unit.constraints.conflicts)
      found = firstBut(unit.name, this.patterns.get(text)?.matched.get(machine), found);
    for (const pattern of this.patternsFor(unit.name))
      found = firstBut(unit.name, pattern.conflicts.get(machine), found);
    return found;
  }

  private replacing(machine: string, unit: Placeable): string | null {
    let found: string | null = null;
    for (const pattern of this.patternsFor(unit.name))
      for (const name of pattern.replaces.get(machine) ?? NOTHING)
        if ((found === null || name < found) && this.replaces(name, unit.name)) found = name;
    return found;
  }

  private immovable(machine: string, unit: Placeable): string | null {
    return this.victims(machine, unit).find((name) => this.units.get(name)?.constraints.sticky) ?? null;
  }

  private replaces(one: string, other: string): boolean {
    const [from, to] = [this.units.get(one), this.units.get(other)];
    return from !== undefined && to !== undefined && this.replacesUnit(from, to);
  }

  private addPattern(text: string): void {
    if (this.patterns.get(text) !== undefined) return;
    const [matched, conflicts, replaces] = [new Map(), new Map(), new Map()];
    this.patterns.add({ glob: compileGlob(text), matched, conflicts, replaces });
  }

  /** The patterns that match a name. */
  private patternsFor(name: string): readonly Pattern[] {
    if (this.patterns.size === 0) return NO_PATTERNS;
    let found = this.patternsOfName.get(name);
    if (found === undefined) {
      found = this.patterns.matching(name);
      this.patternsOfName.set(name, found);
    }
    return found;
  }

  /** Changes all indexes in which a unit's presence shows. */
  private change(machine: string, name: string, by: 1 | -1, inIndex: typeof addTo): void {
    this.ranking.change(machine, by);
    if (this.spreadTemplate.size > 0) {
      const counts = this.siblingsOn.get(this.spreadTemplate.get(name) ?? '');
      counts?.set(machine, (counts.get(machine) ?? 0) + by);
    }
    if (this.patterns.size === 0) return;
    for (const { matched } of this.patternsFor(name)) inIndex(matched, machine, name);
    const unit = this.units.get(name);
    if (unit === undefined) return;
    for (const { conflicts } of this.patternsIn(unit.constraints.conflicts))
      inIndex(conflicts, machine, name);
    for (const { replaces } of this.patternsIn(unit.constraints.replaces)) inIndex(replaces, machine, name);
  }

  private patternsIn(texts: readonly string[]): readonly Pattern[] {
    if (texts.length === 0) return NO_PATTERNS;
    return texts.flatMap((text) => this.patterns.get(text) ?? NO_PATTERNS);
  }
}

const NOTHING: ReadonlySet<string> = new Set();
const NO_PATTERNS: readonly Pattern[] = [];
const NO_SIBLINGS: ReadonlyMap<string, number> = new Map();

/** The first name of a set but `self`, or `found` if that comes before. */
function firstBut(self: string, names: ReadonlySet<string> | undefined, found: string | null): string | null {
  let best = found;
  if (names !== undefined)
    for (const name of names) if (name !== self && (best === null || name < best)) best = name;
  return best;
}

function addTo(index: Map<string, Set<string>>, key: string, value: string): void {
  const set = index.get(key);
  if (set === undefined) index.set(key, new Set([value]));
  else set.add(value);
}

function removeFrom(index: Map<string, Set<string>>, key: string, value: string): void {
  const set = index.get(key);
  set?.delete(value);
  if (set?.size === 0) index.delete(key);
}
