import type { ClusterSnapshot } from '../registry/model.js';
import type { Registry } from '../registry/registry.js';
import type { Clock } from '../runtime/clock.js';
import type { Log } from '../runtime/log.js';
import type { Meter } from '../runtime/meter.js';
import type { LogOptions } from '../units/unit-log.js';
import type { MachineCondition } from './schemas.js';
import type { PlannedMove } from './wire.js';

/** What the routes stand on. */
export interface ApiContext {
  readonly registry: Registry;
  readonly machineId: string;
  /**
   * Output of a unit of this machine, a line each without its newline; rejects if it is not here, and with
   * `permanent`/`refused` if it cannot be had in that way.
   */
  readonly localLog: (unit: string, options: LogOptions, signal: AbortSignal) => AsyncIterable<string>;
  /** Runs ExecReload of a unit of this machine; rejects with the reason if that cannot be done or fails. */
  readonly localReload: (unit: string) => Promise<void>;
  /** How busy this machine is. */
  readonly localCondition: () => Omit<MachineCondition, 'machine' | 'hold'>;
  /** What the leader has found out in its last look; null while this machine does not lead. */
  readonly leading: () => Leading | null;
  /**
   * The scheduler's rules applied to a snapshot: why units are not where they are wanted, in words by unit. `frozen`:
   * why the leader says that evictions stand still, or null.
   */
  readonly explain: (snapshot: ClusterSnapshot, frozen: string | null) => ReadonlyMap<string, string>;
  /** Why machines cannot have a unit, in words by machine; those that have it, or could, are not among them. */
  readonly explainUnit: (snapshot: ClusterSnapshot, unit: string) => ReadonlyMap<string, string>;
  /** Moves that would even out the machines, best first. */
  readonly planRebalance: (snapshot: ClusterSnapshot) => readonly PlannedMove[];
  /** Why this machine touches nothing for now, or null. */
  readonly hold: () => string | null;
  /** Why this machine is none of the cluster, or null: then nothing is served but what tells about itself. */
  readonly outsider: () => string | null;
  /** Why this machine is not joined now, or null. */
  readonly notJoined: () => string | null;
  /** Resolves if this machine's unit manager answers, rejects with the reason if not. */
  readonly unitManager: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: Meter;
  readonly version: string;
}

export interface Leading {
  /** `LeaderTerm.fence`. */
  readonly term: number;
  /** Why units are not where they are wanted, in words by unit. */
  readonly refusals: ReadonlyMap<string, string>;
  /** Why units of missing machines are not placed elsewhere for the time being, or null. */
  readonly frozen: string | null;
  /** Why nothing at all is decided, or null. */
  readonly hold: string | null;
}
