import { describe, expect, test } from 'vitest';
import { textOf } from '../../../../cli/dashboard/cells.js';
import type { Detail } from '../../../../cli/dashboard/detail.js';
import type { Page } from '../../../../cli/dashboard/page.js';
import { pageOf } from '../../../../cli/dashboard/pages.js';
import type { Cargo, Opened, Snapshot } from '../../../../cli/dashboard/snapshot.js';
import { FIRST_STATE, type State } from '../../../../cli/dashboard/state.js';
import type { FailureRecord } from '../../../../jobs/work-queue.js';
import {
  aCargo,
  aMigration,
  anAttempt,
  aSnapshot,
  aWorker,
  BUSY,
  IMAGE,
  latencyOf,
  MACHINE,
  NOW,
} from '../../../support/made-up-cargo.js';
import { blockOf, linesIn, spansOf, tableIn, tonesOf } from '../../../support/page-text.js';

type Kind = 'worker' | 'image' | 'failures' | 'failure';
type Found<K extends Kind> = Omit<Extract<Opened, { kind: K }>, 'of' | 'trouble' | 'kind'>;

interface Told {
  /** null: it was not looked up yet. */
  readonly found: { [K in Kind]: Found<K> }[Kind] | null;
  readonly trouble?: string;
  readonly cargo?: Partial<Cargo>;
  readonly state?: Partial<State>;
}

function open(detail: Detail, { found, trouble, cargo = {}, state = {} }: Told): Page {
  const of = { ...detail };
  const opened = found === null ? null : { ...found, of, kind: of.kind, trouble: trouble ?? null };
  const snapshot: Snapshot = { ...aSnapshot(aCargo([BUSY], cargo)), opened: opened as Opened | null };
  return pageOf(snapshot, { ...FIRST_STATE, details: [detail], ...state });
}

const title = (page: Page): string => textOf(page.title);
const failure = (change: Partial<FailureRecord> = {}): FailureRecord => ({
  ...{ lane: 'tiles', image: 'abc', first: 40, count: 3, reason: 'write-http-503', status: 503, attempt: 5 },
  ...change,
});
const STANDING = { image: IMAGE, stored: 68, failed: 3, bytes: 1_234_567, digest: 'ab'.repeat(16) };

