import { expect, test } from 'vitest';
import { itemsFailed } from '../../../../cli/dashboard/items-failed.js';
import type { FailureFilter, VerificationStatus } from '../../../../jobs/work-queue.js';

const COUNTS = { total: 0, ready: 0, claimed: 0, delayed: 0, done: 0, skipped: 0, failed: 0 };
const CHECKED = { checks: { ...COUNTS, failed: 5 } } as VerificationStatus;
const status = (verification: VerificationStatus | null) => ({
  tiles: { ...COUNTS, failed: 1_000_000 },
  descriptors: { ...COUNTS, failed: 20 },
  images: { total: 1, published: 0, withheld: 0, incomplete: 0, refused: 3 },
  failures: { 'http-404': 1_000_000, truncated: 23 },
  verification,
});

test.each<[FailureFilter, boolean, number | null]>([
  [{}, false, 1_000_023],
  [{}, true, 1_000_028],
  [{ lane: 'tiles' }, true, 1_000_000],
  [{ lane: 'descriptors' }, true, 20],
  [{ lane: 'images' }, true, 3],
  [{ lane: 'checks' }, false, 0],
  [{ lane: 'checks' }, true, 5],
  [{ reason: 'truncated' }, false, 23],
  [{ reason: 'other' }, false, 0],
  // The counters by reason know no lanes, and no checks.
  [{ reason: 'truncated' }, true, null],
  [{ reason: 'truncated', lane: 'tiles' }, false, null],
  [{ status: 404 }, false, null],
  [{ image: 'a' }, false, null],
  [{ lane: 'tiles', range: { first: 0, end: 9 } }, false, null],
])('%j, verified %j: %j', (filter, verified, expected) => {
  expect(itemsFailed(status(verified ? CHECKED : null), filter)).toBe(expected);
});
