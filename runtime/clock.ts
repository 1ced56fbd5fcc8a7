import { readFileSync } from 'node:fs';
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

/** /proc/uptime counts suspended time, which CLOCK_MONOTONIC does not. The later of the two is taken. */
function uptimeMs(): number {
  try {
    return Number.parseFloat(readFileSync('/proc/uptime', 'utf8')) * 1000;
  } catch {
    return 0;
  }
}

export function systemClock(): Clock {
  const uptimeStart = uptimeMs();
  const monotonicStart = performance.now();
  return {
    now: () => Date.now(),
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