describe('a worker', () => {
  const WORKER = aWorker({
    latency: [latencyOf('source', 'azure', { 30: 1_200 })],
    detail: 'copying; migration other: source unreachable: no answer',
  });
  const detail = { kind: 'worker', worker: WORKER.worker } as const;
  const found = { report: WORKER, log: ['claimed', '\x1b[31mlate\x1b[0m\x07'] };

  test('its report in full, its latencies, the end of its log', () => {
    const page = open(detail, { found, cargo: { workers: [WORKER] } });
    expect(title(page)).toBe(
      'worker  zh-import-blobs@1  copying tiles; migration other: source unreachable: no answer',
    );
    expect(linesIn(page, 'facts')).toEqual([
      `     Id  ${WORKER.worker}`,
      '   Unit  zh-import-blobs@1.service',
      `Machine  ${MACHINE}`,
      '  State  copying tiles',
      '         migration other: source unreachable: no answer',
      '  Since  Sat 2026-11-21 11:59:00 UTC, 1 min',
      'Settled  1,200 done, 3 skipped, 2 failed',
      ' Stored  12.3 MB',
      '   Rate  51.0 items/s',
      '  Limit  64 objects in flight',
    ]);
    expect(linesIn(page, 'latency')).toEqual([
      '                p50    p99  requests',
      'source azure  25 ms  30 ms     1,200',
    ]);
    expect(linesIn(page, 'log')).toEqual(['claimed', 'late\ufffd']);
    expect(page.about).toEqual({ unit: 'zh-import-blobs@1.service', machine: MACHINE });
  });

  test('is known before it was looked up', () => {
    const page = open(detail, { found: null, cargo: { workers: [WORKER] } });
    expect(linesIn(page, 'facts')).toContain('   Rate  51.0 items/s');
    expect(linesIn(page, 'log')).toEqual(['asking for it']);
  });

  test('that has ended stays as it was last, and says so', () => {
    const page = open(detail, { found });
    expect(title(page)).toBe('worker  zh-import-blobs@1  ended, or cut off');
    expect(linesIn(page, 'facts')).toContain(
      '  State  it has not told of itself lately: it has ended, or it is cut off',
    );
    expect(linesIn(open(detail, { found: { report: null, log: [] } }), 'facts')).toEqual([
      'it has not told of itself lately: it has ended, or it is cut off',
    ]);
  });

  test('whose log cannot be read: what was read stays, and why', () => {
    const page = open(detail, { found, trouble: 'no convoyd answers', cargo: { workers: [WORKER] } });
    expect(linesIn(page, 'log')).toEqual(['claimed', 'late\ufffd', 'no convoyd answers']);
  });

  test('that cannot reach a store', () => {
    const away = aWorker({ state: 'source unreachable', since: NOW - 53_000, detail: 'connection refused' });
    const page = open(detail, { found: { report: away, log: [] }, cargo: { workers: [away] } });
    expect(title(page)).toBe(
      'worker  zh-import-blobs@1  source unreachable since 11:59:07Z: connection refused',
    );
    expect(linesIn(page, 'facts').slice(3, 6)).toEqual([
      '  State  source unreachable since 11:59:07Z',
      '         connection refused',
      '  Since  Sat 2026-11-21 11:59:07 UTC, 53 s',
    ]);
    expect(linesIn(page, 'log')).toEqual(['it has written nothing']);
  });

  test('outside the fleet has no unit to be stopped, and its log elsewhere', () => {
    const worker = aWorker({ unit: '', machine: '', detail: 'copying' });
    const page = open(
      { kind: 'worker', worker: worker.worker },
      {
        found: { report: worker, log: [] },
        cargo: { workers: [worker] },
      },
    );
    expect(linesIn(page, 'facts').slice(0, 3)).toEqual([
      `     Id  ${worker.worker}`,
      '   Unit  none: it runs outside the fleet',
      '  State  copying tiles',
    ]);
    expect(linesIn(page, 'log')).toEqual(['it runs outside the fleet: its log is where it was started']);
    expect(page.about).toEqual({});
  });

  test('what was looked up of another one is not shown', () => {
    const other = { ...detail, worker: 'another' };
    const opened = { of: other, kind: 'worker', trouble: null, ...found } as const;
    const snapshot = { ...aSnapshot(aCargo([BUSY], { workers: [WORKER] })), opened };
    const page = pageOf(snapshot, { ...FIRST_STATE, details: [detail] });
    expect(linesIn(page, 'log')).toEqual(['asking for it']);
  });
});

