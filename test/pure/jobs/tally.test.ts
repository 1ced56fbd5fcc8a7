import { expect, test } from 'vitest';
import { createTally } from '../../../jobs/tally.js';
import type { Checkpoint } from '../../../jobs/work-queue.js';

const point = (done: number, skipped: number, failed: number): Checkpoint => ({
  ...{
    sequence: 1,
    next: 0,
    bytes: 10 * done,
    done,
    skipped,
    delayed: [],
    digest: '',
    release: false,
    found: null,
  },
  failed: failed === 0 ? [] : [{ first: 0, count: failed, reason: 'http-404', status: 404, attempt: 1 }],
});

test('adds up what was settled, and its rate over the last ten seconds or since the start', () => {
  const tally = createTally(0);
  tally.add(point(5, 2, 3), 2_000);
  expect(tally.totals(5_000)).toEqual({ done: 5, skipped: 2, failed: 3, bytes: 50, rate: 2 });
  tally.add(point(20, 0, 0), 11_000);
  expect(tally.totals(11_500)).toEqual({ done: 25, skipped: 2, failed: 3, bytes: 250, rate: 3 });
  expect(tally.totals(12_500).rate).toBe(2);
  expect(tally.totals(60_000)).toEqual({ done: 25, skipped: 2, failed: 3, bytes: 250, rate: 0 });
});
