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
}

/** One for all: to make an error takes its stack, and loops are woken from their sleep by everything that happens. */
const ENDED_EARLY = aborted('sleep ended early');

/** How long, in ms of running time, what was read of the uptime is taken for true at most: `steady` is asked for every tile. */
const FRESH_MS = 1_000;
/** Less than this, in ms, the wall clock may go another way than the monotonic one by the coarseness of its reading. */
const JUMP_MS = 3;

/**
 * How far /proc/uptime, which counts suspended time, is ahead of the monotonic clock, which does not; in ms since the
 * first call, never below 0. Always 0 on a machine without /proc. Suspended time makes the wall clock jump, which costs
 * nothing to see: then, as after any other jump of it, the uptime is read anew at once.
 */
function suspendedTime(monotonic: () => number): (now: number) => number {
  let file: number;
  try {
    file = openSync('/proc/uptime', 'r');
  } catch {
    return () => 0;
  }
  const text = Buffer.alloc(64);
  const ahead = (): number => {
    const seconds = Number.parseFloat(text.toString('latin1', 0, readSync(file, text, 0, text.length, 0)));
    return seconds * 1000 - monotonic();
  };
  const atStart = ahead();
  let known = 0;
  let readAt = monotonic();
  let wallAhead = Date.now() - readAt;
  return (now) => {
    const ofWall = Date.now() - now;
    if (now - readAt >= FRESH_MS || Math.abs(ofWall - wallAhead) >= JUMP_MS) {
      known = Math.max(known, ahead() - atStart);
      readAt = now;
      wallAhead = ofWall;
    }
    return known;
  };
}

export function systemClock(): Clock {
  const start = performance.now();
  const monotonic = (): number => performance.now() - start;
  const suspended = suspendedTime(monotonic);
  return {
    now: () => Date.now(),
    steady() {
      const now = monotonic();
      return now + suspended(now);
    },
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        const stop = (): void => {
          clearTimeout(timer);
          reject(ENDED_EARLY);
        };
        const timer = setTimeout(() => {
          signal?.removeEventListener('abort', stop);
          resolve();
        }, ms);
        if (signal?.aborted) stop();
        else signal?.addEventListener('abort', stop, { once: true });
      });
    },
  };
}
