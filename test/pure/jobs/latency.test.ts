import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRecentLatency, LATENCY_BOUNDS_MS, quantile, sumOf } from '../../../jobs/latency.js';
import type { StoreLatency } from '../../../jobs/work-queue.js';
import { seeded } from '../../support/seed.js';

const LAST = LATENCY_BOUNDS_MS.length;

/** Counts with so many requests in the buckets of these bounds; `beyond`: longer than all of them. */
function counts(some: Readonly<Record<number, number>>, beyond = 0): number[] {
  const all = [...LATENCY_BOUNDS_MS.map((bound) => some[bound] ?? 0), beyond];
  expect(all.reduce((sum, count) => sum + count, 0)).toBe(
    Object.values(some).reduce((sum, count) => sum + count, beyond),
  );
  return all;
}

test('the bounds rise from a tenth of a millisecond to a minute, each at most twice the one before', () => {
  expect([LATENCY_BOUNDS_MS[0], LATENCY_BOUNDS_MS.at(-1)]).toEqual([0.1, 60_000]);
  for (const [place, bound] of LATENCY_BOUNDS_MS.slice(1).entries()) {
    expect(bound).toBeGreaterThan(LATENCY_BOUNDS_MS[place]!);
    expect(bound).toBeLessThanOrEqual(2 * LATENCY_BOUNDS_MS[place]!);
  }
});

describe('a quantile', () => {
  test.each([
    ['none', [], 0.5, null],
    ['no requests', counts({}), 0.99, null],
    ['half way into the one bucket that has any', counts({ 30: 10 }), 0.5, 25],
    ['the whole way', counts({ 30: 10 }), 1, 30],
    ['its beginning', counts({ 30: 10 }), 0, 20],
    ['the first bucket begins with 0', counts({ 0.1: 4 }), 0.5, 0.05],
    ['the bucket that the share falls into', counts({ 10: 50, 100: 50 }), 0.5, 10],
    ['a little more', counts({ 10: 50, 100: 50 }), 0.51, 70 + 30 / 50],
    ['the slow one of a hundred is not yet in p99', counts({ 1: 99, 5000: 1 }), 0.99, 1],
    ['two of a hundred are', counts({ 1: 98, 5000: 2 }), 0.99, 4000],
    ['beyond the last bound it is that bound', counts({ 1: 1 }, 9), 0.5, 60_000],
    ['all of them beyond', counts({}, 9), 0.5, 60_000],
  ] as const)('%s', (_, of, q, ms) => {
    const found = quantile(of, q);
    if (ms === null || found === null) expect(found).toBe(ms);
    else expect(found).toBeCloseTo(ms, 9);
  });

  test('of any requests lies in the bucket of the true one, and never falls as the share rises', () => {
    const time = fc.double({ min: -2, max: 5, noNaN: true }).map((power) => 10 ** power);
    fc.assert(
      fc.property(fc.array(time, { minLength: 1, maxLength: 200 }), (times) => {
        const recent = createRecentLatency();
        const add = recent.of('source', 'azure');
        for (const ms of times) add(ms, 1000);
        const [told] = recent.told(1000);
        const sorted = times.toSorted((a, b) => a - b);
        let before = 0;
        for (const q of [0.01, 0.25, 0.5, 0.75, 0.99, 1]) {
          const found = quantile(told!.counts, q)!;
          const truth = sorted[Math.ceil(q * sorted.length - 1e-9) - 1]!;
          const place = LATENCY_BOUNDS_MS.findIndex((bound) => bound >= truth);
          expect(found).toBeGreaterThanOrEqual(place === -1 ? 60_000 : (LATENCY_BOUNDS_MS[place - 1] ?? 0));
          expect(found).toBeLessThanOrEqual((LATENCY_BOUNDS_MS[place] ?? 60_000) + 1e-9);
          expect(found).toBeGreaterThanOrEqual(before);
          before = found;
        }
      }),
      seeded(),
    );
  });
});

