import { compileGlob, type Glob } from '../runtime/glob.js';
import type { Neighbours, Placeable, Replaces } from '../units/eligibility.js';
import { templateOf } from '../units/name.js';
import { Ranking } from './rank.js';

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
  private readonly units: ReadonlyMap<string, Placeable>;
  private readonly replacesUnit: Replaces;
  private readonly patterns = new Map<string, Pattern>();
  /** Patterns by the text every match begins with; and how long such texts are. */
  private readonly byPrefix = new Map<string, Pattern[]>();
  private readonly prefixLengths: readonly number[];
  private readonly patternsOfName = new Map<string, readonly Pattern[]>();
  private readonly neighboursOn = new Map<string, Neighbours>();
  private readonly on = new Map<string, Set<string>>();
  private readonly places = new Map<string, Set<string>>();
  /** The template of each unit that has siblings anybody asks for; and how many of a template a machine has. */
  private readonly spreadTemplate = new Map<string, string>();
  private readonly siblingsOn = new Map<string, Map<string, number>>();

  constructor(machines: Iterable<string>, units: ReadonlyMap<string, Placeable>, replaces: Replaces) {
    this.ranking = new Ranking(machines);
    this.units = units;
    this.replacesUnit = replaces;
    for (const { constraints } of units.values())
      for (const text of [...constraints.conflicts, ...constraints.replaces]) this.addPattern(text);
    for (const { name, constraints } of units.values()) {
      const template = constraints.spread === null ? null : templateOf(name);
      if (template !== null) this.siblingsOn.set(template, new Map());
    }
    if (this.siblingsOn.size > 0)
      for (const name of units.keys()) {
        const template = templateOf(name);
        if (template !== null && this.siblingsOn.has(template)) this.spreadTemplate.set(name, template);
      }
    this.prefixLengths = [...new Set([...this.byPrefix.keys()].map((prefix) => prefix.length))];
  }

  /** Machines a unit is on. */
  machinesOf(name: string): ReadonlySet<string> {
    return this.places.get(name) ?? NOTHING;
  }

  /** Machines with units of the same template as this one with `Spread=`, each with how many. */
  siblings(name: string): ReadonlyMap<string, number> {
    return this.siblingsOn.get(this.spreadTemplate.get(name) ?? '') ?? NO_SIBLINGS;
  }

  has(machine: string, name: string): boolean {
    return this.on.get(machine)?.has(name) ?? false;
  }

  add(machine: string, name: string): void {
    addTo(this.on, machine, name);
    addTo(this.places, name, machine);
    this.ranking.change(machine, 1);
    this.changeSiblings(machine, name, 1);
    this.eachIndex(name, (index) => addTo(index, machine, name));
  }

  remove(machine: string, name: string): void {
    removeFrom(this.on, machine, name);
    removeFrom(this.places, name, machine);
    this.ranking.change(machine, -1);
    this.changeSiblings(machine, name, -1);
    this.eachIndex(name, (index) => removeFrom(index, machine, name));
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
    if (this.patterns.has(text)) return;
    const glob = compileGlob(text);
    const pattern: Pattern = { glob, matched: new Map(), conflicts: new Map(), replaces: new Map() };
    this.patterns.set(text, pattern);
    if (!glob.valid) return;
    const near = this.byPrefix.get(glob.prefix);
    if (near === undefined) this.byPrefix.set(glob.prefix, [pattern]);
    else near.push(pattern);
  }

  /** The patterns that match a name. */
  private patternsFor(name: string): readonly Pattern[] {
    let found = this.patternsOfName.get(name);
    if (found === undefined) {
      found = this.prefixLengths
        .filter((length) => length <= name.length)
        .flatMap((length) => this.byPrefix.get(name.slice(0, length)) ?? [])
        .filter(({ glob }) => glob.matches(name));
      this.patternsOfName.set(name, found);
    }
    return found;
  }

  private changeSiblings(machine: string, name: string, by: 1 | -1): void {
    if (this.spreadTemplate.size === 0) return;
    const counts = this.siblingsOn.get(this.spreadTemplate.get(name) ?? '');
    counts?.set(machine, (counts.get(machine) ?? 0) + by);
  }

  /** All indexes in which a unit's presence shows. */
  private eachIndex(name: string, change: (index: Index) => void): void {
    for (const pattern of this.patternsFor(name)) change(pattern.matched);
    const constraints = this.units.get(name)?.constraints;
    for (const text of new Set(constraints?.conflicts)) this.change(text, 'conflicts', change);
    for (const text of new Set(constraints?.replaces)) this.change(text, 'replaces', change);
  }

  private change(text: string, role: 'conflicts' | 'replaces', change: (index: Index) => void): void {
    const pattern = this.patterns.get(text);
    if (pattern !== undefined) change(pattern[role]);
  }
}

const NOTHING: ReadonlySet<string> = new Set();
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
