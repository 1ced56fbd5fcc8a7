/**
 * A unit manager in memory that passes the contract of the seam. It reads unit files as the supervisor does and
 * plays the commands true, false, echo and sleep; anything else runs like sleep, until a test ends it.
 */

import type { Command } from '../../agent/command.js';
import {
  afterExit,
  countStart,
  type Ended,
  exitText,
  isClean,
  limitHit,
  type StartWindow,
} from '../../agent/restart.js';
import { readService } from '../../agent/service-section.js';
import type { ServiceSettings } from '../../agent/service-settings.js';
import type { ManagedUnit, UnitManager, UnitToLoad } from '../../agent/unit-manager.js';
import type { Clock } from '../../runtime/clock.js';
import { permanent, transient } from '../../runtime/errors.js';
import { createWakeUps } from '../../runtime/wake-ups.js';
import { parse } from '../../units/parse.js';

/** The machine: what runs on it goes on, whichever managers come and go. */
export interface MemoryUnits {
  manager(): UnitManager;
  /** Every call made so far, such as `start web.service`. */
  readonly calls: readonly string[];
  /** Ends a running unit's main process like this. */
  end(name: string, ended: Ended): void;
  /** From now on stops of this unit take until `letStop`. */
  holdStop(name: string): void;
  letStop(name: string): void;
  /** From now on loads of this unit fail as `transient`, until `letLoad`. */
  holdLoad(name: string): void;
  letLoad(name: string): void;
  /** Calls fail as `transient`, as with a supervisor that is away. */
  cut(): void;
  restore(): void;
  close(): void;
}

interface MemoryUnit {
  state: ManagedUnit;
  readonly settings: ServiceSettings;
  readonly log: string[];
  /** Where the present run's output begins. */
  logFrom: number;
  /** Counts starts and stops, so that a restart that is due knows whether it still applies. */
  run: number;
  window: StartWindow | null;
  readonly leaseBound: boolean;
}

const CONTEXT = {
  machineId: 'm',
  bootId: 'b',
  hostName: 'h',
  kernel: 'k',
  user: 'root',
  uid: 0,
  group: 'root',
  gid: 0,
  home: '/root',
  root: '/',
  credentials: '/run/credentials',
};

