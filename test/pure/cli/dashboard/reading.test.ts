import { expect, test } from 'vitest';
import type { Detail } from '../../../../cli/dashboard/detail.js';
import { failedAt, readAt, UNREAD, waiting, waitingOpened } from '../../../../cli/dashboard/reading.js';
import type { Opened, Reading } from '../../../../cli/dashboard/snapshot.js';

test('what was read stays while it cannot be read, since the first try in vain, with the newest words', () => {
  const read = readAt('six', 1_000);
  const away = failedAt(failedAt(read, 'it did not answer in time', 2_000), 'connection refused', 3_000);
  expect(away).toEqual({
    ...{ value: 'six', readAt: 1_000 },
    trouble: { since: 2_000, words: 'connection refused' },
  });
  expect(readAt('seven', 4_000)).toEqual({ value: 'seven', readAt: 4_000, trouble: null });
});

test('a look without an answer is told of after 2.5 s, since it began; one that failed says more', () => {
  const read: Reading<string> = readAt('six', 1_000);
  expect(waiting(read, 'Redis', null, 99_000)).toBe(read);
  expect(waiting(read, 'Redis', 2_000, 4_499)).toBe(read);
  expect(waiting(read, 'Redis', 2_000, 5_100)).toEqual({
    ...read,
    trouble: { since: 2_000, words: 'Redis has not answered for 3 s' },
  });
  const failed = failedAt(UNREAD, 'connection refused', 500);
  expect(waiting(failed, 'Redis', 2_000, 5_100)).toBe(failed);
});

const DETAILS: readonly Detail[] = [
  { kind: 'worker', worker: 'w' },
  { kind: 'unit', unit: 'a.service', machine: null },
  { kind: 'machine', machine: 'a' },
  { kind: 'image', migration: 'm', image: 'i' },
  { kind: 'failures', migration: 'm', filter: {} },
  { kind: 'failure', migration: 'm', failure: { lane: 'tiles', image: 'i', first: 0, count: 1 } },
];

test.each(DETAILS)(
  '$kind, opened and never answered, says so; answered once it keeps what was read',
  (of) => {
    expect(waitingOpened(of, null, 1_000, 2_000)).toBeNull();
    const nothing = waitingOpened(of, null, 1_000, 5_000);
    expect(nothing).toMatchObject({ of, kind: of.kind, trouble: 'no answer for 4 s' });
    const read: Opened = { of, kind: 'worker', report: null, log: ['a line'], trouble: null };
    expect(waitingOpened(of, read, 1_000, 5_000)).toEqual({ ...read, trouble: 'no answer for 4 s' });
    const failed: Opened = { ...read, trouble: 'refused' };
    expect(waitingOpened(of, failed, 1_000, 5_000)).toBe(failed);
  },
);
