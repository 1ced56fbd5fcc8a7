import { expect, test } from 'vitest';
import { frameText } from '../../../../cli/dashboard/frame-text.js';
import { layOut } from '../../../../cli/dashboard/layout.js';
import { migrationPage } from '../../../../cli/dashboard/migration-page.js';
import type { BlockId } from '../../../../cli/dashboard/page.js';
import { FIRST_STATE } from '../../../../cli/dashboard/state.js';
import {
  aCargo,
  aMigration,
  anAttempt,
  aSnapshot,
  aWorker,
  BUSY,
  COUNTS,
} from '../../../support/made-up-cargo.js';

/** 1.2 billion tiles, a round of verification, a store away, three migrations, 64 workers: all that there can be to say. */
const VERIFIED = {
  ...BUSY,
  verification: {
    options: { sample: 1, read: true, unpublish: false },
    ...{ round: 2, finished: false, startedAt: BUSY.now - 60_000, finishedAt: null },
    checks: { ...COUNTS, total: 1_201_200_000, done: 301_200_000, ready: 900_000_000 },
    images: { matched: 1, restarted: 1, unproven: 0 },
  },
};
const workers = Array.from({ length: 64 }, (_, at) =>
  aWorker({
    worker: `${at}`,
    unit: `zh-import-blobs@${at + 1}.service`,
    state: at === 3 ? 'source unreachable' : 'copying',
  }),
);
const failures = Array.from({ length: 50 }, (_, at) => anAttempt({ at: BUSY.now - at * 1000 }));
const full = migrationPage(
  aSnapshot(aCargo([VERIFIED, aMigration({}, 'b'), aMigration({}, 'c')], { workers, failures })),
  FIRST_STATE,
);
const ALL: readonly BlockId[] = [
  ...(['progress', 'states', 'facts', 'tiles-rate', 'bytes-rate', 'latency'] as const),
  ...(['workers', 'failures', 'migrations'] as const),
];

test.each([
  [140, 45, ALL],
  [100, 30, ['progress', 'states', 'tiles-rate', 'bytes-rate', 'latency', 'workers', 'failures']],
  [80, 24, ['progress', 'states', 'workers', 'failures']],
  [60, 15, ['progress', 'workers']],
] satisfies [number, number, readonly BlockId[]][])('%i x %i shows %j', (columns, rows, ids) => {
  const frame = layOut(full, FIRST_STATE, { columns, rows });
  expect(frame.panels.map(({ id }) => id)).toEqual(ids);
});

test.each([
  [140, 45],
  [100, 30],
  [80, 24],
])('%i x %i cuts no number of the states', (columns, rows) => {
  const text = frameText(layOut(full, FIRST_STATE, { columns, rows }));
  for (const lane of [VERIFIED.tiles, VERIFIED.descriptors, VERIFIED.verification.checks])
    for (const count of Object.values(lane)) expect(text).toContain(` ${count.toLocaleString('en')}`);
});

test('80 x 24 says which workers they are', () => {
  const text = frameText(layOut(full, FIRST_STATE, { columns: 80, rows: 24 }));
  expect(text).toMatch(/zh-import-blobs@1 .*\n.*zh-import-blobs@2 /);
});

test('too small for blocks, the most important is there', () => {
  expect(frameText(layOut(full, FIRST_STATE, { columns: 59, rows: 6 })).split('\n')).toEqual([
    'zoom  running  1 of 3 migrations  azure://zoom/content to …',
    'source unreachable since 11:59:00Z (1 of 64 workers): copy…',
    '91.6 %  23 h 48 min left at the rate of the last minute',
    '1,100,000,000 of 1,200,000,000 tiles',
    '2,000.0 tiles/s, 5.0 MB/s',
    expect.stringContaining('p pause'),
    '',
  ]);
});

test('a filter in force is told where rows are missing', () => {
  const state = { ...FIRST_STATE, filters: { workers: '@64' } };
  const filtered = migrationPage(aSnapshot(aCargo([BUSY], { workers })), state);
  expect(frameText(layOut(filtered, state, { columns: 80, rows: 24 }))).toContain(
    '┌ Workers: 64, 1 away, by name, with "@64" ─',
  );
});
