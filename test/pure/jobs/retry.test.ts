import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideRetry, RETRY_BACKOFF } from '../../../jobs/retry.js';
import { ceilingMs } from '../../../runtime/backoff.js';

const seed = Number(process.env.TEST_SEED ?? 3);
const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const policy = { maxAttempts: 5, backoff: RETRY_BACKOFF };

describe('retry', () => {
  test('a permanent failure is never tried again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), fc.nat(), chance, (attempt, retryAfterMs, random) => {
        expect(decideRetry({ permanent: true, attempt, retryAfterMs }, policy, random).kind).toBe('give-up');
      }),
      { seed, verbose: true },
    );
  });

  test('attempts are finite, delays bounded both ways and never less than the store asked for', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.nat(10_000_000),
        chance,
        (attempt, maxAttempts, retryAfterMs, random) => {
          const decision = decideRetry(
            { permanent: false, attempt, retryAfterMs },
            { ...policy, maxAttempts },
            random,
          );
          expect(decision.kind).toBe(attempt < maxAttempts ? 'retry' : 'give-up');
          if (decision.kind === 'give-up') return;
          const asked = Math.min(retryAfterMs, 3_600_000);
          const ceiling = ceilingMs(attempt, policy.backoff);
          expect(decision.afterMs).toBeGreaterThanOrEqual(Math.max(asked, Math.floor(ceiling / 2)));
          expect(decision.afterMs).toBeLessThanOrEqual(Math.max(asked, ceiling));
          expect(ceilingMs(attempt + 1, policy.backoff)).toBeGreaterThanOrEqual(ceiling);
        },
      ),
      { seed, verbose: true },
    );
  });
});
