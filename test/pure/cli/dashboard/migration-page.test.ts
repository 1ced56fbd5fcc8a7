import { describe, expect, test } from 'vitest';
import { textOf } from '../../../../cli/dashboard/cells.js';
import { migrationPage } from '../../../../cli/dashboard/migration-page.js';
import type { Page } from '../../../../cli/dashboard/page.js';
import type { Cargo, Snapshot } from '../../../../cli/dashboard/snapshot.js';
import { FIRST_STATE, type State } from '../../../../cli/dashboard/state.js';
import type { MigrationStatus, WorkerReport } from '../../../../jobs/work-queue.js';
import {
  aCargo,
  aMigration,
  anAttempt,
  aSnapshot,
  aWorker,
  BUSY,
  COUNTS,
  latencyOf,
  MACHINE,
  NOW,
} from '../../../support/made-up-cargo.js';
import { blockOf, linesIn, spansOf, tableIn, tonesOf } from '../../../support/page-text.js';

function pageWith(status: MigrationStatus, { cargo = {}, state = {}, snapshot = {} }: Told = {}): Page {
  return migrationPage(aSnapshot(aCargo([status], cargo), snapshot), { ...FIRST_STATE, ...state });
}
interface Told {
  readonly cargo?: Partial<Cargo>;
  readonly state?: Partial<State>;
  readonly snapshot?: Partial<Snapshot>;
}

const WORKER = aWorker();
const failed = (count: number) => ({ ...COUNTS, total: 1_000_000, done: 1_000_000 - count, failed: count });
const ENDED = { finished: true, startedAt: NOW - 7_500_000, finishedAt: NOW - 300_000 };

describe('the title says what is shown and how it stands', () => {
  const rest = 'azure://zoom/content to swift://zoom/dzis';
  test.each([
    [{}, `zoom  running  ${rest}`, 'running (good)'],
    [
      { state: 'paused', reason: 'by ann with convoyctl' },
      `zoom  paused (by ann with convoyctl)  ${rest}`,
      'paused (by ann with convoyctl) (warn)',
    ],
    [{ ...ENDED, tiles: failed(0) }, `zoom  complete  ${rest}`, 'complete (good)'],
    [
      { ...ENDED, tiles: failed(4_321) },
      `zoom  complete with 4,321 failures  ${rest}`,
      'complete with 4,321 failures (bad)',
    ],
    [
      { state: 'cancelled', reason: 'by ann', tiles: failed(7) },
      `zoom  cancelled (by ann)  ${rest}`,
      'cancelled (by ann) (dim)',
    ],
  ] satisfies [Partial<MigrationStatus>, string, string][])('%j', (change, words, tone) => {
    const { title } = pageWith(aMigration(change), { cargo: { workers: [WORKER] } });
    expect(textOf(title)).toBe(words);
    expect(tonesOf(title)).toEqual(['zoom (strong)', tone, `${rest} (dim)`]);
  });

  test('one of several', () => {
    const cargo = aCargo([aMigration(ENDED, 'a'), aMigration({}, 'b'), aMigration({}, 'c')]);
    const shown = (migration: string | null): string =>
      textOf(migrationPage(aSnapshot(cargo), { ...FIRST_STATE, migration }).title);
    expect(shown(null)).toContain('b  running  2 of 3 migrations');
    expect(shown('a')).toContain('a  complete  1 of 3 migrations');
    expect(shown('gone')).toContain('b  running  2 of 3 migrations');
  });
});

