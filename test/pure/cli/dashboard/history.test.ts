import { expect, test } from 'vitest';
import { extended } from '../../../../cli/dashboard/history.js';
import type { Sample } from '../../../../jobs/progress.js';

const COUNTS = { total: 0, ready: 0, claimed: 0, delayed: 0, done: 0, skipped: 0, failed: 0 };
const at = (now: number, done: number, samples: readonly Sample[] = []) => ({
  ...{ now, samples, bytes: done * 10 },
  tiles: { ...COUNTS, done, skipped: 1, failed: 2 },
});
const sample = (time: number, settled: number): Sample => ({ at: time, settled, bytes: settled * 10 });

test('begins with what the migration remembers, and with how it is now', () => {
  const minute = [sample(40_000, 5), sample(41_000, 6)];
  expect(extended([], at(42_000, 7, minute))).toEqual([...minute, { at: 42_000, settled: 10, bytes: 70 }]);
});

test('goes on by time: each reading once, about one a second, also while nothing moves', () => {
  let history: readonly Sample[] = [];
  for (let now = 0; now <= 10_000; now += 500) {
    const samples = Array.from({ length: 1 + Math.floor(now / 1_000) }, (_, second) =>
      sample(second * 1_000, 3),
    );
    history = extended(history, at(now, 0, samples.slice(-5)));
  }
  expect(history.map((one) => one.at)).toEqual(Array.from({ length: 11 }, (_, second) => second * 1_000));
  const rest = extended(history, at(60_000, 0));
  expect(rest.at(-1)).toEqual({ at: 60_000, settled: 3, bytes: 0 });
});

test('keeps a quarter of an hour', () => {
  let history: readonly Sample[] = [];
  for (let now = 0; now <= 2_000_000; now += 1_000) history = extended(history, at(now, now));
  expect(history[0]?.at).toBe(2_000_000 - 15 * 60_000 + 1_000);
  expect(history).toHaveLength(15 * 60);
});

test('forgets what is of later times when the clock of Redis goes back', () => {
  const history = [sample(1_000, 1), sample(90_000, 50)];
  expect(extended(history, at(2_000, 0))).toEqual([sample(1_000, 1), { at: 2_000, settled: 3, bytes: 0 }]);
});
