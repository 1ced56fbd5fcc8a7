import { join } from 'node:path';
import type { Clock } from '../../runtime/clock.js';
import { ConvoyError, kindOf, messageOf, permanent, transient } from '../../runtime/errors.js';
import type { Log } from '../../runtime/log.js';
import { createWakeUps } from '../../runtime/wake-ups.js';
import type { StartOptions, UnitManager } from '../unit-manager.js';
import { MANAGER, systemBusAddress } from './bus.js';
import { createCommits } from './commits.js';
import { openConnection } from './connection.js';
import { createEndings } from './endings.js';
import { openUnitFiles } from './files.js';
import { createJobs } from './jobs.js';
import { openJournal } from './journal.js';
import { LEASE_UNIT, leaseUnitText, openLease } from './lease.js';
import { isEnded, managedUnit, type Remembered, text } from './states.js';
import { whyNotLoadable } from './unit-text.js';
import { createUnitWatch, readProperty } from './unit-watch.js';

export interface SystemdManagerOptions {
  /** What is remembered of units, and the lease: gone after a reboot, as the units are. */
  readonly runDir: string;
  /** Unit files, which systemd is linked to. */
  readonly unitsDir?: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Of the D-Bus; the system's own if not given. */
  readonly address?: string;
  /** How to call journalctl. */
  readonly journalctl?: readonly string[];
}

/** How often everything is read again, in case a signal was missed (ms). */
const CHECK_MS = 600_000;

/**
 * The unit manager of machines with systemd. Resolves after the first attempt to reach it; while it cannot be reached,
 * calls reject with `transient`, code `unreachable`, and it is tried again.
 */
