import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMs, ceilingMs } from '../../../runtime/backoff.js';
import { seeded } from '../../support/seed.js';

const policies = fc.record({
  firstMs: fc.integer({ min: 1, max: 10_000 }),
  factor: fc.double({ min: 1, max: 4, noNaN: true }),
  maxMs: fc.integer({ min: 1, max: 1_000_000 }),
});

test('before jitter the delay never falls and never passes its maximum', () => {
  fc.assert(
    fc.property(policies, fc.integer({ min: 1, max: 100 }), (policy, attempt) => {
      expect(ceilingMs(attempt + 1, policy)).toBeGreaterThanOrEqual(ceilingMs(attempt, policy));
      expect(ceilingMs(attempt, policy)).toBeLessThanOrEqual(policy.maxMs);
    }),
    seeded(),
  );
});

test('jitter takes away at most half', () => {
  fc.assert(
    fc.property(
      policies,
      fc.integer({ min: 1, max: 100 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (policy, attempt, random) => {
        const ceiling = ceilingMs(attempt, policy);
        const delay = backoffMs(attempt, policy, random);
        expect(delay).toBeGreaterThanOrEqual(Math.floor(ceiling / 2));
        expect(delay).toBeLessThanOrEqual(Math.ceil(ceiling));
      },
    ),
    seeded(),
  );
});
