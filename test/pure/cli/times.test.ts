import { expect, test } from 'vitest';
import { ago, stamp, timeNear, timeOfDay } from '../../../cli/times.js';

test.each([
  [-5, '0s'],
  [119_000, '119s'],
  [120_000, '2min'],
  [7_199_000, '119min'],
  [7_200_000, '2h'],
  [172_799_000, '47h'],
  [172_800_000, '2d'],
])('%i ms ago: %s', (ms, text) => expect(ago(ms)).toBe(text));

test('a time as systemctl writes it', () => {
  expect(stamp(Date.UTC(2026, 10, 21, 9, 5, 7))).toBe('Sat 2026-11-21 09:05:07 UTC');
});

test('a time of day is of UTC', () => {
  expect(timeOfDay(Date.UTC(2026, 10, 21, 9, 5, 7, 999))).toBe('09:05:07Z');
});

test('a time of another day is told with its date', () => {
  const now = Date.UTC(2026, 10, 21, 9);
  expect(timeNear(now - 43_199_999, now)).toBe('21:00:00Z');
  expect(timeNear(now - 43_200_000, now)).toBe('2026-11-20T21:00:00Z');
  expect(timeNear(now + 43_199_000, now)).toBe('20:59:59Z');
});
