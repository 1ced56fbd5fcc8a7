import { openSync, readSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { aborted } from './errors.js';

/**
 * Seam: the only way a program learns the time or waits.
 *
 * `now` is wall time (ms since the epoch): for records that people read, never for deadlines.
 * `steady` never goes back and goes on while the machine is suspended (ms from an arbitrary start): for
 * deadlines and leases. `sleep` rejects with an `aborted` error as soon as its signal fires.
 */
export interface Clock {
  now(): number;
  steady(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls back after so long, unless what it answers is called before. */
  timer(ms: number, callback: () => void): () => void;
}

/** One for all: to make an error takes its stack, and loops are woken from their sleep by everything that happens. */
const ENDED_EARLY = aborted('sleep ended early');

/**
 * How long, in ms of running time, what was read of the uptime is taken for true at most: `steady` is asked for every tile. As it is read
 * soon after a start, V8 has seen that done before it compiles what asks.
 */
const FRESH_MS = 100;
/** Less than this, in ms, the wall clock may go another way than the monotonic one by the coarseness of its reading. */
const JUMP_MS = 3;

/** What a machine has of clocks, each in ms. */
export interface MachineClocks {
  /** Since the epoch; it may be set, there and back. */
  wall(): number;
  /** Never set; it stands still while the machine is suspended. */
  monotonic(): number;
  /** Goes on while the machine is suspended; undefined where nobody tells it. */
  readonly uptime: (() => number) | undefined;
}

/**
 * How far the uptime is ahead of the monotonic clock; in ms since this call, never below 0. Suspended time makes the wall
 * clock jump, which costs nothing to see: then, as after any other jump of it, the uptime is read anew at once.
 */
function suspendedTime(clocks: MachineClocks): (now: number) => number {
  const { uptime } = clocks;
  if (uptime === undefined) return () => 0;
  const ahead = (): number => uptime() - clocks.monotonic();
  const atStart = ahead();
  let known = 0;
  let readAt = clocks.monotonic();
  let wallAhead = clocks.wall() - readAt;
  return (now) => {
    const ofWall = clocks.wall() - now;
    if (now - readAt >= FRESH_MS || Math.abs(ofWall - wallAhead) >= JUMP_MS) {
      known = Math.max(known, ahead() - atStart);
      readAt = now;
      wallAhead = ofWall;
    }
    return known;
  };
}

/** /proc/uptime, of which the file stays open; undefined on a machine without it. */
function procUptime(): (() => number) | undefined {
  let file: number;
  try {
    file = openSync('/proc/uptime', 'r');
  } catch {
    return undefined;
  }
  const text = Buffer.alloc(64);
  return () => Number.parseFloat(text.toString('latin1', 0, readSync(file, text, 0, text.length, 0))) * 1000;
}

function clocksOfThisMachine(): MachineClocks {
  return { wall: () => Date.now(), monotonic: () => performance.now(), uptime: procUptime() };
}

export function systemClock(clocks: MachineClocks = clocksOfThisMachine()): Clock {
  const start = clocks.monotonic();
  const suspended = suspendedTime(clocks);
  return {
    now: () => clocks.wall(),
    steady() {
      const now = clocks.monotonic();
      return now - start + suspended(now);
    },
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        const stop = (): void => {
          cancel();
          reject(ENDED_EARLY);
        };
        const cancel = timer(ms, () => {
          signal?.removeEventListener('abort', stop);
          resolve();
        });
        if (signal?.aborted) stop();
        else signal?.addEventListener('abort', stop, { once: true });
      });
    },
    timer,
  };
}

function timer(ms: number, callback: () => void): () => void {
  const timeout = setTimeout(callback, ms);
  return () => clearTimeout(timeout);
}