describe('before there is anything to show', () => {
  test('asks Redis', () => {
    const page = migrationPage(aSnapshot(null), FIRST_STATE);
    expect(linesIn(page, 'facts')).toEqual(['asking Redis for the migrations']);
    expect(page.alarms).toEqual([]);
  });

  test('Redis was never there', () => {
    const trouble = { since: NOW - 42_000, words: 'Redis at 127.0.0.1:6379 is unreachable: refused' };
    const page = migrationPage(
      aSnapshot(null, { cargo: { value: null, readAt: null, trouble } }),
      FIRST_STATE,
    );
    expect(page.alarms.map(tonesOf)).toEqual([
      [
        'Redis away since 11:59:18Z, nothing is known of the migrations yet: Redis at 127.0.0.1:6379 is unreachable: refused (bad)',
      ],
    ]);
    expect(linesIn(page, 'facts')).toEqual(['nothing was read yet']);
  });

  test('no migration yet: what to do', () => {
    const page = migrationPage(aSnapshot(aCargo([])), FIRST_STATE);
    expect(textOf(page.title)).toBe('no migration yet');
    expect(linesIn(page, 'facts')).toEqual([
      'There is no migration yet (if there was one, Redis lost it). To begin one:',
      'convoyctl migration create NAME --source LOCATION --destination LOCATION',
      'zh-populate --migration NAME   reads the list of images',
      'zh-import-blobs   copies the tiles; on any number of machines',
      'zh-upload-dzis   publishes each image that is whole',
    ]);
    expect(page.about).toEqual({});
    expect(page.keys.map(([key]) => key)).not.toContain('p');
  });

  test('Redis lost it: what to do, and the others are still there', () => {
    const cargo = aCargo([aMigration(ENDED, 'old')]);
    const trouble = 'Redis lost it: its record was there and is gone';
    const migrations = new Map([...cargo.migrations, ['zoom', { trouble }]]);
    const snapshot = aSnapshot({ ...cargo, migrations });
    const page = migrationPage(snapshot, { ...FIRST_STATE, migration: 'zoom' });
    expect(textOf(page.title)).toBe('zoom  lost');
    expect(page.alarms.map(tonesOf)).toEqual([[`zoom: ${trouble} (bad)`]]);
    expect(linesIn(page, 'facts')).toEqual([
      'zoom cannot be read.',
      'If Redis lost it, create it again as it was and plan it; what is at the destination is found there:',
      'convoyctl migration create zoom --source ... --destination ...',
      'zh-populate --migration zoom',
      'zh-import-blobs --skip-existing',
    ]);
    expect(linesIn(page, 'migrations')).toEqual([
      'old | complete | - | - | 0 | -',
      `zoom | ${trouble} |  |  |  | `,
    ]);
    // Whoever looks at another hears of it too.
    expect(migrationPage(snapshot, FIRST_STATE).alarms.map(textOf)).toEqual([`zoom: ${trouble}`]);
  });
});