describe('latencies of several workers', () => {
  test('are added up by side and kind, sources first', () => {
    const given: StoreLatency[] = [
      { side: 'destination', kind: 'swift', counts: counts({ 5: 1 }) },
      { side: 'source', kind: 'file', counts: counts({ 10: 4 }) },
      { side: 'source', kind: 'azure', counts: counts({ 10: 1, 20: 2 }) },
      { side: 'source', kind: 'azure', counts: counts({ 20: 3 }, 1) },
    ];
    const before = structuredClone(given);
    expect(sumOf(given)).toEqual([
      { side: 'source', kind: 'azure', counts: counts({ 10: 1, 20: 5 }, 1) },
      { side: 'source', kind: 'file', counts: counts({ 10: 4 }) },
      { side: 'destination', kind: 'swift', counts: counts({ 5: 1 }) },
    ]);
    expect(given).toEqual(before);
    expect(sumOf([])).toEqual([]);
  });
});

describe('the last minute', () => {
  test('is of each store by itself, those with equal side and kind together', () => {
    const recent = createRecentLatency();
    expect(recent.told(0)).toEqual([]);
    recent.of('source', 'azure')(2, 0);
    recent.of('source', 'azure')(1.9, 1);
    recent.of('destination', 'azure')(2.1, 1);
    recent.of('destination', 'swift');
    expect(recent.told(1)).toEqual([
      { side: 'source', kind: 'azure', counts: counts({ 2: 2 }) },
      { side: 'destination', kind: 'azure', counts: counts({ 3: 1 }) },
    ]);
  });

  test('counts a request under the first bound that it did not exceed', () => {
    const recent = createRecentLatency();
    const add = recent.of('source', 'file');
    for (const bound of LATENCY_BOUNDS_MS) add(bound, 0);
    for (const ms of [0, 60_000.1, 1e9]) add(ms, 0);
    const [told] = recent.told(0);
    expect(told!.counts).toEqual([2, ...Array.from({ length: LAST - 1 }, () => 1), 2]);
  });

  test('forgets after a minute, bit by bit, and all of it after a long silence', () => {
    const recent = createRecentLatency();
    const add = recent.of('source', 'file');
    const total = (now: number): number => recent.told(now)[0]?.counts.reduce((a, b) => a + b, 0) ?? 0;
    for (let now = 0; now < 30_000; now += 1000) add(1, now);
    expect(total(30_000)).toBe(30);
    expect(total(59_999)).toBe(30);
    expect(total(60_000)).toBe(25);
    add(1, 61_000);
    expect(total(84_999)).toBe(6);
    expect(total(85_000)).toBe(1);
    add(7, 100_000_000);
    expect(recent.told(100_000_000)).toEqual([{ side: 'source', kind: 'file', counts: counts({ 7: 1 }) }]);
    expect(total(200_000_000)).toBe(0);
  });

  test('is what was counted within the last 55 to 60 s, whenever it is asked', () => {
    const step = fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 3 }));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), fc.array(step), (start, steps) => {
        const recent = createRecentLatency();
        const add = recent.of('destination', 'swift');
        const at: number[] = [];
        let now = start;
        for (const [wait, requests] of steps) {
          now += wait;
          for (let made = 0; made < requests; made++) {
            add(3, now);
            at.push(now);
          }
          const told = recent.told(now)[0]?.counts.reduce((a, b) => a + b, 0) ?? 0;
          const within = (ms: number): number => at.filter((one) => one > now - ms).length;
          expect(told).toBeGreaterThanOrEqual(within(55_000));
          expect(told).toBeLessThanOrEqual(within(60_000));
        }
      }),
      seeded(),
    );
  });

  test('stays small in a report, however many kinds of stores a worker has served', () => {
    const recent = createRecentLatency();
    for (const side of ['source', 'destination'] as const)
      for (const kind of ['azure', 'swift', 's3', 'webdav', 'http', 'file', 'pkgcloud']) {
        const add = recent.of(side, kind);
        for (const bound of LATENCY_BOUNDS_MS) for (let made = 0; made < 1000; made++) add(bound, 0);
      }
    const told = recent.told(0);
    expect(told).toHaveLength(14);
    expect(JSON.stringify(told.slice(0, 2)).length).toBeLessThan(500);
    expect(JSON.stringify(told).length).toBeLessThan(4_000);
  });
});
