import type { Agent } from '../../agent/agent.js';
import type { RegistryMemory } from '../../registry/registry.js';
import type { Clock } from '../../runtime/clock.js';
import type { Scheduler } from '../../scheduler/scheduler.js';
import { type MemoryCluster, memoryOfMachine } from '../fakes/memory-registry.js';
import { type MemoryUnits, openMemoryUnits } from '../fakes/memory-unit-manager.js';
import { Convoyd } from './convoyd.js';

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
