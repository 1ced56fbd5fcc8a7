import { type Agent, startAgent } from '../../agent/agent.js';
import type { UnitManager } from '../../agent/unit-manager.js';
import type { Decision, Machine } from '../../registry/model.js';
import type { LeaderTerm, Registry } from '../../registry/registry.js';
import type { Clock } from '../../runtime/clock.js';
import { aborted, transient } from '../../runtime/errors.js';
import type { Log } from '../../runtime/log.js';
import { silentMeter } from '../../runtime/meter.js';
import { type Scheduler, startScheduler } from '../../scheduler/scheduler.js';
import type { MemoryRegistry } from '../fakes/memory-registry.js';

const TTL_MS = 10_000;
const GRACE_MS = 5000;

/** The process: agent and scheduler on one registry, put together as the real daemon does it. */
export class Convoyd {
  readonly client: MemoryRegistry;
  readonly agent: Agent;
  readonly scheduler: Scheduler;
  private readonly manager: UnitManager;
  private readonly dead = new AbortController();
  private frozen = Promise.resolve();
  private thawed = (): void => undefined;
  private decisionsLeft = Number.POSITIVE_INFINITY;
  private onDeath = (): void => undefined;

  constructor(
    client: MemoryRegistry,
    manager: UnitManager,
    machine: Machine,
    clock: Clock,
    note: (line: string) => void,
  ) {
    this.client = client;
    this.manager = manager;
    const registry: Registry = { ...client, commit: (decisions, term) => this.commit(decisions, term) };
    const say = (part: string, line: string): void => {
      if (!this.dead.signal.aborted) note(`${machine.id} ${part}: ${line}`);
    };
    const common = { registry, clock, meter: silentMeter, ttlMs: TTL_MS };
    this.scheduler = startScheduler({
      ...common,
      machineId: machine.id,
      graceMs: GRACE_MS,
      log: logTo((line) => say('scheduler', line), 'info'),
    });
    this.agent = startAgent({
      ...common,
      machine,
      manager: this.mortal(manager),
      hostForServices: '127.0.0.1',
      apiForUnits: 'unix:///run/convoy/read.sock',
      log: logTo((line) => say('agent', line), 'warn'),
    });
  }

  kill(): void {
    this.dead.abort();
    this.thawed();
    this.client.cut();
    void this.stop(false);
  }

  freeze(): void {
    this.client.cut();
    this.frozen = new Promise((resolve) => {
      this.thawed = resolve;
    });
  }

  thaw(): void {
    this.client.restore();
    this.thawed();
  }

  async stop(drain: boolean): Promise<void> {
    await this.agent.stop({ drain });
    await this.scheduler.stop();
    await this.manager.close();
    await this.client.close();
  }

  dieAfter(decisions: number, onDeath: () => void): void {
    this.decisionsLeft = decisions;
    this.onDeath = onDeath;
  }

  /** The unit manager, out of reach of a convoyd that is dead, and for one that is frozen until it goes on. */
  private mortal(manager: UnitManager): UnitManager {
    const guarded =
      <Args extends unknown[], T>(call: (...args: Args) => Promise<T>) =>
      async (...args: Args): Promise<T> => {
        await this.frozen;
        if (this.dead.signal.aborted) throw aborted('convoyd was killed');
        return call(...args);
      };
    return {
      ...manager,
      list: guarded(manager.list),
      load: guarded(manager.load),
      daemonReload: guarded(manager.daemonReload),
      start: guarded(manager.start),
      stop: guarded(manager.stop),
      holdLease: guarded(manager.holdLease),
      unload: guarded(manager.unload),
    };
  }

  private async commit(decisions: readonly Decision[], term: LeaderTerm) {
    if (decisions.length <= this.decisionsLeft) {
      this.decisionsLeft -= decisions.length;
      return this.client.commit(decisions, term);
    }
    await this.client.commit(decisions.slice(0, this.decisionsLeft), term);
    this.kill();
    this.onDeath();
    throw transient('convoyd was killed');
  }
}

/** Lines of at least this level, with the unit they are about, or else the machine, before them. */
function logTo(say: (line: string) => void, level: 'info' | 'warn'): Log {
  const line = ({ unit, machine }: { unit?: string; machine?: string }, message: string): void => {
    const about = unit === undefined ? machine : message.includes(unit) ? undefined : unit;
    say(about === undefined ? message : `${about}: ${message}`);
  };
  const log: Log = {
    debug: () => undefined,
    info: (fields, message) => (level === 'info' ? line(fields, message) : undefined),
    warn: line,
    error: line,
    child: () => log,
  };
  return log;
}