describe('alarms', () => {
  const away = (change: Partial<WorkerReport>): WorkerReport =>
    aWorker({ state: 'source unreachable', detail: 'connection refused', since: NOW - 53_000, ...change });
  const alarms = (status: MigrationStatus, told: Told): string[] =>
    pageWith(status, told).alarms.map((line) => {
      expect(line.every(({ tone }) => tone === 'bad' || tone === 'warn')).toBe(true);
      return textOf(line);
    });

  test('a store is away: since when, and of how many workers', () => {
    const workers = [
      ...[away({}), away({ since: NOW - 10_000 }), WORKER],
      away({ state: 'destination unreachable', detail: '', since: NOW - 7_000 }),
    ];
    expect(alarms(BUSY, { cargo: { workers } })).toEqual([
      'source unreachable since 11:59:07Z (2 of 4 workers): connection refused',
      'destination unreachable since 11:59:53Z (1 of 4 workers)',
    ]);
  });

  test('the stores of this migration are away, while its workers serve others', () => {
    const busy = (detail: string): WorkerReport => aWorker({ detail: `copying; ${detail}` });
    const workers = [
      busy('migration zoom: destination unreachable: no answer'),
      busy(
        'migration other: source unreachable: no answer; migration zoom: destination unreachable: no answer',
      ),
      busy('migration zoom is not served: the container is absent'),
      WORKER,
    ];
    expect(alarms(BUSY, { cargo: { workers } })).toEqual([
      'destination unreachable: no answer (2 of 4 workers)',
      'not served: the container is absent (1 of 4 workers)',
    ]);
  });

  test('Redis away: since when, and of when the numbers are', () => {
    const trouble = { since: NOW - 42_000, words: 'Redis at 127.0.0.1:6379 is unreachable' };
    const cargo = { value: aCargo([BUSY], { workers: [WORKER] }), readAt: NOW - 43_000, trouble };
    const page = migrationPage(aSnapshot(null, { cargo }), FIRST_STATE);
    expect(page.alarms.map(textOf)).toEqual([
      'Redis away since 11:59:18Z, numbers of 11:59:17Z: Redis at 127.0.0.1:6379 is unreachable',
    ]);
    expect(linesIn(page, 'progress')).toContain('1,100,000,000 of 1,200,000,000 tiles');
  });

  test('paused for too many failures; a pause by somebody is no alarm', () => {
    const reason = '130 of 10000 tiles failed (more than 1 %), the last with http-404';
    const told = { cargo: { workers: [WORKER] } };
    expect(alarms(aMigration({ state: 'paused', reason }), told)).toEqual([`paused by itself: ${reason}`]);
    const hopeless =
      'none of the first 100 ids could be added, the last was http-404: are the source and the list of ids right?';
    expect(alarms(aMigration({ state: 'paused', reason: hopeless }), told)).toEqual([
      `paused by itself: ${hopeless}`,
    ]);
    expect(alarms(aMigration({ state: 'paused', reason: 'by ann with convoyctl' }), told)).toEqual([]);
  });

  test('nobody works on what is to be done', () => {
    expect(alarms(BUSY, {})).toEqual([
      'no worker has told of itself lately: start zh-import-blobs and zh-upload-dzis',
    ]);
    expect(alarms(aMigration({ ...ENDED, tiles: failed(0) }), {})).toEqual([]);
  });

  test('of many lost migrations a few are named', () => {
    const lost = Array.from({ length: 5 }, (_, at) => [`m${at}`, { trouble: 'Redis lost it' }] as const);
    const cargo = { ...aCargo([BUSY], { workers: [WORKER] }) };
    const migrations = new Map([...cargo.migrations, ...lost]);
    expect(migrationPage(aSnapshot({ ...cargo, migrations }), FIRST_STATE).alarms.map(textOf)).toEqual([
      ...['m0: Redis lost it', 'm1: Redis lost it', '3 more migrations cannot be read'],
    ]);
  });
});

describe('progress', () => {
  test('share, settled, rates, time left, limit', () => {
    const page = pageWith(BUSY);
    const { body } = blockOf(page, 'progress');
    expect(body.kind === 'gauge' && body.share).toBeCloseTo(1_100_000_000 / 1_200_000_000, 10);
    expect(linesIn(page, 'progress')).toEqual([
      '23 h 48 min left at the rate of the last minute',
      '1,100,000,000 of 1,200,000,000 tiles',
      ' 2,000.0 tiles/s    5.0 MB/s  10 s',
      ' 1,166.7 tiles/s    5.0 MB/s  1 min',
      '12,731.5 tiles/s  213.0 MB/s  whole run',
      'limit: at most 5,000 requests/s and 10.0 MB/s',
    ]);
  });

  const first = (change: Partial<MigrationStatus>): string =>
    linesIn(pageWith(aMigration(change)), 'progress')[0] ?? '';
  const some = { ...COUNTS, total: 100, done: 40, ready: 60 };
  test.each([
    [{ tiles: some, startedAt: NOW - 40_000 }, '1 min left at the rate of the last minute'],
    [{ tiles: some }, 'time left not known yet'],
    [{ tiles: some, planClosed: false }, 'time left not known: images may still come'],
    [{ planClosed: false }, 'nothing planned yet'],
    [{ tiles: some, state: 'paused', reason: 'by ann' }, 'time left not known: it is paused'],
    [{ tiles: some, state: 'cancelled', reason: 'by ann' }, 'the rest is given up'],
    [{ ...ENDED, tiles: failed(0) }, 'took 2 h'],
    [{ finished: true }, 'there was nothing to do'],
    [{ tiles: failed(0), descriptors: { ...COUNTS, total: 1_234, ready: 1_234 } }, '1,234 descriptors left'],
  ] satisfies [Partial<MigrationStatus>, string][])('%j: %s', (change, words) => {
    expect(first(change)).toBe(words);
  });

  test('a round of verification', () => {
    const verification = {
      options: { sample: 1, read: true, unpublish: false },
      ...{ round: 2, finished: false, startedAt: NOW - 60_000, finishedAt: null },
      checks: { ...COUNTS, total: 12_000, done: 2_997, failed: 3, ready: 9_000 },
      images: { matched: 1, restarted: 1, unproven: 0 },
    };
    const page = pageWith(aMigration({ ...ENDED, tiles: failed(0), verification }));
    expect(linesIn(page, 'progress').at(-1)).toBe(
      'verification 2: 3,000 of 12,000 checks (25.0 %), 3 failed, 3 min left',
    );
    expect(linesIn(page, 'states')).toEqual([
      '             tiles  descriptors  checks',
      'ready            0            0   9,000',
      'claimed          0            0       0',
      'delayed          0            0       0',
      'done     1,000,000            0   2,997',
      'skipped          0            0       0',
      'failed           0            0       3',
      'total    1,000,000            0  12,000',
    ]);
  });
});

