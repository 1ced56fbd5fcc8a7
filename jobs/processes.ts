import type { ChildProcess } from 'node:child_process';
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { UsageError } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { joinFamilies, lastingFamilies, type MetricFamilies } from '../runtime/prometheus.js';
import type { ToChild, ToParent } from './child-process.js';

/** One program as several processes, each a worker of its own: a process uses one core. */
export interface Processes {
  /**
   * Keeps them running until the signal fires or each has ended by itself; resolves with the worst exit code. Rejects with
   * a `UsageError` if one says that it can never work.
   */
  run(signal: AbortSignal): Promise<number>;
  /** Their numbers, not older than a second or so, and what those that have ended had counted. */
  families(): Promise<readonly MetricFamilies[]>;
  /** Why none of them can do anything now; null while one can. */
  trouble(): string | null;
}

export interface ProcessesOptions {
  readonly count: number;
  /** Starts one, with a channel. */
  readonly start: () => ChildProcess;
  /** Called when one that has died is about to be followed by another. */
  readonly onDeath: () => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** Before the next is started. One that lasted as long as STABLE_MS begins anew. */
const BACKOFF: BackoffPolicy = { firstMs: 500, factor: 2, maxMs: 30_000 };
const STABLE_MS = 60_000;
/** After being told to stop a worker takes 7 s at most; the shipped units allow 15 s. */
const KILL_MS = 12_000;
/** A supervisor tells all processes to stop: one that does not listen yet ends so, as it was told to. */
const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** Numbers come once a second. */
const SILENT_MS = 5_000;

/** The place of one process, and of those that follow it. */
interface Seat {
  readonly number: number;
  child: ChildProcess | null;
  families: MetricFamilies;
  trouble: string | null;
  /** On the steady clock. */
  heardAt: number;
  left: boolean;
}

interface End {
  /** Of the process, `exit code 1` or `SIGKILL`; why it could not be started. */
  readonly how: string;
  readonly code: number;
  readonly told: (ToParent & { readonly kind: 'ended' }) | null;
}

export function createProcesses(options: ProcessesOptions): Processes {
  const { count, clock, random, log } = options;
  const seats: Seat[] = Array.from({ length: count }, (_, index) => ({
    ...{ number: index + 1, child: null, families: [], heardAt: clock.steady(), left: false },
    trouble: 'it is being started',
  }));
  const stopping = new AbortController();
  let past: Promise<MetricFamilies> = Promise.resolve([]);
  let usage: string | null = null;

  /** Starts a process in this seat; resolves when it has ended. */
  function occupy(seat: Seat): Promise<End> {
    const child = options.start();
    let told: End['told'] = null;
    seat.child = child;
    seat.heardAt = clock.steady();
    log.info({ process: seat.number, pid: child.pid }, 'process started');
    if (stopping.signal.aborted) order(seat);
    child.on('message', (message: ToParent) => {
      seat.heardAt = clock.steady();
      if (message.kind === 'ended') told = message;
      else ({ families: seat.families, trouble: seat.trouble } = message);
    });
    return new Promise<End>((resolve) => {
      child.once('error', ({ message }) => resolve({ how: message, code: 1, told }));
      child.once('exit', (code, signal) => {
        const how = signal ?? `exit code ${code}`;
        const end = (): void => {
          const heeded = stopping.signal.aborted && STOP_SIGNALS.some((one) => one === signal);
          resolve({ how, code: code ?? (heeded ? 0 : 1), told });
        };
        // What it said last may not have been read yet.
        if (child.connected) child.once('disconnect', end);
        else end();
      });
    }).finally(() => {
      const last = lastingFamilies(seat.families);
      past = past.then((before) => joinFamilies([before, last]));
      Object.assign(seat, { child: null, families: [], trouble: 'it has died and is started again' });
    });
  }

  function order(seat: Seat): void {
    const stop: ToChild = 'stop';
    if (seat.child?.connected) seat.child.send(stop, () => undefined);
  }

  /** Fills this seat until it is over; resolves with the last exit code. */
  async function keep(seat: Seat): Promise<number> {
    for (let deaths = 0; ; ) {
      const startedAt = clock.steady();
      const { how, code, told } = await occupy(seat);
      if (told?.usage != null) {
        usage ??= told.usage;
        stopping.abort();
      }
      if (told !== null) return told.code;
      if (stopping.signal.aborted) return code;
      options.onDeath();
      deaths = clock.steady() - startedAt >= STABLE_MS ? 1 : deaths + 1;
      const waitMs = backoffMs(deaths, BACKOFF, random());
      const then = `another is started in ${(waitMs / 1000).toFixed(1)} s`;
      log.error({ process: seat.number, ended: how }, `process ended unexpectedly (${how}): ${then}`);
      await clock.sleep(waitMs, stopping.signal).catch(() => undefined);
      if (stopping.signal.aborted) return 0;
    }
  }

  async function windDown(over: AbortSignal): Promise<void> {
    for (const seat of seats) order(seat);
    await clock.sleep(KILL_MS, over);
    for (const { number, child } of seats) {
      if (child === null) continue;
      log.error({ process: number }, `process has not ended ${KILL_MS / 1000} s after being told to: killed`);
      child.kill('SIGKILL');
    }
  }

  return {
    async run(signal) {
      const over = new AbortController();
      stopping.signal.addEventListener('abort', () => void windDown(over.signal).catch(() => undefined));
      if (signal.aborted) stopping.abort();
      signal.addEventListener('abort', () => stopping.abort(), { once: true });
      const codes = await Promise.all(
        seats.map(async (seat) => {
          const code = await keep(seat);
          seat.left = true;
          return code;
        }),
      );
      over.abort();
      if (usage !== null) throw new UsageError(usage);
      return Math.max(...codes);
    },
    async families() {
      // Read together: what ends while `past` is awaited is in neither or in both otherwise.
      const [before, live] = [past, seats.map(({ families }) => families)];
      return [await before, ...live];
    },
    trouble() {
      const silent = (seat: Seat): boolean =>
        seat.child !== null && clock.steady() - seat.heardAt > SILENT_MS;
      const troubles = seats
        .filter(({ left }) => !left)
        .map((seat) => ({ seat, why: silent(seat) ? 'it does not answer' : seat.trouble }));
      const [first] = troubles;
      if (first === undefined || troubles.some(({ why }) => why === null)) return null;
      return `none of the ${count} processes can work; process ${first.seat.number}: ${first.why}`;
    },
  };
}