/** Stopping a unit that is active takes `stopMs`. */
export function openMemoryUnits(clock: Clock, stopMs = 0): MemoryUnits {
  const units = new Map<string, MemoryUnit>();
  const wakeUps = createWakeUps();
  const calls: string[] = [];
  const held = new Map<string, { promise: Promise<void>; release: () => void }>();
  const unloadable = new Set<string>();
  const closing = new AbortController();
  let leaseUntil = 0;
  let isCut = false;

  function set(unit: MemoryUnit, change: Partial<ManagedUnit>): void {
    const since = (change.active ?? unit.state.active) === unit.state.active ? unit.state.since : clock.now();
    unit.state = { ...unit.state, ...change, since };
    wakeUps.wake();
  }

  /** What commands do by themselves; null: they go on. */
  function play(unit: MemoryUnit, commands: readonly Command[]): Ended | null {
    for (const { program, args } of commands) {
      const name = program.split('/').at(-1);
      if (name === 'echo') unit.log.push(args.join(' '));
      else if (name === 'false') return { kind: 'exit', code: 1 };
      else if (name !== 'true') return null;
    }
    return { kind: 'exit', code: 0 };
  }

  function run(unit: MemoryUnit): void {
    unit.run++;
    unit.window = countStart(unit.window, clock.steady(), unit.settings.startLimit);
    if (unit.window === null) {
      fail(unit, limitHit(unit.settings.startLimit));
      return;
    }
    unit.logFrom = unit.log.length;
    set(unit, { active: 'activating', sub: 'start', exit: null, reason: '' });
    const ended = play(unit, unit.settings.start);
    if (ended !== null) end(unit, ended);
    else if (unit.settings.type !== 'oneshot') set(unit, { active: 'active', sub: 'running' });
  }

  function end(unit: MemoryUnit, ended: Ended): void {
    const { settings } = unit;
    const exit = exitText(ended);
    const decision = afterExit(ended, settings);
    if (isClean(ended, settings) && settings.remainAfterExit) {
      set(unit, { active: 'active', sub: 'exited', exit });
    } else if (decision.kind === 'restart') {
      set(unit, { active: 'activating', sub: 'auto-restart', exit, reason: decision.why });
      restartLater(unit, decision.afterMs);
    } else {
      set(unit, { exit });
      if (decision.failed) fail(unit, decision.why);
      else set(unit, { active: 'inactive', sub: 'dead', reason: '' });
    }
  }

  function fail(unit: MemoryUnit, why: string): void {
    const reason = [why, ...unit.log.slice(unit.logFrom).slice(-5)].join('\n');
    set(unit, { active: 'failed', sub: 'failed', reason });
  }

  const leaseHeld = (): boolean => clock.steady() < leaseUntil;

  async function countLease(): Promise<void> {
    while (leaseHeld()) await clock.sleep(leaseUntil - clock.steady(), closing.signal);
    for (const unit of units.values()) if (unit.leaseBound) await stop(unit);
  }

  function restartLater(unit: MemoryUnit, afterMs: number): void {
    const due = unit.run;
    void clock.sleep(afterMs, closing.signal).then(
      () => {
        if (unit.run !== due || units.get(unit.state.name) !== unit) return;
        set(unit, { autoRestarts: unit.state.autoRestarts + 1 });
        run(unit);
      },
      () => undefined,
    );
  }

  function find(name: string): MemoryUnit {
    const unit = units.get(name);
    if (unit === undefined) throw permanent(`${name} is not loaded`, { code: 'not-found' });
    return unit;
  }

  async function stop(unit: MemoryUnit): Promise<void> {
    await held.get(unit.state.name)?.promise;
    if (stopMs > 0 && unit.state.active === 'active') await clock.sleep(stopMs, closing.signal);
    unit.run++;
    const { active, sub } = unit.state;
    const exit = sub === 'running' || sub === 'start' ? { exit: 'SIGTERM' } : {};
    const quiet = active === 'failed' ? {} : { active: 'inactive', sub: 'dead', reason: '' };
    set(unit, { ...quiet, ...exit, launched: false });
  }

  async function call(text: string): Promise<void> {
    calls.push(text);
    await Promise.resolve();
    if (isCut) throw transient('the unit manager is away', { code: 'unreachable' });
  }

  function manager(): UnitManager {
    const closed = new AbortController();
    return {
      async list() {
        if (isCut) throw transient('the unit manager is away', { code: 'unreachable' });
        return [...units.values()].map(({ state }) => state);
      },
      async load(unit) {
        await call(`load ${unit.name}`);
        if (unloadable.has(unit.name)) throw transient(`${unit.name}: no space left on device`);
        units.set(unit.name, loaded(unit, clock.now()));
        wakeUps.wake();
      },
      async daemonReload() {
        await call('daemon-reload');
      },
      async reload(name) {
        await call(`reload ${name}`);
        const unit = find(name);
        const { reload } = unit.settings;
        const ended = play(unit, reload);
        if (
          reload.length === 0 ||
          unit.state.active !== 'active' ||
          (ended !== null && !isClean(ended, unit.settings))
        )
          throw permanent(`${name} was not reloaded`, { code: 'failed' });
      },
      async holdLease(until) {
        if (isCut) throw transient('the unit manager is away', { code: 'unreachable' });
        if (until <= clock.steady() || until <= leaseUntil) return;
        const counting = leaseHeld();
        leaseUntil = until;
        if (!counting) countLease().catch(() => undefined);
      },
      async start(name, { environment, restarts }) {
        await call(`start ${name}`);
        const unit = find(name);
        if (unit.leaseBound && !leaseHeld())
          throw transient(`${name}: the lease of this machine is over`, { code: 'lease-over' });
        unit.window = null;
        set(unit, { launched: true, restarts, environment });
        if (unit.state.active === 'active') return;
        run(unit);
        const { active, sub, reason } = unit.state;
        if (active === 'failed' || sub === 'auto-restart')
          throw permanent(`${name}: ${reason.split('\n')[0]}`, { code: 'failed' });
      },
      async stop(name) {
        await call(`stop ${name}`);
        await stop(find(name));
      },
      async unload(name) {
        await call(`unload ${name}`);
        const unit = units.get(name);
        if (unit !== undefined) await stop(unit);
        units.delete(name);
        wakeUps.wake();
      },
      changes: (signal) => wakeUps.changes(AbortSignal.any([signal, closed.signal])),
      async *log(name, { lines, follow, output, since }, signal) {
        const { log } = find(name);
        if (since !== null || ![null, 'cat', 'json'].includes(output))
          throw permanent('the fake keeps no times', { code: 'refused' });
        const shown = (line: string): string =>
          output === 'json' ? JSON.stringify({ MESSAGE: line, _SYSTEMD_UNIT: name }) : line;
        let at = Math.max(0, log.length - (lines ?? log.length));
        const wakes = wakeUps.changes(signal)[Symbol.asyncIterator]();
        for (;;) {
          for (; at < log.length; at++) yield shown(log[at] as string);
          if (!follow || (await wakes.next()).done) return;
        }
      },
      async close() {
        closed.abort();
      },
    };
  }

  return {
    manager,
    calls,
    end(name, ended) {
      const unit = find(name);
      if (unit.state.active !== 'active') throw new Error(`${name} does not run`);
      end(unit, ended);
    },
    holdStop(name) {
      let release = (): void => undefined;
      const promise = new Promise<void>((resolve) => {
        release = resolve;
      });
      held.set(name, { promise, release });
    },
    letStop(name) {
      held.get(name)?.release();
      held.delete(name);
    },
    holdLoad: (name) => void unloadable.add(name),
    letLoad: (name) => void unloadable.delete(name),
    cut() {
      isCut = true;
    },
    restore() {
      isCut = false;
      wakeUps.wake();
    },
    close: () => closing.abort(),
  };
}

function loaded({ name, hash, text, leaseBound }: UnitToLoad, now: number): MemoryUnit {
  const { unit } = parse(text);
  const reading = readService(name, unit, CONTEXT);
  if (reading.kind === 'refused')
    throw permanent(`${name}: ${reading.reasons.join('; ')}`, { code: 'refused' });
  return {
    settings: reading.settings,
    log: [],
    logFrom: 0,
    run: 0,
    window: null,
    leaseBound,
    state: {
      name,
      hash,
      load: 'loaded',
      active: 'inactive',
      sub: 'dead',
      launched: false,
      restarts: 0,
      environment: {},
      since: now,
      exit: null,
      autoRestarts: 0,
      reason: '',
    },
  };
}
