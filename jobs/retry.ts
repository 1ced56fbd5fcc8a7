import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';

/**
 * The second level of retry: minutes, across workers. The first, seconds inside one store operation, is
 * stores/wrap.ts; only this one counts attempts.
 */
export interface RetryPolicy {
  readonly maxAttempts: number;
  readonly backoff: BackoffPolicy;
}

/** The delays between attempts; how many there are is the migration's own choice. */
export const RETRY_BACKOFF: BackoffPolicy = { firstMs: 5_000, factor: 3, maxMs: 600_000 };

/** A store that asks for more than this is not obeyed: nothing may lie about for days. */
const MAX_RETRY_AFTER_MS = 3_600_000;

export type RetryDecision =
  | { readonly kind: 'retry'; readonly afterMs: number }
  | { readonly kind: 'give-up' };

interface Failure {
  readonly permanent: boolean;
  /** Attempts made, this one included. */
  readonly attempt: number;
  /** What the store asked for, in ms; 0 = nothing. */
  readonly retryAfterMs: number;
}

/** Whether and when a failed tile is tried again. `random` is a number in [0, 1) given by the caller. */
export function decideRetry(failure: Failure, policy: RetryPolicy, random: number): RetryDecision {
  if (failure.permanent || failure.attempt >= policy.maxAttempts) return { kind: 'give-up' };
  const asked = Math.min(failure.retryAfterMs, MAX_RETRY_AFTER_MS);
  return { kind: 'retry', afterMs: Math.max(asked, backoffMs(failure.attempt, policy.backoff, random)) };
}
