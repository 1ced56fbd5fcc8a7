import { expect, test } from 'vitest';
import { hasFailures, leftToDo } from '../../../jobs/left-to-do.js';
import type { MigrationStatus, StateCounts } from '../../../jobs/work-queue.js';

const counts = (change: Partial<StateCounts> = {}): StateCounts => ({
  ...{ total: 10, ready: 0, claimed: 0, delayed: 0, done: 10, skipped: 0, failed: 0, ...change },
});
const status = (change: object = {}): MigrationStatus =>
  ({
    ...{ definition: { name: 'm' }, state: 'running', reason: '', planClosed: true, planOpen: [] },
    ...{ finished: true, tiles: counts(), descriptors: counts(), verification: null },
    ...{ images: { refused: 0 }, ...change },
  }) as unknown as MigrationStatus;
const open = { finished: false };
const verifying = (finished: boolean, failed = 0, restarted = 0): object => ({
  verification: { finished, checks: counts({ failed }), images: { restarted } },
});

test.each([
  ['all is settled', 'tiles', {}, null],
  [
    'tiles are settled, whatever the descriptors',
    'tiles',
    { ...open, descriptors: counts({ done: 1 }) },
    null,
  ],
  ['some failed', 'tiles', { ...open, tiles: counts({ done: 8, failed: 2 }) }, null],
  [
    'others copy the last',
    'tiles',
    { ...open, tiles: counts({ done: 9, claimed: 1 }) },
    /last tiles of migration m/,
  ],
  [
    'the plan is open',
    'tiles',
    { ...open, planClosed: false, planOpen: ['a.txt'] },
    /plan .* is open: a\.txt/,
  ],
  ['nothing was planned', 'tiles', { ...open, planClosed: false }, /no list of images has been read/],
  ['it is paused', 'tiles', { ...open, state: 'paused', reason: 'why', planClosed: false }, /is paused: why/],
  ['it is paused and all is settled', 'tiles', { state: 'paused' }, null],
  ['it is cancelled', 'tiles', { ...open, state: 'cancelled', planClosed: false }, null],
  ['tiles are to come', 'descriptors', { ...open, tiles: counts({ done: 1 }) }, /wait for their tiles/],
  ['all is published', 'descriptors', {}, null],
  ['there is nothing to verify', 'checks', {}, null],
  ['it is being verified', 'checks', verifying(false), /last checks/],
  ['it was verified', 'checks', verifying(true), null],
] as const)('when %s (%s)', (_, lane, change, left) => {
  const said = leftToDo(status(change), lane);
  if (left === null) expect(said).toBeNull();
  else expect(said).toMatch(left);
});

test.each([
  ['nothing', 'tiles', {}, false],
  ['a tile', 'tiles', { tiles: counts({ failed: 1 }) }, true],
  ['a descriptor', 'descriptors', { descriptors: counts({ failed: 1 }) }, true],
  ['an image of the plan', 'tiles', { images: { refused: 1 } }, true],
  ['a tile of a cancelled one', 'tiles', { state: 'cancelled', tiles: counts({ failed: 1 }) }, false],
  ['a tile, but all is verified', 'checks', { tiles: counts({ failed: 1 }), ...verifying(true) }, false],
  ['a check', 'checks', verifying(true, 1), true],
  ['an image that is copied again', 'checks', verifying(true, 0, 1), true],
] as const)('failed: %s (%s)', (_, lane, change, failures) => {
  expect(hasFailures(status(change), lane)).toBe(failures);
});
