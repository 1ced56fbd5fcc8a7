import { describe, expect, test } from 'vitest';
import { failureCount, stateWords, statusLines } from '../../../cli/migration-text.js';
import type { MigrationStatus, WorkerReport } from '../../../jobs/work-queue.js';
import { aMigration, aWorker, BUSY, COUNTS, NOW } from '../../support/made-up-cargo.js';

const NONE = { total: 0, published: 0, withheld: 0, incomplete: 0, refused: 0 };

const WORKER = aWorker({ worker: 'f00d', detail: '' });

describe('how it stands', () => {
  const failed = (count: number): Partial<MigrationStatus> => ({ tiles: { ...COUNTS, failed: count } });
  test.each([
    [{}, 'running'],
    [{ state: 'paused', reason: 'by ann with convoyctl' }, 'paused (by ann with convoyctl)'],
    [{ finished: true }, 'complete'],
    [{ finished: true, ...failed(1) }, 'complete with 1 failure'],
    [{ finished: true, state: 'paused', reason: 'too many', ...failed(7) }, 'complete with 7 failures'],
    [{ finished: true, state: 'cancelled', reason: 'by ann', ...failed(7) }, 'cancelled (by ann)'],
    [{ ...failed(7) }, 'running'],
  ] satisfies [Partial<MigrationStatus>, string][])('%j: %s', (change, words) => {
    expect(stateWords(aMigration(change))).toBe(words);
  });

  test('failures are tiles, descriptors and refused images', () => {
    const status = aMigration({
      tiles: { ...COUNTS, failed: 5 },
      descriptors: { ...COUNTS, failed: 30 },
      images: { ...NONE, refused: 200, withheld: 9, incomplete: 8 },
    });
    expect(failureCount(status)).toBe(235);
  });
});

test('everything is said, in lines that fit a terminal', () => {
  const lines = statusLines(BUSY, [WORKER]);
  expect(lines).toEqual([
    'zoom: running',
    '  Source:       azure://zoom/content',
    '  Destination:  swift://zoom/dzis',
    '  Plan:         1200000 images, 1200000000 tiles, closed',
    '  Images:       1100000 published, 3 withheld, 2 incomplete, 14 refused',
    '  Tiles:        1099999900 of 1200000000 done, 40 skipped, 60 failed,',
    '                64000 claimed, 1000 delayed, 99935000 ready',
    '  Descriptors:  1100000 of 1100005 done, 0 skipped, 0 failed, 5 claimed,',
    '                0 delayed, 0 ready',
    '  Stored:       18.4 TB',
    '  Rate:         2000.0 tiles/s, 5.0 MB/s (last 10 s)',
    '                1166.7 tiles/s, 5.0 MB/s (last minute)',
    '                12731.5 tiles/s, 213.0 MB/s (whole run)',
    '  Time left:    23 h 48 min, at the rate of the last minute',
    '  Limit:        at most 5000 requests/s and 10.0 MB/s',
    '  Digest:       0123456789abcdef0123456789abcdef',
    '  Reclaimed:    12 of lost claims handed out again',
    '  Began:        Fri 2026-11-20 12:00:00 UTC',
    '  Failures:',
    '    http-404: 60',
    '    truncated: 14',
    '  Workers:',
    '    zh-import-blobs@1.service on 472d6cb2: copying tiles since 11:59:00Z',
    '      1200 done, 3 skipped, 2 failed, 12.3 MB; 51.0/s, limit 64',
  ]);
  expect(lines.filter((line) => line.length >= 80)).toEqual([]);
});

const rows = (change: Partial<MigrationStatus>, name: string, workers: readonly WorkerReport[] = []) => {
  const lines = statusLines(aMigration(change), workers);
  const from = lines.findIndex((line) => line.startsWith(`  ${name}:`));
  const to = lines.findIndex((line, at) => at > from && /^ {2}\S/.test(line));
  return from < 0
    ? []
    : lines.slice(from, to < 0 ? undefined : to).map((line) => line.slice(name === 'Workers' ? 4 : 16));
};

test('an open plan tells the lists that are open, or that there is none yet', () => {
  const open = { planClosed: false, planOpen: ['ids.txt', 'azure://zoom/lists/total.txt'] };
  expect(rows(open, 'Plan')).toEqual([
    '0 images, 0 tiles, open: not read to the end yet',
    'ids.txt',
    'azure://zoom/lists/total.txt',
  ]);
  expect(rows({ planClosed: false }, 'Plan')).toEqual([
    '0 images, 0 tiles, open: no list of images was read yet',
  ]);
});

