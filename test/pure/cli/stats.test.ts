import { describe, expect, test } from 'vitest';
import { createLook, createStats, type Picture } from '../../../cli/stats.js';
import { statsMetrics } from '../../../cli/stats-metrics.js';
import { awayWords } from '../../../cli/stats-text.js';
import type { MigrationStatus, OperatorQueue, WorkerReport } from '../../../jobs/work-queue.js';
import { permanent, transient } from '../../../runtime/errors.js';
import { prometheusMeter } from '../../../runtime/prometheus.js';
import { lintMetrics, parseMetrics } from '../../support/prometheus-text.js';

const COUNTS = { total: 0, ready: 0, claimed: 0, delayed: 0, done: 0, skipped: 0, failed: 0 };
const NOW = 1_700_000_100_000;

function statusWith(change: Partial<MigrationStatus> = {}, name = 'demo'): MigrationStatus {
  return {
    definition: {
      ...{ name, source: 'http://s', destination: 'file:///d', rangeSize: 1000, maxAttempts: 5 },
      ...{ stopAfterFailures: 0.01, stopAfterTiles: 10_000 },
      ...{ serverSide: 'auto' as const, incomplete: 'withhold' as const },
    },
    ...{ state: 'running', reason: '', planClosed: true, planOpen: [], finished: false },
    limit: { requestsPerSecond: null, bytesPerSecond: null },
    images: { total: 1, published: 0, withheld: 0, incomplete: 0, refused: 0 },
    ...{ tiles: COUNTS, descriptors: COUNTS, bytes: 0, reclaimed: 0, failures: {}, digest: '0'.repeat(32) },
    ...{ startedAt: NOW - 100_000, finishedAt: null, now: NOW, samples: [], verification: null },
    ...change,
  };
}

/** 102 of 2000 tiles settled, the last 50 of them, 1 MB, in the last 10 s. */
const GOING: Partial<MigrationStatus> = {
  tiles: { ...COUNTS, total: 2_000, done: 100, failed: 2 },
  bytes: 2_000_000,
  samples: [
    { at: NOW - 61_000, settled: 0, bytes: 0 },
    { at: NOW - 10_000, settled: 52, bytes: 1_000_000 },
  ],
};

function worker(change: Partial<WorkerReport>): WorkerReport {
  return {
    ...{ worker: 'random-1', lane: 'tiles', unit: 'zh-import-blobs@1.service', machine: 'a' },
    ...{ state: 'copying', since: NOW - 5_000, detail: '' },
    ...{ done: 90, skipped: 0, failed: 2, bytes: 1_000, rate: 4.5, limit: 16, latency: [] },
    ...change,
  };
}

/** What one round after the other prints of the statuses it is given; an error stands for a Redis that is away. */
function statsOn({ json }: { json: boolean }) {
  const lines: string[] = [];
  let answer: () => Picture;
  const stats = createStats({ look: async () => answer(), json, say: (line) => lines.push(line) });
  return async (found: readonly MigrationStatus[] | Error, workers: readonly WorkerReport[] = []) => {
    answer = () => {
      if (found instanceof Error) throw found;
      return { migrations: new Map(found.map((one) => [one.definition.name, one])), workers };
    };
    lines.length = 0;
    await stats.round();
    return [...lines];
  };
}

