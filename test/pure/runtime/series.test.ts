import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countSize, noSizes, seriesOf } from '../../../runtime/series.js';
import { seeded } from '../../support/seed.js';

const word = fc.constantFrom('', 'a', 'b', 'a,b', '__proto__');

test('each set of label values has one series, whatever came before', () => {
  const NAMES = ['side', 'kind', 'operation'] as const;
  fc.assert(
    fc.property(fc.array(fc.record({ side: word, kind: word, operation: word })), (came) => {
      const series = seriesOf(NAMES, () => ({ count: 0 }));
      const expected = new Map<string, number>();
      for (const labels of came) {
        series.of({ ...labels }).count++;
        const key = JSON.stringify(NAMES.map((name) => labels[name]));
        expected.set(key, (expected.get(key) ?? 0) + 1);
      }
      const told = series.all.map(
        ([labels, { count }]) => [JSON.stringify(NAMES.map((name) => labels[name])), count] as const,
      );
      expect(told).toHaveLength(expected.size);
      expect(new Map(told)).toEqual(expected);
    }),
    seeded(),
  );
});

test('a metric without labels has its one series from the start', () => {
  const series = seriesOf([], () => ({ count: 0 }));
  series.of({}).count += 2;
  expect(series.all).toEqual([[{}, { count: 2 }]]);
});

test('a size is counted once, under the least bound it does not exceed', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: -5, max: 5 }), { minLength: 1 }),
      fc.array(fc.double({ min: -6, max: 6, noNaN: true })),
      (bounds, values) => {
        const buckets = bounds.sort((a, b) => a - b);
        const sizes = noSizes(buckets);
        for (const value of values) countSize(sizes, buckets, value);
        let below = 0;
        for (const [index, bound] of buckets.entries()) {
          below += sizes.counts[index] ?? 0;
          expect(below).toBe(values.filter((value) => value <= bound).length);
        }
        expect(below + (sizes.counts.at(-1) ?? 0)).toBe(values.length);
        expect(sizes.sum).toBeCloseTo(values.reduce((sum, value) => sum + value, 0));
      },
    ),
    seeded(),
  );
});