test('the six states exactly, and their sum', () => {
  const page = pageWith(BUSY);
  expect(linesIn(page, 'states')).toEqual([
    '                 tiles  descriptors',
    'ready       99,935,000            0',
    'claimed         64,000            5',
    'delayed          1,000            0',
    'done     1,099,999,900    1,100,000',
    'skipped             40            0',
    'failed              60            0',
    'total    1,200,000,000    1,100,005',
  ]);
  const { body, least } = blockOf(page, 'states');
  const widest = Math.max(...linesIn(page, 'states').map((line) => line.length));
  // A number that is cut would be another one.
  expect(least).toEqual({ width: widest + 2, height: 10 });
  expect(body.kind === 'text' && tonesOf(body.lines[6] ?? [])).toEqual(['60 (bad)', '0 (dim)']);
});

test('what else is known of it', () => {
  expect(linesIn(pageWith(BUSY), 'facts')).toEqual([
    '   Images  1,100,000 of 1,200,000 published',
    '           3 withheld, 2 incomplete, 14 refused',
    ' Failures  http-404 60, truncated 14',
    '   Stored  18.4 TB',
    '    Began  Fri 2026-11-20 12:00:00 UTC',
    'Reclaimed  12 items of lost claims',
    '   Digest  0123456789abcdef0123456789abcdef',
  ]);
  const open = aMigration({ planClosed: false, planOpen: ['total.txt', 'more.txt'] });
  expect(linesIn(pageWith(open), 'facts')).toEqual([
    'Images  0 of 0 published',
    'Stored  0.0 MB',
    '  Plan  open: total.txt, more.txt',
    `Digest  ${'0'.repeat(32)}`,
  ]);
});

test('tiles/s and MB/s over time, up to now though Redis is away', () => {
  const history = new Map([
    [
      'zoom',
      [0, 1, 2, 3].map((at) => ({ at: NOW - 6_000 + at * 1000, settled: at * 50, bytes: at * 2_000_000 })),
    ],
  ]);
  const trouble = { since: NOW - 1_000, words: 'no answer' };
  const value = aCargo([aMigration({ now: NOW - 3_000 })], { history });
  const cargo = { value, readAt: NOW - 3_000, trouble };
  const page = migrationPage(aSnapshot(null, { cargo, now: NOW + 3_000 }), FIRST_STATE);
  const { body: tiles } = blockOf(page, 'tiles-rate');
  const { body: bytes } = blockOf(page, 'bytes-rate');
  if (tiles.kind !== 'chart' || bytes.kind !== 'chart') throw new Error('no charts');
  expect(tiles.series[0]?.values).toEqual([50, 50, 50, null, null, null, null, null, null]);
  expect(bytes.series[0]?.values.slice(0, 4)).toEqual([2e6, 2e6, 2e6, null]);
  expect([tiles.from, tiles.to]).toEqual(['9 s ago', 'now']);
  expect([tiles.told(12_731.5), tiles.told(9.96), bytes.told(12_345_678)]).toEqual([
    ...['12,732', '10.0', '12.3 MB'],
  ]);
});