describe('a line', () => {
  test.each<[string, Partial<MigrationStatus>, string]>([
    [
      'has counts, rates, failures and the time left, and by which rate',
      GOING,
      'demo: 102 of 2000 tiles (5.1 %), 5.0 tiles/s, 0.100 MB/s, 2 failed, 18 min 56 s left at the rate of the last minute',
    ],
    [
      'reckons with the whole run where the last minute settled nothing',
      { ...GOING, samples: [{ at: NOW - 90_000, settled: 102, bytes: 2_000_000 }] },
      'demo: 102 of 2000 tiles (5.1 %), 0.0 tiles/s, 0.0 MB/s, 2 failed, 31 min 1 s left at the rate of the whole run',
    ],
    [
      'does not say 100 % of what is not all',
      { tiles: { ...COUNTS, total: 1_000_000, done: 999_999 } },
      'demo: 999999 of 1000000 tiles (99.9 %), 0 failed, 1 s left at the rate of the whole run',
    ],
    ['of a plan that is open', { planClosed: false }, 'demo: 0 of 0 tiles, 0 failed, still planning'],
    [
      'before the first tile',
      { tiles: { ...COUNTS, total: 1 }, startedAt: null },
      'demo: 0 of 1 tile (0.0 %), 0 failed, time left not known yet',
    ],
    [
      'with nothing but descriptors left',
      { tiles: { ...COUNTS, total: 4, done: 4 }, descriptors: { ...COUNTS, total: 3, done: 1 } },
      'demo: 4 of 4 tiles (100.0 %), 0 failed, 2 descriptors left',
    ],
    [
      'of one that is paused names its reason',
      { ...GOING, state: 'paused', reason: 'too many failures' },
      'demo: 102 of 2000 tiles (5.1 %), 5.0 tiles/s, 0.100 MB/s, 2 failed, paused (too many failures)',
    ],
    [
      'of one that is complete',
      { finished: true, finishedAt: NOW, tiles: { ...COUNTS, total: 7, done: 7 } },
      'demo: 7 of 7 tiles (100.0 %), 0 failed, complete',
    ],
    [
      'of one that is complete with failures counts tiles, descriptors and images',
      {
        ...{ finished: true, finishedAt: NOW, tiles: { ...COUNTS, total: 7, done: 5, failed: 2 } },
        images: { total: 1, published: 0, withheld: 1, incomplete: 0, refused: 3 },
      },
      'demo: 7 of 7 tiles (100.0 %), 2 failed, complete with 5 failures',
    ],
    [
      'of one that is being verified',
      {
        ...{ finished: true, finishedAt: NOW, tiles: { ...COUNTS, total: 7, done: 7 } },
        verification: {
          options: { sample: 1, read: true, unpublish: false },
          ...{ round: 2, checks: { ...COUNTS, total: 8, done: 2 }, finished: false },
          images: { matched: 0, restarted: 0, unproven: 0 },
          ...{ startedAt: NOW - 10_000, finishedAt: null },
        },
      },
      'demo: 7 of 7 tiles (100.0 %), 0 failed, complete, verification 2: 2 of 8 checks (25.0 %), 0 failed, 30 s left',
    ],
  ])('%s', async (_, change, line) => {
    expect(await statsOn({ json: false })([statusWith(change)])).toEqual([line]);
  });

  test('of the only one that runs says that its source is unreachable, since when, and for how many', async () => {
    const away = { state: 'source unreachable' as const, detail: 'connect ECONNREFUSED' };
    const workers = [
      worker({}),
      worker({ ...away, since: NOW - 3_000 }),
      worker({ ...away, since: NOW - 9_000 }),
    ];
    const words = 'source unreachable since 22:14:51Z (2 of 3 workers): connect ECONNREFUSED';
    expect(awayWords(workers)).toBe(words);
    const done = statusWith({ finished: true, finishedAt: NOW }, 'done');
    const [one] = await statsOn({ json: false })([statusWith(GOING), done], workers);
    expect(one).toBe(`demo: 102 of 2000 tiles (5.1 %), 5.0 tiles/s, 0.100 MB/s, 2 failed, ${words}`);
    const several = await statsOn({ json: false })([statusWith(GOING), statusWith(GOING, 'other')], workers);
    expect(several).toHaveLength(3);
    expect(several[2]).toBe(`workers: ${words}`);
  });
});

describe('rounds', () => {
  test('what does not change is said once, what runs each time', async () => {
    const round = statsOn({ json: false });
    const complete = statusWith({ finished: true, finishedAt: NOW, tiles: { ...COUNTS, total: 7, done: 7 } });
    const later = { ...complete, now: NOW + 2_000 };
    expect(await round([complete])).toHaveLength(1);
    expect(await round([later])).toEqual([]);
    expect(await round([statusWith(GOING)])).toHaveLength(1);
    expect(await round([statusWith(GOING)])).toHaveLength(1);
    expect(await round([later])).toHaveLength(1);
  });

  test('a Redis that is away is said once, and again the next time', async () => {
    const round = statsOn({ json: false });
    const away = transient('Redis at redis://r:1 is unreachable: refused');
    expect(await round(away)).toEqual(['Redis at redis://r:1 is unreachable: refused']);
    expect(await round(away)).toEqual([]);
    expect(await round([statusWith()])).toHaveLength(1);
    expect(await round(away)).toHaveLength(1);
    expect(await statsOn({ json: true })(away)).toEqual([`{"problem":"${away.message}"}`]);
  });

  test('without a migration', async () => {
    expect(await statsOn({ json: false })([])).toEqual(['there is no migration yet']);
    expect(await statsOn({ json: true })([])).toEqual(['{"migrations":0}']);
  });

  test('as JSON each line is an object with rates, time left and workers', async () => {
    const [line] = await statsOn({ json: true })([statusWith(GOING)], [worker({})]);
    expect(JSON.parse(line!)).toMatchObject({
      ...{ migration: 'demo', words: 'running', now: new Date(NOW).toISOString() },
      tiles: { total: 2_000, done: 100, failed: 2 },
      last10s: { tilesPerSecond: 5, bytesPerSecond: 100_000 },
      whole: { tilesPerSecond: 1.02, bytesPerSecond: 20_000 },
      ...{ leftMs: 1_135_078, finishedAt: null },
      workers: [{ worker: 'random-1', rate: 4.5, limit: 16 }],
    });
  });
});

