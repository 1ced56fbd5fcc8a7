import type {
  Assignment,
  ClusterSnapshot,
  KnownMachine,
  Machine,
  Placement,
  PresentLeader,
  ServiceEntry,
  UnitRecord,
  UnitState,
} from '../../registry/model.js';
import type { SeenRegistry } from '../../registry/registry.js';
import type { Clock } from '../../runtime/clock.js';
import { conflict, permanent } from '../../runtime/errors.js';
import type { UnitFile } from '../../units/unit-file.js';
import { MemoryHistory } from './memory-history.js';

/** A lease lives until it is revoked or has not been renewed for its TTL. `gone` fires then. */
export interface MemoryLease {
  readonly id: string;
  readonly ttlMs: number;
  readonly gone: AbortSignal;
}

type HeldLease = MemoryLease & { expires: number; readonly end: AbortController };

/**
 * The tables of a cluster that lives in this process: what etcd holds for the real registry. Every change
 * raises the revision and is told to the listeners, synchronously.
 */
export class MemoryTables {
  readonly clusterId = 'memory';
  readonly secret = Buffer.alloc(32, 'memory');
  revision = 1;
  readonly units = new Map<string, Omit<UnitRecord, 'unit' | 'name'>>();
  readonly contents = new Map<string, { readonly unit: UnitFile; readonly revision: number }>();
  readonly known = new Map<string, KnownMachine>();
  /** What was set for machines that never joined. */
  readonly unjoined = new Map<string, KnownMachine['metadata']>();
  readonly machines = new Map<string, { readonly machine: Machine; readonly lease: string }>();
  readonly assigned = new Map<string, Assignment>();
  readonly placements = new Map<string, Map<string, Placement>>();
  readonly states = new Map<string, Map<string, UnitState>>();
  readonly services = new Map<string, readonly ServiceEntry[]>();
  leader: (PresentLeader & { readonly lease: string }) | undefined;

  readonly history = new MemoryHistory(this);

  private readonly clock: Clock;
  private readonly leases = new Map<string, HeldLease>();
  private readonly listeners = new Set<(machines: ReadonlySet<string> | 'all') => void>();
  private leaseCount = 0;
  private cached: ClusterSnapshot | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Runs one transaction; `write` gets its revision. `machines` names those whose placements it changes. */
  change<T>(write: (revision: number) => T, machines: ReadonlySet<string> = new Set()): T {
    this.revision += 1;
    const result = write(this.revision);
    this.history.note(this.revision);
    this.tell(machines);
    return result;
  }

  /** Tells listeners without a change, as a watch that lists again does. */
  tell(machines: ReadonlySet<string> | 'all'): void {
    for (const listener of [...this.listeners]) listener(machines);
  }

  listen(listener: (machines: ReadonlySet<string> | 'all') => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  grant(ttlMs: number): MemoryLease {
    this.leaseCount += 1;
    const end = new AbortController();
    const expires = this.clock.steady() + ttlMs;
    const lease: HeldLease = { id: `lease-${this.leaseCount}`, ttlMs, expires, end, gone: end.signal };
    this.leases.set(lease.id, lease);
    void this.expire(lease);
    return lease;
  }

  lease(id: string): MemoryLease | undefined {
    return this.leases.get(id);
  }

  /** Answers false if the lease is gone. */
  renew(id: string): boolean {
    const lease = this.leases.get(id);
    if (lease === undefined) return false;
    lease.expires = this.clock.steady() + lease.ttlMs;
    return true;
  }

  revoke(id: string): void {
    const lease = this.leases.get(id);
    if (lease === undefined) return;
    this.leases.delete(id);
    this.change(() => {
      if (this.leader?.lease === id) this.leader = undefined;
      for (const [machine, held] of this.machines) {
        if (held.lease !== id) continue;
        this.machines.delete(machine);
        this.states.delete(machine);
        this.services.delete(machine);
      }
    });
    lease.end.abort();
  }

  /** Ends all timers. */
  close(): void {
    for (const lease of this.leases.values()) lease.end.abort();
    this.leases.clear();
  }

  /** What a client that knows this cluster has seen of it. */
  seen(): SeenRegistry {
    return { clusterId: this.clusterId, revision: this.revision };
  }

  changeKnown(id: string, change: Partial<Omit<KnownMachine, 'id'>>): void {
    const known = this.known.get(id);
    if (known === undefined) throw permanent(`machine ${id} never joined`, { code: 'not-found' });
    const next = { ...known, ...change };
    if (JSON.stringify(next) === JSON.stringify(known)) return;
    this.change(() => this.known.set(id, next));
  }

  snapshot(): ClusterSnapshot {
    if (this.cached?.revision === this.revision) return this.cached;
    const units = new Map<string, UnitRecord>();
    for (const [name, record] of this.units)
      units.set(name, { ...record, name, unit: this.content(record.hash) });
    this.cached = {
      revision: this.revision,
      units,
      machines: new Map([...this.machines].map(([id, { machine }]) => [id, machine])),
      known: new Map(this.known),
      assigned: new Map(this.assigned),
      placements: copied(this.placements),
      states: copied(this.states),
    };
    return this.cached;
  }

  content(hash: string): UnitFile {
    const content = this.contents.get(hash);
    if (content === undefined) throw conflict(`content ${hash} is missing`);
    return content.unit;
  }

  private async expire(lease: HeldLease): Promise<void> {
    while (!lease.gone.aborted) {
      const left = lease.expires - this.clock.steady();
      if (left <= 0) return this.revoke(lease.id);
      await this.clock.sleep(left, lease.gone).catch(() => undefined);
    }
  }
}

function copied<T>(tables: ReadonlyMap<string, ReadonlyMap<string, T>>): Map<string, Map<string, T>> {
  return new Map(
    [...tables].filter(([, rows]) => rows.size > 0).map(([machine, rows]) => [machine, new Map(rows)]),
  );
}