test('how long the requests to each store took, over all workers', () => {
  const workers = [
    aWorker({
      latency: [
        latencyOf('source', 'azure', { 10: 60, 200: 1 }),
        latencyOf('destination', 'swift', { 7000: 40 }),
      ],
    }),
    aWorker({ latency: [latencyOf('source', 'azure', { 10: 1_939 })] }),
  ];
  expect(linesIn(pageWith(BUSY, { cargo: { workers } }), 'latency')).toEqual([
    '                      p50    p99  requests',
    'source azure       8.5 ms  10 ms     2,000',
    'destination swift   6.0 s  7.0 s        40',
  ]);
  expect(linesIn(pageWith(BUSY), 'latency')).toEqual(['no requests']);
});

describe('workers', () => {
  const named = (at: number, change: Partial<WorkerReport> = {}): WorkerReport =>
    aWorker({ worker: `${at}aaaaaaaaa`, unit: `zh-import-blobs@${at}.service`, ...change });
  const workers = [
    named(10, { rate: 1_234.56, failed: 1, done: 1_999_999, limit: 1_024, bytes: 12e12 }),
    named(9, {
      rate: 0,
      failed: 2_000,
      state: 'source unreachable',
      detail: 'no answer',
      since: NOW - 53_000,
    }),
    named(1, { lane: 'descriptors', failed: 0 }),
    aWorker({ worker: 'cafe0000-1', unit: '', machine: '', state: 'idle', detail: 'idle: paused', rate: 0 }),
    aWorker({
      worker: 'cafe0000-2',
      unit: '',
      machine: '',
      state: 'idle',
      detail: 'waiting: Redis is away',
      rate: 0,
    }),
  ];
  const table = (state: Partial<State> = {}): Page => pageWith(BUSY, { cargo: { workers }, state });

  test('each with what it does, how fast, and what failed', () => {
    expect(blockOf(table(), 'workers').title).toBe('Workers: 5, 1 away, by name');
    expect(linesIn(table(), 'workers')).toEqual([
      'cafe0000 | - | 0.0 | 1,205 | 2 | 64 | 12.3 MB | idle: paused',
      'cafe0000 | - | 0.0 | 1,205 | 2 | 64 | 12.3 MB | waiting: Redis is away',
      'zh-import-blobs@1 | 472d6cb2 | 51.0 | 1,203 | 0 | 64 | 12.3 MB | publishing descriptors',
      'zh-import-blobs@9 | 472d6cb2 | 0.0 | 3,203 | 2,000 | 64 | 12.3 MB | source unreachable since 11:59:07Z: no answer',
      'zh-import-blobs@10 | 472d6cb2 | 1,234.6 | 2,000,003 | 1 | 1,024 | 12.0 TB | copying tiles',
    ]);
  });

  test.each([
    ['name', ['cafe0000', 'cafe0000', 'zh-import-blobs@1', 'zh-import-blobs@9', 'zh-import-blobs@10']],
    ['rate', ['zh-import-blobs@10', 'zh-import-blobs@1', 'cafe0000', 'cafe0000', 'zh-import-blobs@9']],
    ['failures', ['zh-import-blobs@9', 'cafe0000', 'cafe0000', 'zh-import-blobs@10', 'zh-import-blobs@1']],
  ] as const)('by %s', (workersBy, names) => {
    const page = table({ workersBy });
    expect(tableIn(page, 'workers').rows.map(({ cells }) => textOf(cells[0] ?? []))).toEqual(names);
    expect(blockOf(page, 'workers').title).toBe(`Workers: 5, 1 away, by ${workersBy}`);
  });

  test('those away stand out, and so do failures', () => {
    const row = tableIn(table(), 'workers').rows.find(({ key }) => key === '9aaaaaaaaa');
    expect(row?.cells.flatMap(tonesOf)).toEqual([
      ...[
        'zh-import-blobs@9 (bad)',
        '472d6cb2 (dim)',
        '0.0 (dim)',
        '2,000 (bad)',
        '64 (dim)',
        '12.3 MB (dim)',
      ],
      'source unreachable since 11:59:07Z (bad)',
      ': no answer (bad)',
    ]);
  });

  test('what a row opens and what keys act upon', () => {
    const [outside, , first] = tableIn(table(), 'workers').rows;
    expect(first?.opens).toEqual({ kind: 'worker', worker: '1aaaaaaaaa' });
    expect(first?.about).toEqual({ unit: 'zh-import-blobs@1.service', machine: MACHINE });
    expect(outside?.about).toEqual({});
  });

  test('several of one unit on one machine are told apart', () => {
    const several = [
      aWorker({ worker: 'beef0000' }),
      aWorker({ worker: 'f00d0000' }),
      aWorker({ machine: 'b' }),
    ];
    expect(
      linesIn(pageWith(BUSY, { cargo: { workers: several } }), 'workers').map((row) =>
        row.split(' | ', 2).join(' on '),
      ),
    ).toEqual([
      'zh-import-blobs@1 on b',
      'zh-import-blobs@1 beef on 472d6cb2',
      'zh-import-blobs@1 f00d on 472d6cb2',
    ]);
  });

  test('there is none', () => {
    expect(tableIn(pageWith(BUSY), 'workers')).toMatchObject({
      ...{ rows: [], empty: 'no worker has told of itself: start zh-import-blobs' },
    });
    expect(blockOf(pageWith(BUSY), 'workers').title).toBe('Workers');
  });
});

