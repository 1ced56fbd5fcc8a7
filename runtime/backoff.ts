/** Exponential backoff with full jitter over the upper half, so that delays are bounded below too. */
export interface BackoffPolicy {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

/** The delay before jitter for the `attempt`-th failure (from 1): non-decreasing, never above `maxMs`. */
export function ceilingMs(attempt: number, policy: BackoffPolicy): number {
  return Math.min(policy.maxMs, policy.firstMs * policy.factor ** Math.max(0, attempt - 1));
}

/** ms to wait after the `attempt`-th failure. `random` is a number in [0, 1) given by the caller. */
export function backoffMs(attempt: number, policy: BackoffPolicy, random: number): number {
  const ceiling = ceilingMs(attempt, policy);
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}
