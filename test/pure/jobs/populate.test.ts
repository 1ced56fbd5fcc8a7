import { beforeEach, describe, expect, test } from 'vitest';
import type { ImageList } from '../../../jobs/image-list.js';
import { type PlanOutcome, type PopulateOptions, populate } from '../../../jobs/populate.js';
import type { PlanQueue } from '../../../jobs/work-queue.js';
import { systemClock } from '../../../runtime/clock.js';
import { conflict, permanent, transient } from '../../../runtime/errors.js';
import { silentLog } from '../../../runtime/log.js';
import { NO_PROPERTIES } from '../../../stores/store.js';
import { MemoryQueue } from '../../fakes/memory-queue.js';
import { type MemoryStore, memoryStore } from '../../fakes/memory-store.js';
import { descriptorBody } from '../../support/tile-source.js';

const GEOMETRY = { width: 600, height: 400, tileSize: 254, overlap: 1, format: 'jpg' };
const clock = { ...systemClock(), sleep: () => Promise.resolve() };
const never = new AbortController().signal;
let memory: MemoryQueue;
let source: MemoryStore;
let outcomes: Partial<Record<PlanOutcome, number>>;

beforeEach(async () => {
  memory = new MemoryQueue(clock);
  source = memoryStore();
  outcomes = {};
  await memory.createMigration({
    ...{ name: 'm', source: 'http://127.0.0.1/x', destination: 'file:///x', rangeSize: 100 },
    ...{ maxAttempts: 3, stopAfterFailures: 0.01, stopAfterTiles: 10_000 },
    ...{ serverSide: 'auto', incomplete: 'withhold' },
  });
});

function put(key: string, body = descriptorBody(GEOMETRY)): void {
  const bytes = Buffer.from(body);
  source.objects.set(key, { ...NO_PROPERTIES, bytes, size: bytes.length, md5: null, modifiedMs: null });
}

function listOf(...pages: readonly string[][]): ImageList {
  return {
    name: 'the list',
    async *pages() {
      for (const ids of pages)
        yield { listed: ids.length + 1, images: ids.map((id) => ({ id, refusal: null })) };
    },
  };
}

function run(list: ImageList, changed: Partial<PopulateOptions> = {}) {
  return populate(
    {
      ...{ migration: 'm', queue: memory, list, source, clock, random: () => 0, log: silentLog },
      outage: { open: async () => undefined, blames: async () => false, served: () => undefined },
      whileRunning: async () => undefined,
      pause: () => Promise.reject(new Error('nothing is hopeless here')),
      onOutcome: (outcome) => {
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      },
      ...changed,
    },
    never,
  );
}

/** The memory queue with some of its methods in other hands. */
function queueWith(changed: Partial<PlanQueue>): PlanQueue {
  return {
    beginPlan: (...args) => memory.beginPlan(...args),
    knownImages: (...args) => memory.knownImages(...args),
    addImages: (...args) => memory.addImages(...args),
    closePlan: (...args) => memory.closePlan(...args),
    ...changed,
  };
}

async function planned(): Promise<string[]> {
  const ids: string[] = [];
  for await (const { image } of memory.images('m')) ids.push(image.id);
  return ids;
}

test('counts each id once: added, listed before, refused, not meant', async () => {
  for (const id of ['a', 'b', 'c']) put(`${id}.dzi`);
  put('html.dzi', '<html/>');
  const summary = await run(listOf(['a', 'a', 'missing', 'html'], ['b', '../x', 'missing', 'b', 'c']));
  expect(summary).toEqual({ listed: 11, filtered: 2, known: 0, added: 3, duplicates: 3, refused: 3 });
  expect(outcomes).toEqual({ added: 3, duplicates: 3, refused: 3 });
  expect(await memory.status('m')).toMatchObject({ planClosed: true, images: { total: 3, refused: 3 } });
});