describe('newest failures', () => {
  const failures = [
    anAttempt(),
    anAttempt({
      first: 3,
      count: 17,
      reason: 'truncated',
      status: 0,
      attempt: 2,
      final: false,
      worker: 'gone0000-1',
    }),
    anAttempt({ image: 'not-read', first: 40, count: 17 }),
    anAttempt({ lane: 'descriptors', first: 0, reason: 'write-http-503', status: 503, worker: '' }),
    anAttempt({ lane: 'images', image: 'no/such', first: 0, reason: 'bad-id', status: 0, worker: '' }),
    anAttempt({ lane: 'checks', first: 73, reason: 'digest-differs', status: 0, at: NOW - 86_400_000 }),
    anAttempt({ lane: 'checks', first: 72, reason: 'missing', status: 0 }),
  ];
  const page = pageWith(BUSY, { cargo: { failures, workers: [WORKER] } });

  test('when, which tile, why, and whether it is tried again', () => {
    expect(linesIn(page, 'failures')).toEqual([
      '11:59:55Z | abc | 11/7_1 | http-404 | 404 | 1 | for good | zh-import-blobs@1',
      '11:59:55Z | abc | 3/0_0 and 16 more | truncated | - | 2 | again later | gone0000',
      '11:59:55Z | not-read | tiles 40-56 | http-404 | 404 | 1 | for good | zh-import-blobs@1',
      '11:59:55Z | abc | descriptor | write-http-503 | 503 | 1 | for good | -',
      '11:59:55Z | no/such | id | bad-id | - | 1 | for good | -',
      '2026-11-20T12:00:00Z | abc | check of the image | digest-differs | - | 1 | for good | zh-import-blobs@1',
      '11:59:55Z | abc | check 11/7_5 | missing | - | 1 | for good | zh-import-blobs@1',
    ]);
    expect(tableIn(pageWith(BUSY), 'failures').empty).toBe('nothing has failed lately');
  });

  test('each opens, and those that stand and are the queue’s can be tried again', () => {
    const rows = tableIn(page, 'failures').rows;
    expect(rows[1]?.opens).toEqual({
      ...{ kind: 'failure', migration: 'zoom' },
      failure: { lane: 'tiles', image: 'abc', first: 3, count: 17 },
    });
    expect(rows.map(({ about }) => about.failure)).toEqual([
      { lane: 'tiles', image: 'abc', range: { first: 40, end: 41 } },
      undefined,
      { lane: 'tiles', image: 'not-read', range: { first: 40, end: 57 } },
      { lane: 'descriptors', image: 'abc' },
      ...[undefined, undefined, undefined],
    ]);
    expect(rows.every(({ about }) => about.migration === 'zoom')).toBe(true);
    expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length);
  });
});

