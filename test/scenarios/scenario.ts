import type { ClusterSnapshot } from '../../registry/model.js';
import type { SchedulerStatus } from '../../scheduler/scheduler.js';
import { readConstraints } from '../../units/constraints.js';
import { type MemoryRegistry, openMemoryCluster } from '../fakes/memory-registry.js';
import { manualClock } from '../support/clock.js';
import { ScriptedMachine } from './machine.js';

/** Turns of the event loop after which nothing is under way any more: what the fakes do waits for nothing outside. */
const TURNS = 5;
/** How often it is looked whether a unit runs twice, in ms. */
const LOOK_MS = 100;

/** A cluster whose time passes only when told so. */
export class Scenario {
  /** By the name the script gave it, in the order they were added. */
  readonly machines = new Map<string, ScriptedMachine>();
  /** The operator's hand, which always reaches the registry. */
  readonly operator: MemoryRegistry;
  private readonly clock = manualClock(0);
  private readonly cluster = openMemoryCluster(this.clock);
  private readonly lines: string[] = [];
  private readonly callsSeen = new Map<readonly string[], number>();

  private readonly stopMs: number;

  constructor(stopMs = 0) {
    this.stopMs = stopMs;
    this.operator = this.cluster.client();
  }

  async addMachine(name: string, id: string, metadata: Readonly<Record<string, string>>): Promise<void> {
    if (this.machines.has(name)) throw new Error(`there is a machine ${name} already`);
    const { cluster, clock, stopMs } = this;
    const note = (line: string): void => {
      this.lines.push(`${this.time()} ${line}`);
    };
    const machine = new ScriptedMachine({ cluster, clock, note, id, metadata, stopMs });
    this.machines.set(name, machine);
    machine.start();
    await this.settle();
  }

  machine(name: string): ScriptedMachine {
    const machine = this.machines.get(name);
    if (machine === undefined) throw new Error(`there is no machine ${name}`);
    return machine;
  }

  /** Lets everything that is under way come to rest; time stands still. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Lets time pass. Throws when a unit that may have one copy only (OnPartition=stop) has two at any look. */
  async tick(ms: number): Promise<void> {
    const single = [...(await this.snapshot()).units.values()].filter(
      ({ name, unit }) => readConstraints(name, unit).constraints.stopBoundMs !== null,
    );
    const step = single.length === 0 ? ms : LOOK_MS;
    for (let left = ms; left > 0; left -= step) {
      await this.clock.advance(Math.min(step, left));
      for (const { name } of single) await this.checkSingle(name);
    }
    await this.settle();
  }

  private async checkSingle(unit: string): Promise<void> {
    const homes: string[] = [];
    for (const [name, { units }] of this.machines)
      for (const { name: other, active } of await units.manager().list())
        if (other === unit && active !== 'inactive' && active !== 'failed') homes.push(name);
    if (homes.length > 1) throw new Error(`${unit} runs on ${homes.join(' and ')} at ${this.time()}`);
  }

  private time(): string {
    return `${(this.clock.steady() / 1000).toFixed(1)}s`;
  }

  snapshot(): Promise<ClusterSnapshot> {
    return this.operator.readAll();
  }

  /** What the leader says, if there is one. */
  leader(): { readonly name: string; readonly status: SchedulerStatus } | null {
    for (const [name, { scheduler }] of this.machines) {
      const status = scheduler?.status();
      if (status?.leader) return { name, status };
    }
    return null;
  }

  /** What the convoyds said since the last time this was asked. */
  takeLog(): string[] {
    return this.lines.splice(0);
  }

  /** What unit managers were asked to do since the last time this was asked, by machine. */
  takeCalls(): (readonly [machine: string, call: string])[] {
    return [...this.machines].flatMap(([name, { units }]) => {
      const fresh = units.calls.slice(this.callsSeen.get(units.calls) ?? 0);
      this.callsSeen.set(units.calls, units.calls.length);
      return fresh.map((call) => [name, call] as const);
    });
  }

  async close(): Promise<void> {
    for (const machine of this.machines.values()) machine.close();
    await this.settle();
    await this.operator.close();
    this.cluster.close();
  }
}