describe('the picture', () => {
  test('keeps a migration that Redis has lost, and says so of it alone', async () => {
    let names = ['demo', 'other'];
    let lost = false;
    const look = createLook({
      migrations: async () => names,
      workers: async () => [],
      async status(name: string) {
        if (lost && name === 'demo') throw permanent('gone', { code: 'lost' });
        return statusWith({}, name);
      },
    } as unknown as OperatorQueue);
    expect([...(await look()).migrations.keys()]).toEqual(['demo', 'other']);
    [names, lost] = [['other'], true];
    const { migrations } = await look();
    expect(migrations.get('other')).toMatchObject({ state: 'running' });
    const lines: string[] = [];
    const stats = createStats({ look, json: false, say: (line) => lines.push(line) });
    await stats.round();
    await stats.round();
    expect(lines.filter((line) => line.startsWith('demo'))).toEqual([
      'demo: Redis lost it: its record was there and is gone',
    ]);
  });

  test('is none while Redis does not answer', async () => {
    const look = createLook({
      migrations: async () => ['demo'],
      status: () => Promise.reject(transient('away')),
    } as unknown as OperatorQueue);
    await expect(look()).rejects.toThrow('away');
  });
});

describe('metrics', () => {
  async function pageOf(picture: Picture | null) {
    const meter = prometheusMeter();
    statsMetrics(meter, () => picture);
    const families = parseMetrics(await meter.text());
    expect(lintMetrics(families)).toEqual([]);
    return Object.fromEntries([...families.values()].flatMap(({ samples }) => [...samples]));
  }

  test('tell all counts, rates and workers of a picture', async () => {
    const status = statusWith({
      ...GOING,
      descriptors: { ...COUNTS, total: 1, ready: 1 },
      failures: { 'http-404': 2 },
    });
    const workers = [
      worker({}),
      worker({ worker: 'random-2', state: 'source unreachable' }),
      worker({ unit: '' }),
    ];
    const page = await pageOf({ migrations: new Map([['demo', status]]), workers });
    expect(page).toMatchObject({
      'convoy_zh_migration_items{lane="tiles",migration="demo",state="done"}': 100,
      'convoy_zh_migration_items{lane="tiles",migration="demo",state="failed"}': 2,
      'convoy_zh_migration_items{lane="descriptors",migration="demo",state="ready"}': 1,
      'convoy_zh_migration_images{migration="demo",state="total"}': 1,
      'convoy_zh_migration_state{migration="demo",state="running"}': 1,
      'convoy_zh_migration_state{migration="demo",state="finished"}': 0,
      'convoy_zh_migration_stored_bytes{migration="demo"}': 2_000_000,
      'convoy_zh_migration_failures{migration="demo"}': 2,
      'convoy_zh_migration_failures_by_reason{migration="demo",reason="http-404"}': 2,
      'convoy_zh_migration_tiles_per_second{migration="demo",window="10s"}': 5,
      'convoy_zh_migration_bytes_per_second{migration="demo",window="run"}': 20_000,
      'convoy_zh_workers{lane="tiles",machine="a",unit="zh-import-blobs@1.service"}': 2,
      'convoy_zh_workers{lane="tiles",machine="a",unit=""}': 1,
      'convoy_zh_workers_waiting{lane="tiles",machine="a",unit="zh-import-blobs@1.service"}': 1,
      'convoy_zh_worker_items_per_second{lane="tiles",machine="a",unit="zh-import-blobs@1.service"}': 9,
    });
    expect(page['convoy_zh_migration_left_seconds{migration="demo"}']).toBeCloseTo(1_135.078, 2);
    expect(Object.keys(page).some((series) => /random|checks/.test(series))).toBe(false);
  });

  test('are none of migrations while Redis is away, and none of a time that is not known', async () => {
    expect(await pageOf(null)).toEqual({});
    const paused = statusWith({ ...GOING, state: 'paused' });
    const page = await pageOf({ migrations: new Map([['demo', paused]]), workers: [] });
    expect(page['convoy_zh_migration_left_seconds{migration="demo"}']).toBeUndefined();
    expect(page['convoy_zh_migration_state{migration="demo",state="paused"}']).toBe(1);
  });
});