test('an id that is refused and then added when it is listed again counts as both', async () => {
  put('a.dzi');
  let asked = 0;
  const late = {
    ...source,
    read: (key: string, limit: number) =>
      ++asked === 1 ? Promise.reject(permanent('gone', { code: 'forbidden' })) : source.read(key, limit),
  };
  expect(await run(listOf(['a', 'a']), { source: late })).toMatchObject({
    refused: 1,
    added: 1,
    duplicates: 0,
  });
  expect(await memory.status('m')).toMatchObject({ images: { total: 1, refused: 0 } });
});

test('goes over a list again without reading what is there, tries the refused anew, and opens the plan meanwhile', async () => {
  for (const id of ['a', 'b']) put(`${id}.dzi`);
  await run(listOf(['a', 'b', 'c', 'd']));
  put('c.dzi');
  const read: string[] = [];
  const open: boolean[] = [];
  const watched = {
    ...source,
    read: async (key: string, limit: number) => {
      read.push(key);
      open.push((await memory.status('m'))!.planClosed);
      return source.read(key, limit);
    },
  };
  const summary = await run(listOf(['new', 'a', 'b', 'c', 'd', 'a']), { source: watched });
  expect(read).toEqual(['new.dzi', 'c.dzi', 'd.dzi']);
  expect(open).toEqual([false, false, false]);
  expect(summary).toMatchObject({ known: 2, added: 1, refused: 2, duplicates: 1 });
  expect(await memory.status('m')).toMatchObject({ planClosed: true, images: { total: 3, refused: 2 } });
});

test('adds images in the order of the list, though a slow descriptor comes last', async () => {
  const ids = Array.from({ length: 300 }, (_, at) => `i${at}`);
  for (const id of ids) put(`${id}.dzi`);
  let read = 0;
  let all: (() => void) | undefined;
  const allOthers = new Promise<void>((resolve) => {
    all = resolve;
  });
  const slow = {
    ...source,
    read: async (key: string, limit: number) => {
      if (key === 'i0.dzi') await allOthers;
      else if (++read === ids.length - 1) all?.();
      return source.read(key, limit);
    },
  };
  await run(listOf(ids), { source: slow });
  expect(await planned()).toEqual(ids);
});

test('a Redis that loses its last second after the list was closed gets the lost part again', async () => {
  for (const id of ['a', 'b']) put(`${id}.dzi`);
  // The first closing is answered and then forgotten, with the second image.
  let closings = 0;
  const queue = queueWith({
    addImages: (name, images) =>
      closings === 0
        ? memory
            .addImages(
              name,
              images.filter(({ id }) => id !== 'b'),
            )
            .then((some) => [...some, 'added'])
        : memory.addImages(name, images),
    closePlan(name, list) {
      closings += 1;
      if (closings === 1) return Promise.resolve();
      if (closings === 2) return Promise.reject(conflict('Redis was started again', { code: 'restarted' }));
      return memory.closePlan(name, list);
    },
  });
  expect(await run(listOf(['a', 'b']), { queue })).toMatchObject({ known: 1, added: 1 });
  expect(await memory.status('m')).toMatchObject({ planClosed: true, images: { total: 2, refused: 0 } });
  expect(closings).toBe(4);
});

test('a queue that does not answer is asked again', async () => {
  put('a.dzi');
  const failing = new Set(['beginPlan', 'knownImages', 'addImages', 'closePlan']);
  const once = <T>(name: string, call: () => Promise<T>): Promise<T> =>
    failing.delete(name) ? Promise.reject(transient('Redis is away')) : call();
  const queue = queueWith({
    beginPlan: (...args) => once('beginPlan', () => memory.beginPlan(...args)),
    knownImages: (...args) => once('knownImages', () => memory.knownImages(...args)),
    addImages: (...args) => once('addImages', () => memory.addImages(...args)),
    closePlan: (...args) => once('closePlan', () => memory.closePlan(...args)),
  });
  expect(await run(listOf(['a']), { queue })).toMatchObject({ added: 1 });
  expect(failing.size).toBe(0);
  expect(await memory.status('m')).toMatchObject({ planClosed: true, images: { total: 1 } });
});

