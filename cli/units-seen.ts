import type { Event } from '../api/event-schemas.js';
import type { UnitReport } from '../api/schemas.js';
import { changedUnit } from './unit-change.js';

interface Seen {
  /** null: it was there and is no more. */
  readonly unit: UnitReport | null;
  /** The registry's revision at which it was read, and that of the last event about it, or of the reading. */
  readonly readAt: number;
  readonly heardAt: number;
}

/** Units as they were read, kept true by what events tell after that. */
export class UnitsSeen {
  readonly #units = new Map<string, Seen>();

  /** null for one that is not there. */
  get(name: string): UnitReport | null {
    return this.#units.get(name)?.unit ?? null;
  }

  /** The revision after which events are news about all of these; null: none is there. */
  readAt(names: readonly string[]): number | null {
    const revisions = names.flatMap((name) => this.#units.get(name)?.readAt ?? []);
    return revisions.length === 0 ? null : Math.min(...revisions);
  }

  /** A unit as it was read. It stays as it is if something newer was heard of it. */
  read(unit: UnitReport, revision: number): void {
    const { name } = unit.record;
    if (revision < (this.#units.get(name)?.heardAt ?? 0)) return;
    this.#units.set(name, { unit, readAt: revision, heardAt: revision });
  }

  /** It was asked for and not found. */
  miss(name: string): void {
    this.#units.delete(name);
  }

  /** Answers whether that was news about one of them. */
  take(event: Event): boolean {
    const before = 'unit' in event ? this.#units.get(event.unit) : undefined;
    if (before === undefined || before.unit === null || event.revision <= before.readAt) return false;
    const unit = changedUnit(before.unit, event);
    this.#units.set(before.unit.record.name, { ...before, unit, heardAt: event.revision });
    return true;
  }
}