describe('an image', () => {
  const detail = { kind: 'image', migration: 'zoom', image: 'abc' } as const;
  const found = {
    image: { ...STANDING, descriptor: 'withheld' },
    failures: [failure()],
    attempts: [anAttempt({ count: 3, attempt: 5 })],
  } as const;

  test('geometry, levels, what is stored of it, what fails', () => {
    const page = open(detail, { found, cargo: { workers: [aWorker()] } });
    expect(title(page)).toBe('image  abc  withheld  of zoom');
    expect(linesIn(page, 'facts')).toEqual([
      '      Size  2,000 x 1,500 px',
      '     Tiles  73 of 256 px with an overlap of 1, jpg',
      '    Stored  68 tiles, 1.2 MB',
      '    Failed  3',
      '   To come  2',
      'Descriptor  withheld, as tiles failed (retry them, or accept the image)',
      `    Digest  ${'ab'.repeat(16)}`,
      '    Number  0',
    ]);
    expect(linesIn(page, 'states').slice(0, 5)).toEqual([
      'level             px  tiles  first',
      '   11  2,000 x 1,500  8 x 6     25',
      '   10    1,000 x 750  4 x 3     13',
      '    9      500 x 375  2 x 2      9',
      '    8      250 x 188  1 x 1      8',
    ]);
    expect(linesIn(page, 'failures')).toEqual(['11/7_1 and 2 more | write-http-503 | 503 | 5']);
    expect(linesIn(page, 'history')).toEqual([
      '11:59:55Z | 11/7_1 and 2 more | http-404 | 404 | 5 | for good | zh-import-blobs@1',
    ]);
    expect(tableIn(page, 'failures').columns.map(({ head }) => head)).toEqual([
      ...['TILE', 'REASON', 'STATUS', 'ATTEMPTS'],
    ]);
  });

  test('of which nothing failed', () => {
    const image = { ...STANDING, failed: 0, stored: 73, descriptor: 'released' } as const;
    const page = open(detail, { found: { image, failures: [], attempts: [] } });
    expect(linesIn(page, 'facts')).toContain('Descriptor  released: published, or on its way');
    expect(tableIn(page, 'failures').empty).toBe('no failure of it stands');
    expect(tableIn(page, 'history').empty).toBe('nothing of it has failed lately');
  });

  test.each([
    [[], undefined, ['the migration has no such image']],
    [
      [failure({ lane: 'images', reason: 'http-404', first: 0, count: 1 })],
      undefined,
      ['it could not be planned: http-404', 'reading from the source: answered with status 404'],
    ],
    [[], 'Redis is away', ['Redis is away']],
  ])('that is not there: %j, %s', (failures, trouble, lines) => {
    const page = open(detail, {
      found: { image: null, failures, attempts: [] },
      ...(trouble === undefined ? {} : { trouble }),
    });
    expect(linesIn(page, 'facts')).toEqual(lines);
  });

  test('before it was looked up', () => {
    expect(linesIn(open(detail, { found: null }), 'facts')).toEqual(['asking for it']);
  });
});

describe('the failures of a migration', () => {
  const detail = { kind: 'failures', migration: 'zoom', filter: {} } as const;
  const failures = [
    failure(),
    failure({ image: 'not-read', first: 0, count: 1 }),
    failure({ lane: 'images', image: 'x', first: 0, count: 1, reason: 'bad-id', status: 0, attempt: 1 }),
  ];
  const found = { failures, matching: 5, images: new Map([['abc', IMAGE]]) };

  test('all that stand, and how many for which reason', () => {
    const page = open(detail, { found });
    expect(title(page).trim()).toBe('failures  of zoom');
    expect(blockOf(page, 'failures').title).toBe('Failures: 5 items');
    expect(linesIn(page, 'failures')).toEqual([
      'abc | 11/7_1 and 2 more | write-http-503 | 503 | 5',
      'not-read | tile 0 | write-http-503 | 503 | 5',
      'x | id | bad-id | - | 1',
    ]);
    expect(linesIn(page, 'facts')).toEqual([
      '60 | http-404 | reading from the source: answered with status 404',
      '14 | truncated | reading from the source: the body is shorter than promised',
    ]);
    expect(page.about).toEqual({ migration: 'zoom' });
    // What arrow keys move in at first.
    expect(page.blocks[0]?.id).toBe('failures');
  });

  test.each([
    [5, 'Failures: 5 items'],
    [1_204_113, 'Failures: 5 of 1,204,113 items'],
    [null, 'Failures: 5 items, and more'],
  ])('of %s that match', (matching, words) => {
    expect(blockOf(open(detail, { found: { ...found, matching } }), 'failures').title).toBe(words);
  });

  test('filtered and marked', () => {
    const state = { filters: { failures: 'NOT-' }, marked: ['tiles 0 1 not-read'] };
    const page = open({ ...detail, filter: { reason: 'write-http-503', lane: 'tiles' } }, { found, state });
    expect(title(page)).toBe('failures  of zoom  reason=write-http-503 lane=tiles');
    expect(blockOf(page, 'failures').title).toBe('Failures: 5 items, 1 marked');
    expect(linesIn(page, 'failures')).toEqual(['not-read | tile 0 | write-http-503 | 503 | 5']);
  });

  test('a row can be tried again, or all of a reason', () => {
    const page = open(detail, { found });
    expect(tableIn(page, 'failures').rows.map(({ about }) => about)).toEqual([
      { migration: 'zoom', failure: { lane: 'tiles', image: 'abc', range: { first: 40, end: 43 } } },
      { migration: 'zoom', failure: { lane: 'tiles', image: 'not-read', range: { first: 0, end: 1 } } },
      { migration: 'zoom' },
    ]);
    expect(tableIn(page, 'facts').rows[0]).toMatchObject({
      opens: { kind: 'failures', migration: 'zoom', filter: { reason: 'http-404' } },
      about: { migration: 'zoom', failure: { reason: 'http-404' } },
    });
  });

  test('none, not read yet, or not to be read now', () => {
    const none = { failures: [], matching: 0, images: new Map() };
    expect(tableIn(open(detail, { found: none }), 'failures').empty).toBe('no failure stands');
    const filtered = open({ ...detail, filter: { status: 503 } }, { found: none });
    expect(tableIn(filtered, 'failures').empty).toBe('no failure stands with status=503');
    expect(tableIn(open(detail, { found: null }), 'failures').empty).toBe('asking for them');
    const unread = open(detail, {
      found: { failures: [], matching: null, images: new Map() },
      trouble: 'no answer for 3 s',
    });
    expect(blockOf(unread, 'failures').title).toBe('Failures: nothing was read yet');
    expect(tableIn(unread, 'failures').empty).toBe('nothing was read yet');
    expect(open(detail, { found, trouble: 'no answer for 3 s' }).alarms.map(tonesOf)).toEqual([
      ['failures cannot be read now: no answer for 3 s (bad)'],
    ]);
  });
});

