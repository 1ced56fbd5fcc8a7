import type { Event } from '../../api/event-schemas.js';
import { type LeaderWords, pendingReason } from '../../api/pending.js';
import { firstReason } from '../../api/reports.js';
import type {
  HoldReport,
  LeaderReport,
  MachineCondition,
  MachineReport,
  UnitReport,
} from '../../api/schemas.js';
import { sorted } from '../../api/wire.js';
import type { EventBatch } from '../read-events.js';
import { changedUnit } from '../unit-change.js';
import type { Fleet } from './snapshot.js';

/** So many events are remembered. */
const MOST_EVENTS = 300;

/** What is asked again and again: it is small, and not all of it has events. */
export interface Standing {
  readonly machines: readonly MachineReport[];
  readonly leader: LeaderReport;
  readonly hold: HoldReport['hold'];
}

/**
 * The cluster as lists and events tell it. Units are listed once; from then on events keep them, but for the text of a
 * unit file, which no event has: a unit that is new or has another text is `unread` until it was read by itself. Why
 * a unit waits follows from what the leader said last. What does not change stays the same object.
 */
export interface FleetModel {
  /** All units, as of one revision. What was told before is forgotten, but for the events. */
  list(units: readonly UnitReport[], revision: number): void;
  /** What has changed. `at`: now, in ms since the epoch. */
  take(batch: EventBatch, at: number): void;
  stand(standing: Standing): void;
  /** Those that were asked and answered lately. */
  feel(conditions: ReadonlyMap<string, MachineCondition>): void;
  /** Names of units that are to be read. */
  unread(): readonly string[];
  /** One of them, as it was read. It does not count if something newer was heard of it: then it stays unread. */
  read(unit: UnitReport, revision: number): void;
  /** null: not everything was told yet. */
  fleet(): Fleet | null;
}

export function createFleetModel(): FleetModel {
  let revision: number | null = null;
  let units = new Map<string, UnitReport>();
  /** Each with the revision of the last event about it. */
  const unread = new Map<string, number>();
  /** Of units that were read by themselves: the revision at which. What is told late of before is in them already. */
  const readAt = new Map<string, number>();
  let standing: Standing | null = null;
  let words: LeaderWords = { leader: null, refusals: new Map(), hold: null };
  let conditions: Fleet['conditions'] = new Map();
  /** Oldest first, and more than are remembered now and then. */
  const events: { readonly at: number; readonly event: Event }[] = [];
  let shown: Fleet | null = null;
  /** What of `shown` is not so any more. */
  const changed = { units: true, names: true, rest: true, events: true };

  function put(unit: UnitReport): void {
    const { name } = unit.record;
    if (!units.has(name)) changed.names = true;
    units.set(name, explained(unit, words));
    changed.units = true;
  }

  function change(event: Extract<Event, { readonly unit: string }>): void {
    const unit = units.get(event.unit);
    const after = unit === undefined ? null : changedUnit(unit, event);
    if (after !== null) put(after);
  }

  function apply(event: Event): void {
    if ('unit' in event && event.revision <= (readAt.get(event.unit) ?? 0)) return;
    if ('unit' in event && unread.has(event.unit)) unread.set(event.unit, event.revision);
    switch (event.kind) {
      case 'unit':
        applyRecord(event);
        break;
      case 'placement':
      case 'state':
        change(event);
        break;
      case 'leader': {
        const { machine = null, term = null, frozen = null } = event.value ?? {};
        if (standing !== null) stand({ ...standing, leader: { ...standing.leader, machine, term, frozen } });
        break;
      }
      // Of machines a list has the sum of what events tell in two parts.
      case 'machine':
      case 'known':
      case 'service':
        break;
    }
  }

  function applyRecord(event: Extract<Event, { kind: 'unit' }>): void {
    const { unit: name, value, revision: at } = event;
    if (value === null) {
      unread.delete(name);
      readAt.delete(name);
      if (units.delete(name)) changed.names = changed.units = true;
      return;
    }
    if (units.get(name)?.record.hash !== value.hash) unread.set(name, at);
    change(event);
  }

  function stand(told: Standing): void {
    const now = {
      hold: told.hold,
      leader: kept(standing?.leader, told.leader),
      machines: kept(standing?.machines, led(told)),
    };
    if (now.leader !== standing?.leader) {
      const { machine, refusals, hold } = now.leader;
      words = { leader: machine, refusals: new Map(Object.entries(refusals)), hold };
      for (const unit of units.values()) {
        const said = explained(unit, words);
        if (said === unit) continue;
        units.set(unit.record.name, said);
        changed.units = true;
      }
    }
    if (now.hold === standing?.hold && now.leader === standing.leader && now.machines === standing.machines)
      return;
    standing = now;
    changed.rest = true;
  }

  return {
    list(listed, at) {
      units = new Map(listed.map((unit) => [unit.record.name, explained(unit, words)]));
      unread.clear();
      readAt.clear();
      revision = at;
      changed.units = changed.names = true;
    },
    take(batch, at) {
      if (revision === null) return;
      // What a list has shown already is told once more after it.
      const isNews = batch.revision > revision;
      if (isNews) revision = batch.revision;
      for (const event of batch.events) {
        if (isNews) apply(event);
        events.push({ at, event });
      }
      if (batch.events.length > 0) changed.events = true;
      if (events.length > 2 * MOST_EVENTS) events.splice(0, events.length - MOST_EVENTS);
    },
    stand,
    feel(now) {
      conditions = now;
      changed.rest = true;
    },
    unread: () => [...unread.keys()],
    read(unit, at) {
      const { name } = unit.record;
      const touched = unread.get(name);
      if (touched === undefined || at < touched) return;
      unread.delete(name);
      readAt.set(name, at);
      put(unit);
    },
    fleet() {
      if (revision === null || standing === null) return null;
      if (shown !== null && shown.revision === revision && !Object.values(changed).includes(true))
        return shown;
      shown = {
        revision,
        ...standing,
        units: changed.units || shown === null ? inOrder(units, changed.names ? null : shown) : shown.units,
        conditions,
        events: changed.events || shown === null ? events.slice(-MOST_EVENTS).reverse() : shown.events,
      };
      changed.units = changed.names = changed.rest = changed.events = false;
      return shown;
    },
  };
}

/** By name; `before` has the names that are there now. */
function inOrder(units: ReadonlyMap<string, UnitReport>, before: Fleet | null): readonly UnitReport[] {
  if (before === null) return sorted([...units.values()], ({ record }) => record.name);
  return before.units.map((unit) => units.get(unit.record.name) ?? unit);
}

/** As it is said with what the leader says now; itself if that is what it says. */
function explained(unit: UnitReport, words: LeaderWords): UnitReport {
  const { record, machine, states } = unit;
  const { name, target, global } = record;
  const pending = pendingReason({ name, target, global, machine, states }, words);
  const reason = pending ?? firstReason(states);
  return pending === unit.pending && reason === unit.reason ? unit : { ...unit, pending, reason };
}

/** Machines, which of them leads as the leader's own report has it. */
function led({ machines, leader }: Standing): readonly MachineReport[] {
  return machines.map((machine) => {
    const leads = machine.id === leader.machine;
    return machine.leader === leads ? machine : { ...machine, leader: leads };
  });
}

/** What was there before, if the new says the same. */
function kept<T>(before: T | undefined, now: T): T {
  return before !== undefined && JSON.stringify(before) === JSON.stringify(now) ? before : now;
}
