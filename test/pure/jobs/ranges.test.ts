import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { coalesce, type TileFailure } from '../../../jobs/ranges.js';

const seed = Number(process.env.TEST_SEED ?? 2);

describe('ranges', () => {
  const failure = fc.record({
    index: fc.nat(60),
    reason: fc.constantFrom('http-404', 'timeout'),
    status: fc.constantFrom(0, 404),
    permanent: fc.boolean(),
    retryAfterMs: fc.constantFrom(0, 1000, 5000),
    attempt: fc.integer({ min: 1, max: 2 }),
  });

  test('coalesce decodes to the same tiles with the same failures, in the fewest runs', () => {
    fc.assert(
      fc.property(fc.uniqueArray(failure, { selector: ({ index }) => index }), (failures) => {
        const runs = coalesce(failures);
        const decoded = runs.flatMap(({ first, count, retryAfterMs: _, ...rest }) =>
          Array.from({ length: count }, (_, i) => ({ index: first + i, ...rest })),
        );
        const sorted = [...failures].sort((a, b) => a.index - b.index);
        expect(decoded).toEqual(sorted.map(({ retryAfterMs: _, ...rest }) => rest));
        for (const { first, count, retryAfterMs } of runs) {
          const asked = sorted.filter(({ index }) => index >= first && index < first + count);
          expect(retryAfterMs).toBe(Math.max(...asked.map((one) => one.retryAfterMs)));
        }
        for (const [i, run] of runs.entries()) {
          const next = runs[i + 1];
          if (next === undefined || run.first + run.count !== next.first) continue;
          const { first: _, count: __, retryAfterMs: ___, ...a } = run;
          const { first: ____, count: _____, retryAfterMs: ______, ...b } = next;
          expect(a).not.toEqual(b);
        }
      }),
      { seed, verbose: true },
    );
  });

  test('an hour of outage is one record', () => {
    const failures = Array.from(
      { length: 100_000 },
      (_, index): TileFailure => ({
        ...{ index, reason: 'http-404', status: 404, permanent: true, retryAfterMs: 0, attempt: 1 },
      }),
    );
    expect(coalesce(failures)).toEqual([
      {
        first: 0,
        count: 100_000,
        reason: 'http-404',
        status: 404,
        permanent: true,
        retryAfterMs: 0,
        attempt: 1,
      },
    ]);
  });
});