describe('a failure', () => {
  const { lane, image, first, count } = failure();
  const detail = { kind: 'failure', migration: 'zoom', failure: { lane, image, first, count } } as const;
  const attempts = [
    anAttempt({ count: 3, attempt: 5, reason: 'write-http-503', status: 503 }),
    anAttempt({
      count: 3,
      attempt: 4,
      reason: 'timeout',
      status: 0,
      final: false,
      at: NOW - 90_000,
      worker: '',
    }),
  ];
  const found = { record: failure(), attempts, image: { ...STANDING, descriptor: 'withheld' } } as const;

  test('which tiles by key and where, why, what was tried, and what t would do', () => {
    const page = open(detail, { found, cargo: { workers: [aWorker()] } });
    expect(title(page)).toBe('failure  11/7_1 and 2 more of abc  stands  in zoom');
    expect(linesIn(page, 'facts')).toEqual([
      'Image | abc',
      'What | 11/7_1 and 2 more  numbers 40-42',
      'Reason | write-http-503  writing at the destination: answered with status 503',
      'Now | failed for good: t puts 3 tiles back to work, with no attempts counted',
      'Attempts | 5 of 5',
      'Status | HTTP 503',
      'Source | azure://zoom/content/abc_files/11/7_1.jpg',
      'Destination | swift://zoom/dzis/abc_files/11/7_1.jpg',
      'Up to | abc_files/11/1_2.jpg',
    ]);
    expect(linesIn(page, 'history')).toEqual([
      '11:59:55Z | 5 | 11/7_1 and 2 more | write-http-503 | 503 | for good | zh-import-blobs@1',
      '11:58:30Z | 4 | 11/7_1 and 2 more | timeout | - | again later | its claim was lost',
    ]);
    expect(page.about).toEqual({
      migration: 'zoom',
      failure: { lane: 'tiles', image: 'abc', range: { first: 40, end: 43 } },
    });
    expect(tableIn(page, 'facts').rows[0]?.opens).toEqual({ kind: 'image', migration: 'zoom', image: 'abc' });
    expect(tableIn(page, 'history').rows.map(({ opens }) => opens)).toEqual([
      { kind: 'worker', worker: attempts[0]?.worker },
      null,
    ]);
  });

  const now = (
    change: Partial<typeof detail.failure>,
    told: Partial<Found<'failure'>>,
  ): string | undefined => {
    const of = { ...detail, failure: { ...detail.failure, ...change } };
    return linesIn(open(of, { found: { ...found, ...told } }), 'facts').find((line) =>
      line.startsWith('Now'),
    );
  };
  test.each([
    [{ count: 1 }, {}, 'Now | failed for good: t puts 1 tile back to work, with no attempts counted'],
    [
      { lane: 'descriptors', first: 0, count: 1 },
      {},
      'Now | failed for good: t puts the descriptor back to work, with no attempts counted',
    ],
    [{ lane: 'images', first: 0, count: 1 }, { image: null }, 'Now | zh-populate, run again, tries it again'],
    [{ lane: 'checks' }, {}, 'Now | the next round of zh-verify checks it again'],
    [{}, { record: null, attempts: [anAttempt({ final: false })] }, 'Now | it is tried again by itself'],
    [{}, { record: null }, 'Now | settled since, or tried again now'],
  ] satisfies [Partial<FailureRecord>, Partial<Found<'failure'>>, string][])(
    '%j %j: %s',
    (change, told, words) => {
      expect(now(change as Partial<typeof detail.failure>, told)).toBe(words);
    },
  );

  test('that is settled since', () => {
    const page = open(detail, { found: { ...found, record: null, attempts: [] } });
    expect(title(page)).toBe('failure  11/7_1 and 2 more of abc  stands no more  in zoom');
    expect(tableIn(page, 'history').empty).toBe('no attempt is remembered: the last few hundred are');
  });

  test('before it was looked up, and of a migration that Redis lost', () => {
    expect(linesIn(open(detail, { found: null }), 'facts')).toEqual([
      ...['Image | abc', 'What | tiles 40-42  numbers 40-42', 'Now | asking for it'],
    ]);
    const lost = { ...detail, migration: 'lost' };
    expect(linesIn(open(lost, { found }), 'facts')).toContain('Attempts | 5');
  });

  test('where the object of a strange name is, is told as a location is typed', () => {
    const of = {
      ...detail,
      failure: { ...detail.failure, lane: 'descriptors', image: 'a b/50%?#' },
    } as const;
    expect(linesIn(open(of, { found }), 'facts')).toContain(
      'Source | azure://zoom/content/a b/50%25%3F%23.dzi',
    );
  });
});