test('two at once over the same list add each image once, and the plan is closed when the last list is', async () => {
  const ids = Array.from({ length: 200 }, (_, at) => `i${at}`);
  for (const id of ids) put(`${id}.dzi`);
  const other = { ...listOf(ids.slice(100), ['late']), name: 'another list' };
  put('late.dzi');
  const summaries = await Promise.all([run(listOf(ids)), run(listOf(ids)), run(other)]);
  const sum = (of: PlanOutcome): number => summaries.reduce((total, summary) => total + summary[of], 0);
  expect(sum('added')).toBe(201);
  expect(sum('added') + sum('known')).toBe(200 + 200 + 101);
  expect(await memory.status('m')).toMatchObject({ planClosed: true, planOpen: [], images: { total: 201 } });
});

describe('a paused migration', () => {
  test('has nothing added until it runs', async () => {
    put('a.dzi');
    let resume: (() => void) | undefined;
    const held = run(listOf(['a']), {
      whileRunning: () =>
        new Promise<void>((resolve) => {
          resume = resolve;
        }),
      clock: { ...clock, steady: () => 0 },
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(await memory.status('m')).toMatchObject({ planClosed: false, images: { total: 0 } });
    resume?.();
    await new Promise((resolve) => setImmediate(resolve));
    // Once more before the list is closed.
    expect(await memory.status('m')).toMatchObject({ planClosed: false, images: { total: 1 } });
    resume?.();
    await held;
    expect(await memory.status('m')).toMatchObject({ planClosed: true });
  });

  test('is what becomes of one whose first hundred ids are all refused, once', async () => {
    const reasons: string[] = [];
    const pause = async (reason: string): Promise<void> => {
      reasons.push(reason);
    };
    await run(listOf(Array.from({ length: 250 }, (_, at) => `absent${at}`)), { pause });
    expect(reasons).toEqual([
      expect.stringMatching(/^none of the first 100 ids could be added, the last was not-found: /),
    ]);
    // Not where something was added, now or before.
    put('a.dzi');
    await run(
      listOf(
        ['a'],
        Array.from({ length: 250 }, (_, at) => `gone${at}`),
      ),
    );
    await run(
      listOf(
        ['a'],
        Array.from({ length: 250 }, (_, at) => `gone${at}`),
      ),
    );
  });
});

test('what a store keeps saying of one object is its own trouble, what it says of all is waited for', async () => {
  put('a.dzi');
  put('b.dzi');
  let asked = 0;
  let away = 5;
  const failing = {
    ...source,
    read: (key: string, limit: number) => {
      if (key === 'b.dzi') asked++;
      if (key === 'b.dzi') return Promise.reject(transient('busy', { status: 503 }));
      if (away-- > 0) return Promise.reject(transient('refused', { code: 'unreachable' }));
      return source.read(key, limit);
    },
  };
  const outage = {
    open: async () => undefined,
    blames: async (_: unknown, error: { code: string | undefined }) => error.code === 'unreachable',
    served: () => undefined,
  };
  await run(listOf(['a', 'b']), { source: failing, outage });
  expect(asked).toBe(3);
  expect(await memory.status('m')).toMatchObject({
    images: { total: 1, refused: 1 },
    failures: { 'http-503': 1 },
  });
});

test.each([
  ['a', 'a.dzc'],
  ['a.dzc', 'a.dzc'],
  ['a.DZC', 'a.DZC'],
])('the id %s whose file is the collection %s is refused as one', async (id, key) => {
  put(key, '<Collection/>');
  await run(listOf([id, 'b', 'b.dzc']));
  expect(await memory.status('m')).toMatchObject({ failures: { collection: 1, 'not-found': 2 } });
});
