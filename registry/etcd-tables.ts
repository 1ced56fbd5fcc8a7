import { assertNever, permanent } from '../runtime/errors.js';
import type { UnitFile } from '../units/unit-file.js';
import {
  decodeAssigned,
  decodeContent,
  decodeKnown,
  decodeMachine,
  decodePlacement,
  decodeState,
  decodeUnit,
} from './codec.js';
import type { Entry, WatchEvent } from './etcd-calls.js';
import type { Keys } from './keys.js';
import type {
  Assignment,
  ClusterSnapshot,
  KnownMachine,
  Machine,
  Placement,
  UnitRecord,
  UnitState,
} from './model.js';

type Rows<T> = Map<string, Map<string, T>>;

/**
 * Entries of the registry as typed tables, kept up by events. Every entry is decoded once, when it comes in; a
 * record that cannot be read is thrown at once as `permanent`/`format`. A snapshot shares with the last one what
 * did not change.
 */
export class Tables {
  private units = new Map<string, Omit<UnitRecord, 'unit'>>();
  private contents = new Map<string, UnitFile>();
  private known = new Map<string, KnownMachine>();
  private machines = new Map<string, Machine>();
  private assigned = new Map<string, Assignment>();
  private placements: Rows<Placement> = new Map();
  private states: Rows<UnitState> = new Map();
  /** Rows of a machine that no snapshot has yet. */
  private readonly fresh = new Set<unknown>();
  /** Units with their contents, but for those that changed since. */
  private readonly joined = new Map<string, UnitRecord>();
  private readonly unjoined = new Set<string>();
  /** As things stand, if it was asked for; and the one before. */
  private taken: ClusterSnapshot | undefined;
  private last: ClusterSnapshot | undefined;
  /** Tables that differ from what was taken last. */
  private readonly changed = new Set<keyof ClusterSnapshot>();

  constructor(
    private readonly keys: Keys,
    entries: readonly Entry[],
    private revision: number,
  ) {
    for (const entry of entries) this.put(entry);
  }

  apply(events: readonly WatchEvent[], revision: number): void {
    for (const { kind, entry } of events) {
      if (kind === 'put') this.put(entry);
      else this.remove(entry.key);
    }
    this.revision = revision;
    this.taken = undefined;
  }

  /** Joins units with their contents; throws `permanent`/`format` if one is missing: then there is no snapshot. */
  join(): void {
    for (const name of this.unjoined) {
      const record = this.units.get(name);
      const unit = record && this.contents.get(record.hash);
      if (record === undefined) this.joined.delete(name);
      else if (unit !== undefined) this.joined.set(name, { ...record, unit });
      else
        throw permanent(`the content ${record.hash} of ${name} is missing: submit it again`, {
          code: 'format',
        });
      this.unjoined.delete(name);
    }
  }

  snapshot(): ClusterSnapshot {
    if (this.taken !== undefined) return this.taken;
    this.join();
    const { last } = this;
    const same = (table: keyof ClusterSnapshot): boolean => last !== undefined && !this.changed.has(table);
    this.taken = {
      revision: this.revision,
      units: same('units') ? last!.units : new Map(this.joined),
      machines: same('machines') ? last!.machines : new Map(this.machines),
      known: same('known') ? last!.known : new Map(this.known),
      assigned: same('assigned') ? last!.assigned : new Map(this.assigned),
      placements: same('placements') ? last!.placements : new Map(this.placements),
      states: same('states') ? last!.states : new Map(this.states),
    };
    this.last = this.taken;
    this.changed.clear();
    this.fresh.clear();
    return this.taken;
  }

  private put({ key, value, created, modified }: Entry): void {
    const at = this.keys.parse(key);
    switch (at?.kind) {
      case 'unit':
        this.units.set(at.unit, decodeUnit(at.unit, value, modified));
        this.touchUnit(at.unit);
        return;
      case 'content':
        this.contents.set(at.hash, decodeContent(at.hash, value));
        return;
      case 'known':
        this.changed.add('known');
        this.known.set(at.machine, decodeKnown(at.machine, value));
        return;
      case 'machine':
        this.changed.add('machines');
        this.machines.set(at.machine, decodeMachine(at.machine, value));
        return;
      case 'assigned': {
        this.changed.add('assigned');
        this.assigned.set(at.unit, decodeAssigned(at.unit, value, created, modified));
        return;
      }
      case 'placement': {
        const row = decodePlacement(at.machine, at.unit, value, created, modified);
        this.changed.add('placements');
        this.rowsOf(this.placements, at.machine).set(at.unit, row);
        return;
      }
      case 'state': {
        const row = decodeState(at.machine, at.unit, value);
        this.changed.add('states');
        this.rowsOf(this.states, at.machine).set(at.unit, row);
        return;
      }
      case 'cluster':
      case 'leader':
      case 'service':
      case 'unjoined':
      case undefined:
        return;
      default:
        assertNever(at);
    }
  }

  private remove(key: string): void {
    const at = this.keys.parse(key);
    switch (at?.kind) {
      case 'unit':
        this.units.delete(at.unit);
        this.touchUnit(at.unit);
        return;
      case 'content':
        this.contents.delete(at.hash);
        for (const { name, hash } of this.units.values()) if (hash === at.hash) this.touchUnit(name);
        return;
      case 'known':
        this.changed.add('known');
        this.known.delete(at.machine);
        return;
      case 'machine':
        this.changed.add('machines');
        this.machines.delete(at.machine);
        return;
      case 'assigned':
        this.changed.add('assigned');
        this.assigned.delete(at.unit);
        return;
      case 'placement':
        this.changed.add('placements');
        this.removeRow(this.placements, at.machine, at.unit);
        return;
      case 'state':
        this.changed.add('states');
        this.removeRow(this.states, at.machine, at.unit);
        return;
      case 'cluster':
      case 'leader':
      case 'service':
      case 'unjoined':
      case undefined:
        return;
      default:
        assertNever(at);
    }
  }

  private touchUnit(name: string): void {
    this.unjoined.add(name);
    this.changed.add('units');
  }

  /** Those of one machine, to be changed: snapshots share theirs, so that what one of them has is replaced by a copy first. */
  private rowsOf<T>(rows: Rows<T>, machine: string): Map<string, T> {
    const present = rows.get(machine);
    if (present !== undefined && this.fresh.has(present)) return present;
    const copy = new Map(present);
    this.fresh.add(copy);
    rows.set(machine, copy);
    return copy;
  }

  private removeRow<T>(rows: Rows<T>, machine: string, unit: string): void {
    const left = this.rowsOf(rows, machine);
    left.delete(unit);
    if (left.size === 0) rows.delete(machine);
  }
}
