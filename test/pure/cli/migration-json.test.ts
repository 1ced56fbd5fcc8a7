import * as v from 'valibot';
import { expect, test } from 'vitest';
import { FAILURE_FORMS, located } from '../../../cli/migration-failures.js';
import { IMAGE_FORMS } from '../../../cli/migration-images.js';
import { listedFailure, shownImage, shownWorker } from '../../../cli/migration-json.js';
import { ListedFailure, ShownImage, Worker } from '../../../cli/migration-output.js';
import { LATENCY_BOUNDS_MS } from '../../../jobs/latency.js';
import type {
  FailureRecord,
  Image,
  ImageStatus,
  OperatorQueue,
  WorkerReport,
} from '../../../jobs/work-queue.js';

/** Levels 0, 1 and 2 of one tile each, level 3 of four. */
const IMAGE: Image = {
  ...{ number: 4, id: 'a/b', tiles: 7, width: 8, height: 8, tileSize: 4, overlap: 1, format: 'png' },
};
const FAILURE: FailureRecord = {
  ...{ lane: 'tiles', image: 'a/b', first: 2, count: 3, reason: 'http-404', status: 404, attempt: 1 },
};

test.each([
  [{}, 'a/b_files/2/0_0.png', 'a/b_files/3/1_0.png'],
  [{ first: 6, count: 1 }, 'a/b_files/3/1_1.png', 'a/b_files/3/1_1.png'],
  [{ lane: 'checks', first: 6, count: 2 }, 'a/b_files/3/1_1.png', 'a/b.dzi'],
  [{ lane: 'descriptors', first: 0, count: 1 }, 'a/b.dzi', 'a/b.dzi'],
  [{ lane: 'images', first: 0, count: 1 }, 'a/b.dzi', 'a/b.dzi'],
] satisfies [Partial<FailureRecord>, string, string][])('%j: from %s to %s', (change, key, lastKey) => {
  const failure = listedFailure({ ...FAILURE, ...change }, IMAGE);
  expect(failure).toEqual({ ...FAILURE, ...change, key, lastKey });
  expect(v.is(ListedFailure, failure)).toBe(true);
});

test('tiles of an image that is not known have no keys, its descriptor has', () => {
  expect(listedFailure(FAILURE, null)).toMatchObject({ key: null, lastKey: null });
  expect(listedFailure({ ...FAILURE, lane: 'images' }, null)).toMatchObject({ key: 'a/b.dzi' });
});

test('an image tells its geometry, what is stored, failed and left', () => {
  const digest = '1'.repeat(32);
  const status: ImageStatus = { image: IMAGE, stored: 3, failed: 1, bytes: 9, digest, descriptor: 'waiting' };
  const { id, ...geometry } = IMAGE;
  const shown = shownImage(status);
  const rest = { stored: 3, failed: 1, left: 3, bytes: 9, digest, descriptor: 'waiting' };
  expect(shown).toEqual({ image: id, ...geometry, ...rest });
  expect(v.is(ShownImage, shown)).toBe(true);
});

test('a worker tells p50 and p99 of each store that it asked something, in ms', () => {
  const worker: WorkerReport = {
    ...{ worker: 'w', lane: 'tiles', unit: '', machine: '', state: 'copying', since: 0, detail: '' },
    ...{ done: 0, skipped: 0, failed: 0, bytes: 0, rate: 0, limit: 1 },
    latency: [
      { side: 'source', kind: 'azure', counts: LATENCY_BOUNDS_MS.map((ms) => (ms === 0.7 ? 3 : 0)) },
      { side: 'destination', kind: 'swift', counts: [] },
    ],
  };
  const shown = shownWorker(worker);
  expect(shown).toEqual({
    ...worker,
    since: '1970-01-01T00:00:00.000Z',
    latency: [{ side: 'source', kind: 'azure', requests: 3, p50Ms: 0.6, p99Ms: 0.7 }],
  });
  expect(v.is(Worker, shown)).toBe(true);
});

test('the columns of CSV are the fields of JSON', () => {
  expect(FAILURE_FORMS.fields).toEqual(Object.keys(ListedFailure.entries));
  expect(IMAGE_FORMS.fields).toEqual(Object.keys(ShownImage.entries));
});

test('an image is asked for once for a page of its failures, and not for a descriptor', async () => {
  const asked: string[] = [];
  const image: OperatorQueue['image'] = async (_, id) => {
    asked.push(id);
    return { image: { ...IMAGE, id }, stored: 0, failed: 0, bytes: 0, digest: '', descriptor: 'waiting' };
  };
  async function* failures(): AsyncIterable<FailureRecord> {
    for (let at = 0; at < 1_200; at++)
      yield { ...FAILURE, image: `i${Math.floor(at / 400)}`, first: at % 7, count: 1 };
    yield { ...FAILURE, image: 'd', lane: 'descriptors', first: 0, count: 1 };
  }
  const keys: (string | null)[] = [];
  for await (const { key } of located({ image } as OperatorQueue, 'm', failures())) keys.push(key);
  expect(keys).toHaveLength(1_201);
  expect(keys[8]).toBe('i0_files/1/0_0.png');
  expect(keys[1_200]).toBe('d.dzi');
  expect(new Set(asked)).toEqual(new Set(['i0', 'i1', 'i2']));
  expect(asked.length).toBeLessThan(8);
});
