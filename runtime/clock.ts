import { openSync, readSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
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

/**
 * A reader of /proc/uptime, in ms: it counts suspended time, which CLOCK_MONOTONIC does not. The file stays open, as
 * `steady` is asked several times for every tile; 0 on a machine without /proc.
 */
function uptimeReader(): () => number {
  let file: number;
  try {
    file = openSync('/proc/uptime', 'r');
  } catch {
    return () => 0;
  }
  const text = Buffer.alloc(64);
  return () => Number.parseFloat(text.toString('latin1', 0, readSync(file, text, 0, text.length, 0))) * 1000;
}

export function systemClock(): Clock {
  const uptimeMs = uptimeReader();
  const uptimeStart = uptimeMs();
  const monotonicStart = performance.now();
  return {
    now: () => Date.now(),
    // The later of the two: the monotonic clock is the finer one, uptime never misses a sleep.
    steady: () => Math.max(performance.now() - monotonicStart, uptimeMs() - uptimeStart),
    async sleep(ms, signal) {
      try {
        await delay(ms, undefined, signal ? { signal } : undefined);
      } catch (cause) {
        throw aborted('sleep ended early', { cause });
      }
    },
  };
}