export async function openSystemdManager(options: SystemdManagerOptions): Promise<UnitManager> {
  const { runDir, clock, log } = options;
  const files = openUnitFiles(runDir, options.unitsDir ?? join(runDir, 'units'));
  const { remembered } = files;
  const lease = openLease(runDir, clock);
  const journal = openJournal(options.journalctl ?? ['journalctl'], log);
  const wakeUps = createWakeUps();
  const jobs = createJobs();
  const watch = createUnitWatch((name) => endings.look(name));
  const closing = new AbortController();
  /** Units whose start is under way. */
  const starting = new Set<string>();
  let checkedAt = clock.steady();

  watch.watch(LEASE_UNIT, {});
  for (const name of remembered.keys()) watch.watch(name, {});
  const endings = createEndings({
    bus: () => connection.bus(),
    files,
    watch,
    journal,
    wake: wakeUps.wake,
    log,
  });

  const connection = openConnection({
    address: options.address ?? systemBusAddress(),
    clock,
    log,
    onSignal(signal) {
      if (signal.member === 'JobRemoved') jobs.removed(String(signal.body[1]), String(signal.body[3]));
      else watch.heard(signal);
    },
    async onConnected(bus) {
      await watch.readAll(bus);
      checkedAt = clock.steady();
      // It may be of another boot, if the folder outlived that.
      if (leaseRun() === null) lease.drop();
      // Taken away by somebody, or we were killed before systemd had it: the agent loads it again.
      for (const name of remembered.keys()) {
        const known = watch.properties(name);
        if (text(known.LoadState) === 'loaded' || !isEnded(known)) continue;
        watch.forget(name);
        files.forget(name);
      }
    },
    onTurn(connected) {
      if (!connected) jobs.lost();
      wakeUps.wake();
    },
  });
  const commits = createCommits({
    bus: () => connection.bus(),
    files,
    leaseUnitText: leaseUnitText(runDir),
    now: clock.now,
    onLoaded(name, known) {
      watch.watch(name, known);
      wakeUps.wake();
    },
    onUnloaded(name) {
      watch.forget(name);
      wakeUps.wake();
    },
    saidAbout: journal.aboutUnit,
  });
  await connection.tried;

  /** The run of the lease unit that is under way, null if none is. */
  function leaseRun(): string | null {
    const known = watch.properties(LEASE_UNIT);
    return text(known.ActiveState) === 'active' ? text(known.InvocationID) : null;
  }

  function need(name: string): Remembered {
    const found = remembered.get(name);
    if (found === undefined) throw permanent(`${name} is not loaded`, { code: 'not-found' });
    return found;
  }

  const isLaunched = (found: Remembered): boolean =>
    found.launched && (!found.leaseBound || leaseRun() === found.lease);

  const unitCall = (member: string, name: string): Promise<void> =>
    connection.bus().call({ ...MANAGER, member, signature: 's', body: [name] }, () => undefined);

  /** So that a start that comes after the end of the lease fails, whenever systemd gets to hear of it. */
  async function startLease(name: string): Promise<string> {
    const held = lease.isHeld() && (await jobs.run(connection.bus(), 'StartUnit', LEASE_UNIT)) === 'done';
    const run = leaseRun();
    if (!held || run === null) throw leaseOver(name);
    return run;
  }

  /** Asks: when a job is cancelled because the lease is over, no signal has said yet that it is. */
  async function isLeaseUp(): Promise<boolean> {
    const of = 'org.freedesktop.systemd1.Unit';
    return (await readProperty(connection.bus(), LEASE_UNIT, of, 'ActiveState')) === 'active';
  }

  async function launch(name: string, asked: Remembered): Promise<void> {
    const failed = text(watch.properties(name).ActiveState) === 'failed';
    // Or a unit that was started too often would not be started now either.
    if (failed) await unitCall('ResetFailedUnit', name);
    // Not before systemd has it: if we are killed until then, the next convoyd asks again, which hurts nothing.
    const remember = (): void => {
      files.remember(name, asked);
      wakeUps.wake();
    };
    let why: string;
    try {
      why = await jobs.run(connection.bus(), 'StartUnit', name, remember);
    } catch (error) {
      if (kindOf(error) !== 'permanent') throw error;
      // systemd may not even try: that is the outcome of the start.
      remember();
      why = messageOf(error);
    }
    if (why === 'done') return;
    if (asked.leaseBound && (!lease.isHeld() || !(await isLeaseUp()))) throw leaseOver(name);
    if (why === 'canceled') throw transient(`the start of ${name} was cancelled`, { code: 'cancelled' });
    const reason = await endings.startFailed(name, why);
    throw permanent(`${name} could not be started: ${reason}`, { code: 'failed' });
  }

  async function start(name: string, { environment, restarts }: StartOptions): Promise<void> {
    connection.bus();
    const before = need(name);
    const active = text(watch.properties(name).ActiveState);
    if (isLaunched(before) && (active === 'active' || active === 'reloading')) return;
    const run = before.leaseBound ? await startLease(name) : null;
    const own = new Set(before.ownNames);
    files.writeEnvironment(
      name,
      Object.fromEntries(Object.entries(environment).filter(([key]) => !own.has(key))),
    );
    const asked = { launched: true, restarts, environment, lease: run, touched: clock.now(), end: null };
    starting.add(name);
    try {
      await launch(name, { ...before, ...asked });
    } catch (error) {
      // Nobody knows what has become of it, or it was not started after all: whoever wants it running asks again.
      if (kindOf(error) === 'transient') forgetLaunch(name);
      throw error;
    } finally {
      starting.delete(name);
      wakeUps.wake();
    }
  }

  function forgetLaunch(name: string): void {
    const found = remembered.get(name);
    if (found?.launched) files.remember(name, { ...found, launched: false });
    wakeUps.wake();
  }

  async function stopped(name: string): Promise<void> {
    const result = await jobs.run(connection.bus(), 'StopUnit', name).catch((error) => {
      if (error instanceof ConvoyError && error.code === 'NoSuchUnit') return 'done';
      throw error;
    });
    if (result === 'done' || isEnded(watch.properties(name))) return;
    throw transient(`${name} could not be stopped (${result})`, { code: 'failed' });
  }

  return {
    async list() {
      const bus = connection.bus();
      if (clock.steady() - checkedAt > CHECK_MS) {
        checkedAt = clock.steady();
        await watch.readAll(bus);
      }
      const run = leaseRun();
      // What systemd has not said a word about is being loaded right now.
      const loaded = [...remembered].filter(([name]) => text(watch.properties(name).LoadState) !== '');
      return loaded
        .map(([name, found]) => managedUnit(name, found, watch.properties(name), run, starting.has(name)))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    async load(unit) {
      connection.bus();
      const reason = whyNotLoadable(unit.name, [LEASE_UNIT]);
      if (reason !== null) throw permanent(`${unit.name} cannot be loaded: ${reason}`, { code: 'refused' });
      await commits.load(unit);
    },
    async daemonReload() {
      await commits.settled();
    },
    start,
    async stop(name) {
      need(name);
      await stopped(name);
      forgetLaunch(name);
    },
    async reload(name) {
      need(name);
      const failed = (why: string): ConvoyError =>
        permanent(`${name} was not reloaded: ${why}`, { code: 'failed' });
      if (text(watch.properties(name).ActiveState) !== 'active') throw failed('it does not run');
      const result = await jobs.run(connection.bus(), 'ReloadUnit', name).catch((error) => {
        if (kindOf(error) === 'permanent') throw failed(messageOf(error));
        throw error;
      });
      if (result !== 'done') throw failed(`its ExecReload= ended badly (${result})`);
    },
    async holdLease(until) {
      lease.hold(until);
    },
    async unload(name) {
      connection.bus();
      if (!remembered.has(name)) return;
      await stopped(name);
      await commits.unload(name);
    },
    changes: (signal) => wakeUps.changes(AbortSignal.any([signal, closing.signal])),
    log: (name, which, signal) => journal.lines(name, which, AbortSignal.any([signal, closing.signal])),
    async close() {
      closing.abort();
      await connection.close();
      await endings.settled();
    },
  };
}

function leaseOver(name: string): ConvoyError {
  return transient(`${name} is not started: it is lease-bound, and the lease of this machine is over`, {
    code: 'lease-over',
  });
}
