/**
 * Seam: what runs units on this machine. Two implementations pass one contract suite: the supervisor (a process
 * of its own, for machines without systemd) and systemd over D-Bus.
 *
 * - The manager outlives the agent. What it runs goes on while the agent is away; the next agent lists it and
 *   adopts it: `launched`, `hash`, `restarts` and `environment` are remembered by the manager for that purpose.
 * - The manager alone restarts a unit that died (Restart=). The agent only loads, starts, stops and unloads.
 * - Calls about different units may run side by side; calls about one unit are made one after another, save that a
 *   stop or unload may overtake a start that is still under way: that start then rejects.
 * - A unit the manager cannot run as written is refused at `load`, with the reason: `permanent`, code `refused`.
 */
import type { SystemdState } from '../units/state.js';
import type { LogOptions } from '../units/unit-log.js';

export interface UnitToLoad {
  readonly name: string;
  readonly hash: string;
  /** The canonical text. */
  readonly text: string;
  /** `[X-Convoy] OnPartition=stop`: runs only while `holdLease` says so. */
  readonly leaseBound: boolean;
}

export interface ManagedUnit extends SystemdState {
  readonly name: string;
  readonly hash: string;
  /** The last thing asked of it was a start, not a stop. */
  readonly launched: boolean;
  /** As given with the last start: how the agent tells a requested restart it has already carried out. */
  readonly restarts: number;
  /** As given with the last start. */
  readonly environment: Readonly<Record<string, string>>;
  readonly since: number;
  readonly exit: string | null;
  readonly autoRestarts: number;
  /** Why it is in this state; the first line is a summary, lines of its log may follow. */
  readonly reason: string;
}

export interface StartOptions {
  /** Laid under the unit's own Environment=. */
  readonly environment: Readonly<Record<string, string>>;
  readonly restarts: number;
}

export interface UnitManager {
  list(): Promise<readonly ManagedUnit[]>;
  /** Makes the unit known. Loading again with another hash replaces it; it must not be running then. */
  load(unit: UnitToLoad): Promise<void>;
  /** One pass's loads and unloads take effect (systemd: one daemon-reload). */
  daemonReload(): Promise<void>;
  /**
   * Resolves when the start job is done (Type=oneshot: has exited; else: is active), rejects with `permanent`,
   * code `failed` and the reason if it failed. Starting a running unit does nothing but resolve. A lease-bound
   * unit is refused as `transient`, code `lease-over`, while no lease is held.
   */
  start(name: string, options: StartOptions): Promise<void>;
  /** Resolves when ExecStop, the processes and ExecStopPost have ended. Stopping a stopped unit resolves. */
  stop(name: string): Promise<void>;
  /** Runs ExecReload; rejects with `permanent`, code `failed`, if the unit has none, does not run, or it fails. */
  reload(name: string): Promise<void>;
  /**
   * Lease-bound units may run until `until` (`clock.steady()`, ms) and no longer, unless told a later time before
   * that: then they are stopped by something that does not need this process, and listed as not `launched`. A time
   * that is already over, or not later than the last one, changes nothing.
   */
  holdLease(until: number): Promise<void>;
  /** Stops if need be, then forgets the unit. An unknown unit resolves. */
  unload(name: string): Promise<void>;
  /** Yields after the state of any unit changed; wake-ups may be merged. Also yields when the manager came back. */
  changes(signal: AbortSignal): AsyncIterable<void>;
  /**
   * The unit's output, a line each without its newline, oldest first. Rejects with `permanent`, code `refused` and
   * the reason, for an output or a time that cannot be had here.
   */
  log(name: string, options: LogOptions, signal: AbortSignal): AsyncIterable<string>;
  /** Lets go of the manager; units go on. */
  close(): Promise<void>;
}
