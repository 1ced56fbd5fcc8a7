import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { kindOf, messageOf, permanent, transient } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { createWakeUps } from '../runtime/wake-ups.js';
import { uptime } from './supervisor/processes.js';
import { PROTOCOL, socketPath } from './supervisor/protocol.js';
import { readUnitLog } from './supervisor/unit-log.js';
import { waitFor } from './supervisor/wait.js';
import { closedError, connectSupervisor, type SupervisorClient } from './supervisor-client.js';
import type { UnitManager } from './unit-manager.js';

export interface SupervisorManagerOptions {
  /** The supervisor's socket, journal, logs and credentials. One supervisor per folder. */
  readonly runDir: string;
  /** The built supervisor: what a process of its own is made of. */
  readonly program: string;
  /** What %t, %S, %C, %L and %E of units are below; `/` on a machine of its own. */
  readonly unitRoot: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** How long a call waits for a supervisor to be there, and for an answer that needs no job. */
const DEADLINE_MS = 10_000;
/** Close together while one starts, which takes it a tenth of a second. */
const RETRY = { firstMs: 20, factor: 1.3, maxMs: 2000 };
/** The longest path a unix socket can have. */
const SOCKET_PATH_LIMIT = 107;

/**
 * The unit manager of machines without systemd. Finds the supervisor by its socket, starts one if none answers, and
 * does so again whenever it has gone. Resolves at once; calls wait until it is there.
 */
export async function openSupervisorManager(options: SupervisorManagerOptions): Promise<UnitManager> {
  const { runDir, clock, log } = options;
  if (Buffer.byteLength(socketPath(runDir)) > SOCKET_PATH_LIMIT)
    throw permanent(`the run directory ${runDir} is too long for a unix socket: choose a shorter one`);
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  const closing = new AbortController();
  const wakeUps = createWakeUps();
  let client: SupervisorClient | null = null;
  let arrival = new AbortController();
  let started: ChildProcess | null = null;
  // From `clock.steady()` to time since boot. Each look is early by what passes between its two readings and never
  // late, so the least is the safest.
  let sinceBoot = uptime() - clock.steady();

  /** A connection to a supervisor of our protocol; starts one where none answers or an old one had to go. */
  async function reach(): Promise<SupervisorClient | null> {
    const found = await connectSupervisor(runDir, wakeUps.wake, closing.signal);
    if (found?.protocol === PROTOCOL) return found;
    if (found !== null) {
      log.info({ protocol: found.protocol }, 'replacing a supervisor of another version; units go on');
      await found.call('retire', null).catch(() => undefined);
      await found.closed;
    } else if (
      !closing.signal.aborted &&
      (started === null || started.exitCode !== null || started.signalCode !== null)
    )
      started = startSupervisor(options);
    return null;
  }

  async function keepConnected(): Promise<void> {
    for (let failures = 0; !closing.signal.aborted; ) {
      const found = await reach();
      if (found === null) {
        failures++;
        await clock.sleep(backoffMs(failures, RETRY, Math.random()), closing.signal).catch(() => undefined);
        continue;
      }
      failures = 0;
      client = found;
      arrival.abort();
      wakeUps.wake();
      await found.closed;
      client = null;
      arrival = new AbortController();
      if (!closing.signal.aborted) log.warn({ runDir }, 'the supervisor has gone; starting another');
      wakeUps.wake();
    }
  }
  const kept = keepConnected().catch((error) => log.error({ runDir }, messageOf(error)));

  async function connected(): Promise<SupervisorClient> {
    const limit = clock.steady() + DEADLINE_MS;
    for (;;) {
      if (closing.signal.aborted) throw closedError();
      if (client !== null) return client;
      const left = limit - clock.steady();
      if (left <= 0)
        throw transient(`no supervisor answers on ${socketPath(runDir)}`, { code: 'unreachable' });
      const either = AbortSignal.any([arrival.signal, closing.signal]);
      await clock.sleep(left, either).catch(() => undefined);
    }
  }

  /** For calls that are answered at once: a frozen supervisor must not freeze the agent. */
  async function soon<T>(call: (client: SupervisorClient) => Promise<T>): Promise<T> {
    const answer = call(await connected()).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    const result = await waitFor(answer, DEADLINE_MS, clock);
    if (typeof result === 'string')
      throw transient(`the supervisor on ${socketPath(runDir)} does not answer`, { code: 'unreachable' });
    if ('error' in result) throw result.error;
    return result.value;
  }

  return {
    async list() {
      const ask = () => soon((to) => to.call('list', null));
      // A supervisor that ends while it is asked has a successor at once; reading twice is harmless.
      return ask().catch((error) => (kindOf(error) === 'transient' ? ask() : Promise.reject(error)));
    },
    async load(unit) {
      await soon((to) => to.call('load', unit));
    },
    async daemonReload() {},
    async reload(name) {
      await (await connected()).call('reload', { name });
    },
    async holdLease(until) {
      sinceBoot = Math.min(sinceBoot, uptime() - clock.steady());
      await soon((to) => to.call('holdLease', { until: until + sinceBoot }));
    },
    async start(name, start) {
      await (await connected()).call('start', { name, options: start });
    },
    async stop(name) {
      await (await connected()).call('stop', { name });
    },
    async unload(name) {
      await (await connected()).call('unload', { name });
    },
    changes: (signal) => wakeUps.changes(AbortSignal.any([signal, closing.signal])),
    log: (name, which, signal) => readUnitLog(runDir, name, which, clock, signal),
    async close() {
      closing.abort();
      client?.close();
      await kept;
    },
  };
}

/** Detached and in a session of its own: it outlives us. It finds what its predecessor left in the folder. */
function startSupervisor({ program, runDir, unitRoot, log }: SupervisorManagerOptions): ChildProcess {
  const output = openSync(join(runDir, 'supervisor.log'), 'a', 0o600);
  const env = { ...process.env };
  // Ours, if we are a unit ourselves: stopping that unit must not look like stopping the supervisor.
  delete env.INVOCATION_ID;
  const child = spawn(process.execPath, [program, '--run-dir', runDir, '--unit-root', unitRoot], {
    detached: true,
    cwd: '/',
    env,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  child.on('error', (error) => log.error({ runDir }, `the supervisor cannot be started: ${error.message}`));
  child.unref();
  return child;
}
