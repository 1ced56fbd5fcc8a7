import type { ClusterChange, ClusterEvent } from '../../registry/registry.js';
import type { MemoryTables } from './memory-cluster.js';

/** What is there, and how to tell of it; null: that it is gone. */
interface Row {
  readonly value: object;
  readonly tell: (value: object | null) => ClusterEvent;
}

/** So many changes are remembered. */
const MOST_CHANGES = 10_000;

/** What each revision of the tables changed, found by comparing what is there with what was. */
export class MemoryHistory {
  private rows: ReadonlyMap<string, Row> = new Map();
  private changes: ClusterChange[] = [];
  /** The last revision that is not remembered any more. */
  private forgotten = 1;
  private readonly tables: MemoryTables;

  constructor(tables: MemoryTables) {
    this.tables = tables;
  }

  note(revision: number): void {
    const before = this.rows;
    this.rows = rowsOf(this.tables);
    const events: ClusterEvent[] = [];
    for (const [key, { value, tell }] of this.rows) {
      const last = before.get(key)?.value;
      if (last !== value && JSON.stringify(last) !== JSON.stringify(value)) events.push(tell(value));
    }
    for (const [key, { tell }] of before) if (!this.rows.has(key)) events.push(tell(null));
    if (events.length > 0) this.changes.push({ revision, events });
    if (this.changes.length > MOST_CHANGES) this.forgotten = this.changes.shift()!.revision;
  }

  compact(): void {
    this.forgotten = this.tables.revision;
    this.changes = [];
  }

  /** Null if not all of it is remembered. */
  since(after: number): readonly ClusterChange[] | null {
    if (after < this.forgotten || after > this.tables.revision) return null;
    return this.changes.filter(({ revision }) => revision > after);
  }
}

function rowsOf(tables: MemoryTables): ReadonlyMap<string, Row> {
  const rows = new Map<string, Row>();
  function add<T extends object>(key: string, value: T, tell: (value: T | null) => ClusterEvent): void {
    rows.set(key, { value, tell: (now) => tell(now as T | null) });
  }
  for (const [unit, record] of tables.units)
    add(`unit ${unit}`, record, (now) => ({ kind: 'unit', unit, value: now && { name: unit, ...now } }));
  for (const [machine, units] of tables.placements)
    for (const [unit, placement] of units)
      add(`placement ${machine} ${unit}`, placement, (value) => ({
        kind: 'placement',
        unit,
        machine,
        value,
      }));
  for (const [machine, units] of tables.states)
    for (const [unit, state] of units)
      add(`state ${machine} ${unit}`, state, (value) => ({ kind: 'state', unit, machine, value }));
  for (const [id, held] of tables.machines)
    add(`machine ${id}`, held, (now) => ({ kind: 'machine', machine: id, value: now?.machine ?? null }));
  for (const [machine, known] of tables.known)
    add(`known ${machine}`, known, (value) => ({ kind: 'known', machine, value }));
  for (const entry of [...tables.services.values()].flat()) {
    const { service, unit, machine } = entry;
    add(`service ${service} ${unit} ${machine}`, entry, (value) => ({
      kind: 'service',
      ...{ service, unit, machine, value },
    }));
  }
  if (tables.leader !== undefined)
    add('leader', tables.leader, (now) => ({
      kind: 'leader',
      value: now && { machine: now.machine, term: now.term, frozen: now.frozen },
    }));
  return rows;
}
