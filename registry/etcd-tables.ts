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
  private joined: ReadonlyMap<string, UnitRecord> | undefined;
  private taken: ClusterSnapshot | undefined;

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

  snapshot(): ClusterSnapshot {
    this.taken ??= {
      revision: this.revision,
      units: this.joinUnits(),
      machines: new Map(this.machines),
      known: new Map(this.known),
      assigned: new Map(this.assigned),
      placements: new Map(this.placements),
      states: new Map(this.states),
    };
    return this.taken;
  }

  private joinUnits(): ReadonlyMap<string, UnitRecord> {
    if (this.joined !== undefined) return this.joined;
    const joined = new Map<string, UnitRecord>();
    for (const [name, record] of this.units) {
      const unit = this.contents.get(record.hash);
      if (unit === undefined)
        throw permanent(`the content ${record.hash} of ${name} is missing: submit it again`, {
          code: 'format',
        });
      joined.set(name, { ...record, unit });
    }
    this.joined = joined;
    return joined;
  }

  private put({ key, value, created, modified }: Entry): void {
    const at = this.keys.parse(key);
    switch (at?.kind) {
      case 'unit':
        this.units.set(at.unit, decodeUnit(at.unit, value, modified));
        this.joined = undefined;
        return;
      case 'content':
        this.contents.set(at.hash, decodeContent(at.hash, value));
        this.joined = undefined;
        return;
      case 'known':
        this.known.set(at.machine, decodeKnown(at.machine, value));
        return;
      case 'machine':
        this.machines.set(at.machine, decodeMachine(at.machine, value));
        return;
      case 'assigned': {
        this.assigned.set(at.unit, decodeAssigned(at.unit, value, created, modified));
        return;
      }
      case 'placement':
        setRow(
          this.placements,
          at.machine,
          at.unit,
          decodePlacement(at.machine, at.unit, value, created, modified),
        );
        return;
      case 'state':
        setRow(this.states, at.machine, at.unit, decodeState(at.machine, at.unit, value));
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

  private remove(key: string): void {
    const at = this.keys.parse(key);
    switch (at?.kind) {
      case 'unit':
        this.units.delete(at.unit);
        this.joined = undefined;
        return;
      case 'content':
        this.contents.delete(at.hash);
        this.joined = undefined;
        return;
      case 'known':
        this.known.delete(at.machine);
        return;
      case 'machine':
        this.machines.delete(at.machine);
        return;
      case 'assigned':
        this.assigned.delete(at.unit);
        return;
      case 'placement':
        deleteRow(this.placements, at.machine, at.unit);
        return;
      case 'state':
        deleteRow(this.states, at.machine, at.unit);
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
}

/** Rows of a machine are replaced, never changed: snapshots share them. */
function setRow<T>(rows: Rows<T>, machine: string, unit: string, row: T): void {
  rows.set(machine, new Map(rows.get(machine)).set(unit, row));
}

function deleteRow<T>(rows: Rows<T>, machine: string, unit: string): void {
  const left = new Map(rows.get(machine));
  left.delete(unit);
  if (left.size > 0) rows.set(machine, left);
  else rows.delete(machine);
}
