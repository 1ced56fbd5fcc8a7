import { expect, test } from 'vitest';
import { adaptPace, startPace } from '../../../jobs/adapt.js';

const sample = { tilesPerSecond: 100, throttled: 0, saturated: true };

test('rises while throughput rises, to no more than the most', () => {
  let pace = startPace(64);
  for (let round = 0; round < 40; round++) {
    const before = pace.limit;
    pace = adaptPace(pace, { ...sample, tilesPerSecond: 100 * pace.limit }, 64);
    expect(pace.limit).toBeGreaterThanOrEqual(before);
  }
  expect(pace.limit).toBe(64);
});

test('stays where more does not help', () => {
  let pace = startPace(1000);
  for (let round = 0; round < 40; round++)
    pace = adaptPace(pace, { ...sample, tilesPerSecond: 100 * Math.min(pace.limit, 20) }, 1000);
  expect(pace.limit).toBeLessThan(32);
});

test('halves when a store asks for mercy, never below one, and rises again', () => {
  let pace = adaptPace({ limit: 64, best: 1000 }, { ...sample, throttled: 0.5 }, 64);
  expect(pace.limit).toBe(32);
  for (let round = 0; round < 10; round++) pace = adaptPace(pace, { ...sample, throttled: 1 }, 64);
  expect(pace.limit).toBe(1);
  expect(adaptPace(pace, sample, 64).limit).toBe(2);
});

test('one object in trouble is no plea for mercy; an idle pool learns nothing', () => {
  const pace = { limit: 16, best: 1000 };
  expect(adaptPace(pace, { ...sample, throttled: 0.05 }, 64).limit).toBe(16);
  expect(adaptPace(pace, { ...sample, tilesPerSecond: 5000, saturated: false }, 64)).toBe(pace);
});
