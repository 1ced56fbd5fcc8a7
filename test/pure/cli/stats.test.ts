import { expect, test } from 'vitest';
import { duration, megabytes } from '../../../cli/migration-text.js';
import { createStats } from '../../../cli/stats.js';
import type { MigrationStatus, OperatorQueue } from '../../../jobs/work-queue.js';
import { permanent, transient } from '../../../runtime/errors.js';
import { manualClock } from '../../support/clock.js';

test.each([
  [0, '0 s'],
  [1, '1 s'],
  [59_000, '59 s'],
  [185_000, '3 min 5 s'],
  [180_000, '3 min'],
  [7_800_000, '2 h 10 min'],
  [4 * 86_400_000 + 3 * 3_600_000 + 60_000, '4 d 3 h'],
])('%d ms are %s', (ms, words) => {
  expect(duration(ms)).toBe(words);
});

test.each([
  [0, '0.0 MB'],
  [1_500, '0.002 MB'],
  [12_340_000, '12.3 MB'],
])('%d bytes are %s', (bytes, words) => {
  expect(megabytes(bytes)).toBe(words);
});

const COUNTS = { total: 0, ready: 0, claimed: 0, delayed: 0, done: 0, skipped: 0, failed: 0 };
function statusWith(change: Partial<MigrationStatus>): MigrationStatus {
  return {
    definition: {
      ...{ name: 'demo', source: 'http://s', destination: 'file:///d', rangeSize: 1000, maxAttempts: 5 },
      ...{ stopAfterFailures: 0.01, stopAfterTiles: 10_000, serverSide: 'auto' as const },
    },
    ...{ state: 'running', reason: '', planClosed: true, finished: false },
    images: { total: 1, published: 0, withheld: 0, refused: 0 },
    ...{ tiles: COUNTS, descriptors: COUNTS, bytes: 0, reclaimed: 0, failures: {}, digest: '0'.repeat(32) },
    ...{ startedAt: 0, finishedAt: null, now: 0 },
    ...change,
  };
}

/** Rounds two seconds apart; what `status` answers is set in between. */
function statsOn(json: boolean) {
  const clock = manualClock();
  const lines: string[] = [];
  let answer: () => MigrationStatus | null = () => null;
  let names: () => readonly string[] = () => [];
  const queue = { migrations: async () => names(), status: async () => answer() } as Partial<OperatorQueue>;
  const stats = createStats({ queue: queue as OperatorQueue, clock, json, say: (line) => lines.push(line) });
  return {
    async round(status: () => MigrationStatus | null, known: () => readonly string[] = () => ['demo']) {
      answer = status;
      names = known;
      lines.length = 0;
      await stats.round();
      await clock.advance(2_000);
      return [...lines];
    },
  };
}

test('a line has counts, rates, failures and the time left', async () => {
  const { round } = statsOn(false);
  const tiles = { ...COUNTS, total: 2_000, done: 100, failed: 2 };
  await round(() => statusWith({ tiles: { ...COUNTS, total: 2_000 } }));
  expect(await round(() => statusWith({ tiles, bytes: 2_000_000 }))).toEqual([
    'demo: 102 of 2000 tiles, 51.0 tiles/s, 1.0 MB/s, 2 failed, 38 s left',
  ]);
  expect(await round(() => statusWith({ tiles, state: 'paused', reason: 'too many failures' }))).toEqual([
    expect.stringContaining('2 failed, paused (too many failures)'),
  ]);
});

test('what changes no more is said once', async () => {
  const { round } = statsOn(false);
  const finished = () => statusWith({ finished: true, tiles: { ...COUNTS, total: 7, done: 7 } });
  expect(await round(finished)).toEqual(['demo: 7 of 7 tiles, 0 failed, finished']);
  expect(await round(finished)).toEqual([]);
});

test('a Redis that is away, or has lost a migration, is said once and again when it comes back', async () => {
  const { round } = statsOn(false);
  const away = () => {
    throw transient('Redis is unreachable');
  };
  const lost = () => {
    throw permanent('Redis lost migration demo', { code: 'lost' });
  };
  await round(() => statusWith({}));
  expect(await round(() => null, away)).toEqual(['Redis is unreachable']);
  expect(await round(() => null, away)).toEqual([]);
  expect(await round(lost, () => [])).toEqual(['demo: Redis lost migration demo']);
  expect(await round(lost, () => [])).toEqual([]);
  expect(await round(() => statusWith({}))).toHaveLength(1);
  expect(await round(() => null, away)).toEqual(['Redis is unreachable']);
});

test('as JSON every line is an object', async () => {
  const { round } = statsOn(true);
  expect(
    JSON.parse(
      (
        await round(
          () => null,
          () => [],
        )
      )[0] ?? '',
    ),
  ).toEqual({ migrations: 0 });
  const [line] = await round(() =>
    statusWith({ tiles: { ...COUNTS, total: 4, done: 1 }, failures: { 'http-404': 1 } }),
  );
  expect(JSON.parse(line ?? '')).toMatchObject({
    migration: 'demo',
    state: 'running',
    tiles: { total: 4, done: 1 },
    failures: { 'http-404': 1 },
    tilesPerSecond: null,
    share: 0.25,
  });
});
