import type { ClusterSnapshot } from '../registry/model.js';
import { compileGlob, type Glob } from '../runtime/glob.js';
import type { Constraints } from '../units/constraints.js';
import { placeable } from '../units/eligibility.js';
import { templateOf } from '../units/name.js';
import { Patterns } from './patterns.js';

/**
 * Units that have to do with others: by `Conflicts=`, `Replaces=`, `MachineOf=` or `Spread=`, their own or another's.
 * Of all the rest each is placed by itself: what becomes of it changes nothing for any other but how many units a
 * machine has. Once coupled, a unit stays so: that is always right.
 */
export class Couplings {
  readonly units = new Set<string>();
  private readonly meant = new Meant();

  constructor(snapshot: ClusterSnapshot) {
    this.add(snapshot, snapshot.units.keys());
  }

  /** Takes in units that are new or have changed. What they bring with them may couple any of the snapshot. */
  add(snapshot: ClusterSnapshot, names: Iterable<string>): void {
    const fresh = new Meant();
    for (const name of names) {
      const record = snapshot.units.get(name);
      if (record !== undefined) this.read(name, placeable(name, record.unit).constraints, fresh);
      if (this.meant.has(name)) this.units.add(name);
    }
    if (fresh.isEmpty()) return;
    for (const name of snapshot.units.keys()) if (fresh.has(name)) this.units.add(name);
    this.meant.addAll(fresh);
  }

  private read(name: string, { conflicts, replaces, peers, spread }: Constraints, fresh: Meant): void {
    if (conflicts.length + replaces.length + peers.length === 0 && spread === null) return;
    this.units.add(name);
    for (const peer of peers) this.units.add(peer);
    for (const texts of [conflicts, replaces])
      for (const text of texts)
        if (!this.meant.globs.has(text) && !fresh.globs.has(text)) fresh.addGlob(compileGlob(text));
    const template = spread === null ? null : templateOf(name);
    if (template !== null && !this.meant.templates.has(template)) fresh.templates.add(template);
  }
}

/** Whom patterns match, and the instances of templates that are to be spread. */
class Meant {
  readonly globs = new Map<string, Glob>();
  readonly templates = new Set<string>();
  private readonly patterns = new Patterns<{ readonly glob: Glob }>();

  isEmpty(): boolean {
    return this.globs.size + this.templates.size === 0;
  }

  has(name: string): boolean {
    if (this.templates.size > 0 && this.templates.has(templateOf(name) ?? '')) return true;
    return this.globs.size > 0 && this.patterns.matching(name).length > 0;
  }

  addGlob(glob: Glob): void {
    this.globs.set(glob.pattern, glob);
    this.patterns.add({ glob });
  }

  addAll(other: Meant): void {
    for (const glob of other.globs.values()) this.addGlob(glob);
    for (const template of other.templates) this.templates.add(template);
  }
}
