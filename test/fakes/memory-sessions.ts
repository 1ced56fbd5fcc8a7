import type { ServiceEntry, UnitState } from '../../registry/model.js';
import type { LeaderTerm, LeaseUse, MachineSession } from '../../registry/registry.js';
import type { Clock } from '../../runtime/clock.js';
import { conflict } from '../../runtime/errors.js';
import type { MemoryLease, MemoryTables } from './memory-cluster.js';

/** What a session needs of its client: whether the registry can be reached at this moment. */
export interface Reach {
  readonly clock: Clock;
  readonly tables: MemoryTables;
  readonly reachable: () => boolean;
  /** Rejects when the client is cut off or closed. */
  readonly reach: () => Promise<void>;
  readonly closed: AbortSignal;
}

/** Renews a lease and keeps its trust window: send time of the last renewal + TTL - margin, sticky once over. */
class Keeper {
  private readonly ended = new AbortController();
  private readonly until = new AbortController();
  private trustEnd: number;
  private over = false;

  private readonly at: Reach;
  private readonly lease: MemoryLease;
  private readonly endsWithTrust: boolean;
  private readonly use: LeaseUse | undefined;
  private nap = new AbortController();

  constructor(at: Reach, lease: MemoryLease, endsWithTrust: boolean, use?: LeaseUse) {
    this.at = at;
    this.lease = lease;
    this.endsWithTrust = endsWithTrust;
    this.use = use;
    this.trustEnd = this.nextTrustEnd();
    use?.onRenewed(this.trustEnd, true);
    void this.run();
  }

  get lost(): AbortSignal {
    return this.until.signal;
  }

  trusted(): boolean {
    if (this.at.clock.steady() >= this.trustEnd) this.over = true;
    return !this.over && !this.ended.signal.aborted;
  }

  renew(): void {
    this.nap.abort();
  }

  stop(): void {
    this.ended.abort();
  }

  end(): void {
    this.stop();
    this.until.abort();
  }

  private nextTrustEnd(): number {
    const { ttlMs } = this.lease;
    return this.at.clock.steady() + ttlMs - Math.min(2000, ttlMs / 5);
  }

  private async run(): Promise<void> {
    const stop = AbortSignal.any([this.ended.signal, this.at.closed]);
    const { clock, tables, reachable } = this.at;
    while (!stop.aborted) {
      const trustLeft = this.over ? Number.POSITIVE_INFINITY : this.trustEnd - clock.steady();
      const pause = Math.min(this.lease.ttlMs / 3, Math.max(0, trustLeft));
      await clock.sleep(pause, AbortSignal.any([stop, this.nap.signal])).catch(() => undefined);
      this.nap = new AbortController();
      if (stop.aborted) return;
      if (!this.trusted() && this.endsWithTrust) return this.end();
      if (!reachable()) continue;
      if (!tables.renew(this.lease.id) || this.over) return this.end();
      this.trustEnd = this.nextTrustEnd();
      this.use?.onRenewed(this.trustEnd, this.use.needsTrust());
    }
  }
}

export function memoryTerm(at: Reach, lease: MemoryLease, fence: number): LeaderTerm {
  const keeper = new Keeper(at, lease, true);
  return {
    fence,
    trusted: () => keeper.trusted(),
    lost: keeper.lost,
    async tell(frozen) {
      await at.reach();
      const { leader } = at.tables;
      if (leader?.term !== fence) throw conflict('another machine leads', { code: 'deposed' });
      at.tables.change(() => {
        at.tables.leader = { ...leader, frozen };
      });
    },
    async resign() {
      keeper.end();
      await at.reach();
      at.tables.revoke(lease.id);
    },
  };
}

export function memorySession(
  at: Reach,
  machineId: string,
  lease: MemoryLease,
  use: LeaseUse | undefined,
): MachineSession {
  const { tables } = at;
  const keeper = new Keeper(at, lease, false, use);
  const own = (): Map<string, UnitState> => tables.states.get(machineId) ?? new Map();
  let isFirst = true;

  async function reachLease(): Promise<void> {
    await at.reach();
    if (tables.lease(lease.id) !== undefined) return;
    keeper.end();
    throw conflict(`the lease of machine ${machineId} is gone`, { code: 'lease-gone' });
  }

  return {
    machineId,
    revision: tables.revision,
    lost: keeper.lost,
    trusted: () => keeper.trusted(),
    renew: () => keeper.renew(),
    async publish(states, gone) {
      await reachLease();
      const next = isFirst ? new Map<string, UnitState>() : new Map(own());
      isFirst = false;
      for (const unit of gone) next.delete(unit);
      for (const state of states) next.set(state.unit, state);
      if (same([...own().values()], [...next.values()])) return;
      tables.change(() => tables.states.set(machineId, next));
    },
    async announce(services) {
      await reachLease();
      if (same(tables.services.get(machineId) ?? [], services)) return;
      tables.change(() => tables.services.set(machineId, [...services]));
    },
    async suspend() {
      keeper.stop();
    },
    async leave() {
      keeper.end();
      await at.reach();
      const holder = tables.machines.get(machineId);
      if (holder === undefined || holder.lease === lease.id) tables.changeKnown(machineId, { away: 'left' });
      tables.revoke(lease.id);
    },
  };
}

/** Equal as sets of records. */
function same(
  one: readonly (UnitState | ServiceEntry)[],
  two: readonly (UnitState | ServiceEntry)[],
): boolean {
  const text = (rows: readonly object[]): string =>
    JSON.stringify(rows.map((row) => JSON.stringify(row)).sort());
  return text(one) === text(two);
}
