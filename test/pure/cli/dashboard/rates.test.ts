import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { extended } from '../../../../cli/dashboard/history.js';
import { ratesOf } from '../../../../cli/dashboard/rates.js';
import type { Sample } from '../../../../jobs/progress.js';
import { seeded } from '../../../support/seed.js';

const T = 1_700_000_000_000;
const COUNTS = { total: 0, ready: 0, claimed: 0, delayed: 0, done: 0, skipped: 0, failed: 0 };

/** Readings a second apart: so many tiles of 1 kB are settled between one and the next. */
function going(steps: readonly number[], from = 0, start = { settled: 0, bytes: 0 }): Sample[] {
  let { settled, bytes } = start;
  const samples: Sample[] = [{ at: T + from * 1000, settled, bytes }];
  for (const [at, step] of steps.entries()) {
    settled += step;
    bytes += step * 1000;
    samples.push({ at: T + (from + at + 1) * 1000, settled, bytes });
  }
  return samples;
}

describe('rates over time', () => {
  test('are what the counts grew by in each second', () => {
    expect(ratesOf(going([5, 0, 7]), T + 3_400)).toEqual({
      ...{ tilesPerSecond: [5, 0, 7], bytesPerSecond: [5000, 0, 7000], slotMs: 1000 },
    });
  });

  test('readings between the even times share what was settled', () => {
    const samples = [
      { at: T + 500, settled: 0, bytes: 0 },
      { at: T + 1_500, settled: 10, bytes: 0 },
      { at: T + 3_500, settled: 50, bytes: 0 },
    ];
    expect(ratesOf(samples, T + 3_500).tilesPerSecond).toEqual([15, 20]);
  });

  test.each([
    [[], T, 0],
    [[{ at: T, settled: 5, bytes: 5 }], T + 100, 0],
  ])('of %j none is known', (samples, now, count) => {
    expect(ratesOf(samples, now).tilesPerSecond).toHaveLength(count);
  });

  test('a migration that rests does nothing; while nobody looked it is not known', () => {
    const before = going([4, 4]);
    const rested = going([6], 12, { settled: 8, bytes: 8_000 });
    expect(ratesOf([...before, ...rested], T + 13_000).tilesPerSecond).toEqual([
      ...[4, 4],
      ...Array(10).fill(0),
      6,
    ]);
    const unseen = going([6], 12, { settled: 100, bytes: 100_000 });
    expect(ratesOf([...before, ...unseen], T + 13_000).tilesPerSecond).toEqual([
      ...[4, 4],
      ...Array(10).fill(null),
      6,
    ]);
  });

  test('since the last reading nothing is known, once that is long ago', () => {
    expect(ratesOf(going([4, 4]), T + 6_900).tilesPerSecond).toEqual([4, 4]);
    expect(ratesOf(going([4, 4]), T + 7_000).tilesPerSecond).toEqual([4, 4, ...Array(5).fill(null)]);
  });

  test('are never negative, though an image that is restarted takes its tiles out of the counts', () => {
    expect(ratesOf(going([9, -500, 9]), T + 3_000).tilesPerSecond).toEqual([9, 0, 9]);
  });

  test('the window grows to what is known, up to a quarter of an hour', () => {
    const of = (seconds: number): [number, number] => {
      const { tilesPerSecond, slotMs } = ratesOf(going(Array(seconds).fill(2)), T + seconds * 1000);
      expect(new Set(tilesPerSecond)).toEqual(new Set([2]));
      return [tilesPerSecond.length, slotMs];
    };
    expect([1, 60, 120, 130, 300, 900, 4000].map(of)).toEqual([
      ...[
        [1, 1_000],
        [60, 1_000],
        [120, 1_000],
        [65, 2_000],
        [60, 5_000],
        [90, 10_000],
        [90, 10_000],
      ],
    ]);
  });

  test('a second tells the same at each look', () => {
    const samples = going([1, 2, 3, 4, 5]);
    expect(ratesOf(samples.slice(0, 5), T + 4_000).tilesPerSecond).toEqual([1, 2, 3, 4]);
    expect(ratesOf(samples, T + 5_300).tilesPerSecond).toEqual([1, 2, 3, 4, 5]);
  });

  test('a rest before the first look is one', () => {
    const samples = [...going([4, 4]), ...going([6], 42, { settled: 11, bytes: 11_000 })];
    const status = { samples, tiles: { ...COUNTS, done: 17 }, bytes: 17_000, now: T + 43_900 };
    expect(ratesOf(extended([], status), status.now).tilesPerSecond).toEqual([
      ...[4, 4, 3],
      ...Array(39).fill(0),
      6,
    ]);
  });

  test('add up to what was settled, however the readings lie', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 4_900 }), fc.nat(100)), { maxLength: 150 });
    const law = fc.property(steps, (readings) => {
      const samples: Sample[] = [{ at: T, settled: 0, bytes: 0 }];
      for (const [ms, step] of readings) {
        const { at, settled, bytes } = samples.at(-1)!;
        samples.push({ at: at + ms, settled: settled + step, bytes: bytes + step * 3 });
      }
      const last = samples.at(-1)!;
      const rested = { ...last, at: Math.ceil(last.at / 10_000) * 10_000 + 10_000 };
      const { tilesPerSecond, bytesPerSecond, slotMs } = ratesOf([...samples, rested], rested.at);
      const sum = (rates: readonly (number | null)[]): number =>
        rates.reduce<number>((all, rate) => all + (rate ?? Number.NaN), 0) * (slotMs / 1000);
      expect(sum(tilesPerSecond)).toBeCloseTo(last.settled, 5);
      expect(sum(bytesPerSecond)).toBeCloseTo(last.bytes, 5);
    });
    fc.assert(law, seeded());
  });
});