test('one that is cancelled has neither an open plan nor rates', () => {
  const change: Partial<MigrationStatus> = {
    ...BUSY,
    state: 'cancelled',
    planClosed: false,
    planOpen: ['ids.txt'],
  };
  expect(rows(change, 'Plan')).toEqual(['1200000 images, 1200000000 tiles, the rest given up']);
  expect(rows(change, 'Rate')).toEqual([]);
});

test('the time left is told only where it means something', () => {
  const tiles = { ...COUNTS, total: 10, ready: 10 };
  expect(rows({ tiles }, 'Time left')).toEqual(['not known yet']);
  expect(rows({ tiles, planClosed: false }, 'Time left')).toEqual(['not known: images may still come']);
  expect(rows({ tiles, state: 'paused' }, 'Time left')).toEqual([]);
  expect(rows({ tiles: { ...COUNTS, total: 10, done: 10 } }, 'Time left')).toEqual([]);
});

test('one that is finished tells when, after how long, and the rate of the whole run alone', () => {
  const change: Partial<MigrationStatus> = {
    ...{ finished: true, startedAt: NOW - 100_000, finishedAt: NOW - 50_000, bytes: 5_000_000 },
    tiles: { ...COUNTS, total: 500, done: 500 },
  };
  expect(rows(change, 'Ended')).toEqual(['Sat 2026-11-21 11:59:10 UTC, after 50 s']);
  expect(rows(change, 'Rate')).toEqual(['10.0 tiles/s, 0.100 MB/s (whole run)']);
  expect(rows({}, 'Rate')).toEqual(['not known yet']);
});

describe('a verification', () => {
  const verification = {
    options: { sample: 1, read: true, unpublish: true },
    round: 2,
    checks: { ...COUNTS, total: 1000, done: 400, failed: 1, claimed: 99, ready: 500 },
    images: { matched: 3, restarted: 1, unproven: 0 },
    ...{ finished: false, startedAt: NOW - 40_000, finishedAt: null },
  };
  test('under way', () => {
    expect(rows({ verification }, 'Verification')).toEqual([
      'round 2: every tile, read in full, unpublishing',
      'begun Sat 2026-11-21 11:59:20 UTC',
      'checks: 400 of 1000 done, 0 skipped, 1 failed, 99 claimed,',
      '0 delayed, 500 ready',
      'images: 3 matched, 1 restarted, 0 unproven',
      'time left: 1 min',
    ]);
  });
  test('ended, of a sample', () => {
    const ended = {
      ...verification,
      options: { sample: 0.01, read: false, unpublish: false },
      ...{ finished: true, finishedAt: NOW - 10_000 },
    };
    expect(rows({ verification: ended }, 'Verification').slice(0, 3)).toEqual([
      'round 2: 1 % of the tiles, as the store tells',
      'begun Sat 2026-11-21 11:59:20 UTC',
      'ended Sat 2026-11-21 11:59:50 UTC, after 30 s',
    ]);
  });
});

test('workers in trouble come first, since when by day if that was not today', () => {
  const away: WorkerReport = {
    ...{ ...WORKER, worker: 'b', unit: '', machine: '', lane: 'checks', state: 'source unreachable' },
    ...{ since: NOW - 3 * 86_400_000, detail: 'connection refused' },
  };
  const checking: WorkerReport = { ...WORKER, unit: '', worker: 'a', machine: '', lane: 'checks' };
  const first = rows({}, 'Workers', [checking, { ...WORKER, state: 'idle' }, away]).filter(
    (_, at) => at % 2 === 1,
  );
  expect(first).toEqual([
    'b: source unreachable since 2026-11-18T12:00:00Z: connection refused',
    'a: checking since 11:59:00Z',
    'zh-import-blobs@1.service on 472d6cb2: idle since 11:59:00Z',
  ]);
});

test('nothing a terminal would obey gets through', () => {
  const evil = '\u001b[31m\u202e';
  const lines = statusLines(
    aMigration({
      reason: evil,
      state: 'paused',
      planClosed: false,
      planOpen: [evil],
      failures: { [evil]: 1 },
    }),
    [{ ...WORKER, detail: evil, unit: evil }],
  );
  expect(lines.join('')).not.toMatch(/[\u001b\u202e]/);
});
