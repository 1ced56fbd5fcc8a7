import { type Agent, startAgent } from '../../agent/agent.js';
import type { UnitManager } from '../../agent/unit-manager.js';
import type { Decision } from '../../registry/model.js';
import type { LeaderTerm, Registry, RegistryMemory } from '../../registry/registry.js';
import type { Clock } from '../../runtime/clock.js';
import { aborted, transient } from '../../runtime/errors.js';
import type { Log } from '../../runtime/log.js';
import { type Scheduler, startScheduler } from '../../scheduler/scheduler.js';
import { type MemoryCluster, type MemoryRegistry, memoryOfMachine } from '../fakes/memory-registry.js';
import { type MemoryUnits, openMemoryUnits } from '../fakes/memory-unit-manager.js';

const TTL_MS = 10_000;
const GRACE_MS = 5000;

export interface MachineOptions {
  readonly cluster: MemoryCluster;
  readonly clock: Clock;
  /** Called with what a running convoyd has to say. */
  readonly note: (line: string) => void;
  readonly id: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** How long stopping a unit takes here. */
  readonly stopMs: number;
}

/** A host: its unit manager, its disk, its network, and a convoyd that can be killed and started again. */
export class ScriptedMachine {
  readonly id: string;
  units: MemoryUnits;
  private readonly options: MachineOptions;
  /** What survives a reboot, and what does not. */
  private readonly disk = memoryOfMachine();
  private run = memoryOfMachine();
  private convoyd: Convoyd | null = null;
  private cutOff = false;
  private hold: string | null = null;
  private boots = 0;

  constructor(options: MachineOptions) {
    this.options = options;
    this.id = options.id;
    this.units = openMemoryUnits(options.clock, options.stopMs);
  }

  get agent(): Agent | undefined {
    return this.convoyd?.agent;
  }

  get scheduler(): Scheduler | undefined {
    return this.convoyd?.scheduler;
  }

  /** Starts convoyd on whatever runs here. */
  start(): void {
    if (this.convoyd !== null) throw new Error(`convoyd of ${this.id} runs already`);
    const { cluster, clock, note, id, metadata } = this.options;
    const { disk, run } = this;
    const memory: RegistryMemory = {
      readSeen: disk.readSeen,
      writeSeen: disk.writeSeen,
      readLease: run.readLease,
      writeLease: run.writeLease,
    };
    const client = cluster.client(memory);
    if (this.cutOff) client.cut();
    if (this.hold !== null) client.hold(this.hold);
    const machine = { id, ip: '', metadata, apiAddress: '', version: '1', bootId: `boot-${this.boots}` };
    this.convoyd = new Convoyd(client, this.units.manager(), machine, clock, note);
  }

  /** SIGKILL: units go on, and so does the lease until it runs out. */
  kill(): void {
    this.convoyd?.kill();
    this.convoyd = null;
  }

  /** SIGSTOP and SIGCONT: nothing is renewed and nothing is done, and then everything that was under way goes on. */
  freeze(): void {
    this.convoyd?.freeze();
  }

  thaw(): void {
    this.convoyd?.thaw();
  }

  /** SIGTERM. With `drain` units are stopped and the machine leaves the cluster. */
  stop(drain: boolean): void {
    void this.convoyd?.stop(drain);
    this.convoyd = null;
  }

  /** Kills convoyd when so many decisions of its next commit have been written. */
  killAfter(decisions: number): void {
    this.convoyd?.dieAfter(decisions, () => {
      this.convoyd = null;
    });
  }

  /** Everything that runs here is gone, and what is not on disk. */
  powerCut(): void {
    this.kill();
    this.units.close();
    this.units = openMemoryUnits(this.options.clock, this.options.stopMs);
    this.run = memoryOfMachine();
  }

  boot(): void {
    this.boots += 1;
    this.start();
  }

  cut(isCut: boolean): void {
    this.cutOff = isCut;
    if (isCut) this.convoyd?.client.cut();
    else this.convoyd?.client.restore();
  }

  setHold(reason: string | null): void {
    this.hold = reason;
    this.convoyd?.client.hold(reason);
  }

  async accept(): Promise<void> {
    this.hold = null;
    await this.convoyd?.client.accept();
  }

  close(): void {
    this.kill();
    this.units.close();
  }
}

/** The process: agent and scheduler on one registry, put together as the real daemon does it. */
class Convoyd {
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
    machine: Parameters<typeof startAgent>[0]['machine'],
    clock: Clock,
    note: (line: string) => void,
  ) {
    this.client = client;
    this.manager = manager;
    const registry: Registry = { ...client, commit: (decisions, term) => this.commit(decisions, term) };
    const say = (part: string, line: string): void => {
      if (!this.dead.signal.aborted) note(`${machine.id} ${part}: ${line}`);
    };
    const common = { registry, clock, ttlMs: TTL_MS };
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
