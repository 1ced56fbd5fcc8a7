import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { kindOf, messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';

export interface Patience {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

const BACKOFF: BackoffPolicy = { firstMs: 250, factor: 2, maxMs: 5_000 };

/**
 * Repeats a call that may be repeated until it is answered, as long as its errors are `transient`; says so once.
 * Rejects `aborted` when the signal fires.
 */
export async function insist<T>(
  { clock, random, log }: Patience,
  signal: AbortSignal,
  call: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (kindOf(error) !== 'transient') throw error;
      if (attempt === 1) log.warn({}, `no answer, asking again: ${messageOf(error)}`);
      await clock.sleep(backoffMs(attempt, BACKOFF, random()), signal);
    }
  }
}
