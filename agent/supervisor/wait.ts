import type { Clock } from '../../runtime/clock.js';

/** Node's timers overflow beyond this and fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Waits for a promise that never rejects, at most `ms` (Infinity: for ever) and not beyond the signal. Answers what
 * came first.
 */
export async function waitFor<T>(
  promise: Promise<T>,
  ms: number,
  clock: Clock,
  signal?: AbortSignal,
): Promise<T | 'timeout' | 'stopped'> {
  const done = new AbortController();
  const either = signal === undefined ? done.signal : AbortSignal.any([signal, done.signal]);
  const sleep = clock.sleep(Math.min(ms, LONGEST_TIMER_MS), either).then(
    () => 'timeout' as const,
    () => 'stopped' as const,
  );
  try {
    return await Promise.race([promise, sleep]);
  } finally {
    done.abort();
  }
}