test('several migrations side by side', () => {
  const cargo = aCargo([
    BUSY,
    aMigration({ ...ENDED, tiles: failed(7) }, 'demo'),
    aMigration({ state: 'paused', reason: 'by ann' }, 'new'),
  ]);
  const page = migrationPage(aSnapshot(cargo), FIRST_STATE);
  expect(blockOf(page, 'migrations').title).toBe('Migrations: 3');
  expect(linesIn(page, 'migrations')).toEqual([
    'zoom | running | 91.6 % | 2,000.0 | 74 | 23 h 48 min',
    'demo | complete with 7 failures | 100.0 % | - | 7 | -',
    'new | paused (by ann) | - | - | 0 | -',
  ]);
  expect(tableIn(page, 'migrations').rows.map(({ key, about }) => [key, about])).toEqual([
    ...['zoom', 'demo', 'new'].map((name) => [name, { migration: name }]),
  ]);
  expect(pageWith(BUSY).blocks.map(({ id }) => id)).not.toContain('migrations');
});

describe('keys', () => {
  const keys = (change: Partial<MigrationStatus>): string[] =>
    pageWith(aMigration(change)).keys.map(([key]) => key);
  test.each([
    [{}, true, false],
    [{ state: 'paused', reason: 'x' }, false, true],
    [{ state: 'cancelled', reason: 'x' }, false, false],
    [ENDED, false, false],
  ] satisfies [Partial<MigrationStatus>, boolean, boolean][])('%j: pause %s, resume %s', (change, p, r) => {
    expect([keys(change).includes('p'), keys(change).includes('r')]).toEqual([p, r]);
    expect(keys(change)).not.toContain(']');
  });
});

test('in few lines the most important first', () => {
  const workers = [WORKER, aWorker({ state: 'source unreachable' })];
  expect(pageWith(BUSY, { cargo: { workers } }).brief.map(textOf)).toEqual([
    '91.6 %  23 h 48 min left at the rate of the last minute',
    '1,100,000,000 of 1,200,000,000 tiles',
    '2,000.0 tiles/s, 5.0 MB/s',
    '74 failures',
    '2 workers, 1 away from a store',
    'ready 99,935,000',
    'claimed 64,000',
    'delayed 1,000',
    'done 1,099,999,900',
    'skipped 40',
    'failed 60',
  ]);
});

test('nothing that comes from outside can speak to the terminal', () => {
  const evil = (name: string): string => `${name}\x1b[2J\x07\r\n\u202e{red-fg}`;
  const status = aMigration(
    {
      state: 'paused',
      reason: evil('why'),
      failures: { [evil('reason')]: 1 },
      planClosed: false,
      planOpen: [evil('list')],
    },
    evil('zoom'),
  );
  const workers = [
    aWorker({ worker: evil('id'), unit: evil('unit'), machine: '\x1b[2J\x07', detail: evil('copying; x') }),
    aWorker({
      state: 'source unreachable',
      detail: evil('no answer'),
      latency: [latencyOf('source', evil('kind'), { 1: 1 })],
    }),
  ];
  const failures = [anAttempt({ image: evil('image'), reason: evil('reason'), worker: '\x1b[2J' })];
  const cargo = aCargo([status, aMigration({}, evil('other'))], { workers, failures });
  const migrations = new Map([...cargo.migrations, [evil('lost'), { trouble: evil('lost') }]]);
  const trouble = { since: NOW, words: evil('away') };
  const reading = { value: { ...cargo, migrations }, readAt: NOW, trouble };
  const state = { ...FIRST_STATE, migration: evil('zoom') };
  const page = migrationPage(aSnapshot(null, { cargo: reading }), state);
  const text = spansOf(page)
    .map((span) => span.text)
    .join(' ');
  expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  for (const name of [
    'zoom',
    'why',
    'reason',
    'list',
    'unit',
    'x',
    'no answer',
    'kind',
    'image',
    'lost',
    'away',
  ])
    expect(text).toContain(`${name}\ufffd[2J`);
});