test('nothing that comes from outside can speak to the terminal', () => {
  const evil = 'abc\x1b[2J\x07\r\n\u202e{red-fg}';
  const image = {
    image: { ...IMAGE, id: evil, format: evil },
    ...{ stored: 1, failed: 1, bytes: 1, digest: evil },
  };
  const bad = failure({ image: evil, reason: evil });
  const attempts = [anAttempt({ image: evil, reason: evil, worker: evil })];
  const whole = { ...image, descriptor: 'withheld' } as const;
  const worker = aWorker({ worker: evil, unit: evil, machine: evil, detail: `copying; ${evil}` });
  const trouble = evil;
  const pages = [
    open({ kind: 'worker', worker: evil }, { found: { report: worker, log: [evil] }, trouble }),
    open(
      { kind: 'image', migration: evil, image: evil },
      { found: { image: whole, failures: [bad], attempts }, trouble },
    ),
    open(
      { kind: 'failures', migration: evil, filter: { reason: evil } },
      { found: { failures: [bad], matching: 1, images: new Map() }, trouble },
    ),
    open(
      { kind: 'failure', migration: evil, failure: bad },
      { found: { record: bad, attempts, image: whole }, trouble },
    ),
  ];
  for (const page of pages) {
    const text = spansOf(page).map((span) => span.text);
    expect(text.join(' ')).toContain('abc\ufffd[2J');
    expect(text.join(' ')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  }
});

test('keys of a migration that is over do not pause it', () => {
  const cargo = aCargo([aMigration({ finished: true })]);
  const detail = { kind: 'failures', migration: 'zoom', filter: {} } as const;
  const { keys } = pageOf(aSnapshot(cargo), { ...FIRST_STATE, details: [detail] });
  expect(keys.map(([key]) => key)).not.toContain('p');
  expect(keys.map(([key]) => key)).toContain('t');
});
