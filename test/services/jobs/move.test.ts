import { afterEach, describe, expect, test } from 'vitest';
import type { ImageGeometry, Lane, MigrationDefinition } from '../../../jobs/work-queue.js';
import { createWorker, type Worker, type WorkerOptions, type WorkerOutcome } from '../../../jobs/worker.js';
import { systemClock } from '../../../runtime/clock.js';
import { permanent, transient } from '../../../runtime/errors.js';
import { silentLog } from '../../../runtime/log.js';
import { MemoryQueue } from '../../fakes/memory-queue.js';
import { openStubRoute, type StubStores, stubStores } from '../../support/stub-route.js';
import { until } from '../../support/until.js';

/** Workers with stores that do as told: how they divide themselves among migrations, what they wait for, when they end. */
const clock = systemClock();
const IMAGE: ImageGeometry = { width: 1600, height: 1600, tileSize: 100, overlap: 1, format: 'jpg' };
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close().catch(() => undefined);
});

interface Running {
  readonly worker: Worker;
  readonly ended: Promise<WorkerOutcome>;
  readonly stop: () => Promise<WorkerOutcome>;
}

function bench() {
  const queue = new MemoryQueue(clock);
  const all = new Map<string, StubStores>();
  let workers = 0;
  const open: WorkerOptions['openRoute'] = (definition, hooks) =>
    openStubRoute(all.get(definition.name)!, definition, hooks);
  return {
    queue,
    open,
    async migration(
      name: string,
      change: Partial<StubStores> = {},
      ids = ['a', 'b', 'c'],
    ): Promise<StubStores> {
      const definition: MigrationDefinition = {
        ...{ name, source: 'http://s', destination: 'file:///d', rangeSize: 100, maxAttempts: 3 },
        ...{ stopAfterFailures: 1, stopAfterTiles: 1000, serverSide: 'auto', incomplete: 'withhold' },
      };
      await queue.createMigration(definition);
      await queue.addImages(
        name,
        ids.map((id) => ({ id, geometry: IMAGE })),
      );
      await queue.closePlan(name, null);
      const stores = stubStores(change);
      all.set(name, stores);
      return stores;
    },
    start(lane: Lane = 'tiles', change: Partial<WorkerOptions> = {}): Running {
      const stopping = new AbortController();
      const worker = createWorker({
        ...{ queue, lane, id: `w${++workers}`, clock, random: Math.random, log: silentLog },
        ...{ concurrency: 16, skipExisting: false, untilEmpty: false, openRoute: open, ...change },
      });
      const ended = worker.run(stopping.signal);
      const stop = (): Promise<WorkerOutcome> => {
        stopping.abort();
        return ended;
      };
      closers.push(stop);
      return { worker, ended, stop };
    },
    tiles: async (name: string) => (await queue.status(name))!.tiles,
    copied(name: string): Promise<unknown> {
      const whole = async (): Promise<boolean> => {
        const { done, total } = (await queue.status(name))!.tiles;
        return done === total;
      };
      return until(`${name} to be copied`, whole, 30_000);
    },
  };
}

describe('many migrations side by side', () => {
  test('one whose destination is away takes no place from two that go on, and goes on itself later', async () => {
    const b = bench();
    const away = await b.migration('away', { delayMs: 5 });
    const { worker } = b.start();
    await until('it to be under way', async () => (await b.tiles('away')).done > 50);
    away.away = true;
    await until('it to be seen', () => worker.state.state === 'destination unreachable');
    const before = await b.tiles('away');
    const [x, y] = [await b.migration('x', { delayMs: 5 }), await b.migration('y', { delayMs: 5 })];
    await Promise.all([b.copied('x'), b.copied('y')]);
    // Its claims are kept, no attempt is counted, no more is claimed, and its stores are only probed.
    const now = await b.tiles('away');
    expect(now).toMatchObject({ ready: before.ready, failed: 0, delayed: 0 });
    expect(now.claimed).toBeGreaterThan(0);
    expect([away.inFlight, x.most > 4, y.most > 4]).toEqual([0, true, true]);
    expect(worker.state.detail).toContain('connection refused');
    away.away = false;
    await b.copied('away');
    expect((await b.queue.status('away'))!.reclaimed).toBe(0);
  });

  test('one that is away when the worker comes holds nobody up, and is told of beside the copying', async () => {
    const b = bench();
    await b.migration('away', { away: true });
    const slow = await b.migration('slow', { delayMs: 100 });
    const { worker } = b.start();
    await until('it to be seen', () =>
      worker.state.detail.includes('migration away: destination unreachable'),
    );
    await until('the other to be copied meanwhile', () => slow.requests.length > 20);
    expect(worker.state.state).toBe('copying');
  });

  test('a slow and a throttled one do not slow a fast one down', async () => {
    const b = bench();
    const slow = await b.migration('slow', { delayMs: 2_000 });
    const throttled = await b.migration('throttled', { delayMs: 50, throttles: true });
    await b.migration('fast', { delayMs: 1 });
    b.start('tiles', { concurrency: 12 });
    await b.copied('fast');
    expect(slow.most).toBeLessThanOrEqual(8);
    expect((await b.tiles('slow')).done).toBeLessThan(500);
    expect(throttled.requests.length).toBeGreaterThan(0);
  });

  test('never have more in flight together than --concurrency, also while one joins the others', async () => {
    const b = bench();
    const names = ['one', 'two', 'three'];
    let most = 0;
    const stores: StubStores[] = [];
    const { stop } = b.start('tiles', { concurrency: 10 });
    for (const name of names) {
      const added = await b.migration(name, { delayMs: 10 });
      stores.push(added);
      await until('it to be under way', () => {
        most = Math.max(
          most,
          stores.reduce((sum, { inFlight }) => sum + inFlight, 0),
        );
        return added.requests.length > 50;
      });
    }
    await stop();
    expect(most).toBeLessThanOrEqual(10);
    expect(most).toBeGreaterThan(5);
  });

  test('all have their turn when there are more of them than places', async () => {
    const b = bench();
    const stores = await Promise.all(
      ['one', 'two', 'three'].map((name) => b.migration(name, { delayMs: 20 })),
    );
    b.start('tiles', { concurrency: 1 });
    await until('each to have begun', () => stores.every(({ requests }) => requests.length > 5), 30_000);
    expect(Math.max(...stores.map(({ most }) => most))).toBe(1);
  });
});

test('the stores of a migration without work are closed after a while, and opened again when there is some', async () => {
  const b = bench();
  const stores = await b.migration('m');
  let ahead = 0;
  const hurried = { ...clock, steady: () => clock.steady() + ahead };
  const { worker } = b.start('tiles', { clock: hurried });
  await b.copied('m');
  await until('it to rest', () => worker.state.state === 'idle');
  expect(stores.closed).toBe(0);
  ahead = 61_000;
  await until('its stores to be closed', () => stores.closed === 1);
  await b.queue.addImages('m', [{ id: 'late', geometry: IMAGE }]);
  await b.copied('m');
  expect(stores.opened).toHaveLength(2);
});

describe('a limit', () => {
  test('of requests holds while it changes, and a pause ends the waiting within a second', async () => {
    const b = bench();
    const stores = await b.migration('m', { delayMs: 5 });
    await b.queue.limit('m', { requestsPerSecond: 0.5, bytesPerSecond: null });
    const { worker } = b.start();
    await until('the first', () => stores.requests.length >= 1);
    await b.queue.pause('m', 'a test');
    const paused = performance.now();
    await until('the pause', async () => (await b.tiles('m')).claimed === 0, 2_000);
    expect(stores.requests.length).toBeLessThanOrEqual(2);
    expect((await b.tiles('m')).done).toBe(stores.requests.length);

    await b.queue.limit('m', { requestsPerSecond: 50, bytesPerSecond: null });
    await b.queue.resume('m');
    const resumed = performance.now();
    await until('some more', () => stores.requests.length > 60);
    const seconds = (stores.requests.at(-1)! - resumed) / 1000;
    expect(stores.requests.filter((at) => at > resumed).length / seconds).toBeLessThanOrEqual(
      50 + 2 / seconds,
    );
    expect(paused).toBeLessThan(resumed);
    await b.queue.limit('m', { requestsPerSecond: null, bytesPerSecond: null });
    await b.copied('m');
    expect(worker.state.failed).toBe(0);
  });

  test('of bytes holds over the run, whatever an object weighs', async () => {
    const b = bench();
    const stores = await b.migration('m', { bytes: 10_000 }, ['a']);
    await b.queue.limit('m', { requestsPerSecond: null, bytesPerSecond: 1_000_000 });
    const start = performance.now();
    b.start();
    await b.copied('m');
    const seconds = (performance.now() - start) / 1000;
    // What is asked for before the first body has come, nobody can weigh.
    const first = 16 * 10_000;
    expect(stores.requests.length * 10_000).toBeLessThanOrEqual(1_000_000 * seconds + first);
  });

  test('of a worker, --max-rps, is one for all its migrations', async () => {
    const b = bench();
    const [x, y] = [await b.migration('x'), await b.migration('y')];
    const start = performance.now();
    const { stop } = b.start('tiles', { maxRps: 40 });
    await until('some', () => x.requests.length > 20 && y.requests.length > 20, 20_000);
    const seconds = (performance.now() - start) / 1000;
    expect(x.requests.length + y.requests.length).toBeLessThanOrEqual(40 * seconds + 1);
    await stop();
    expect((await b.tiles('x')).claimed).toBe(0);
  });
});

test('--skip-existing has every tile looked at first, and counts what is skipped', async () => {
  const b = bench();
  const stores = await b.migration('m');
  b.start('tiles', { skipExisting: true });
  await b.copied('m');
  expect(stores.lookedFirst).toBe((await b.tiles('m')).total);
});

describe('--until-empty', () => {
  test('ends once everything is settled, and says that nothing failed', async () => {
    const b = bench();
    await b.migration('m');
    expect(await b.start('tiles', { untilEmpty: true }).ended).toEqual({ failures: false });
    expect((await b.tiles('m')).ready).toBe(0);
  });

  test('ends at once where there is no migration', async () => {
    expect(await bench().start('tiles', { untilEmpty: true }).ended).toEqual({ failures: false });
  });

  test('waits while one is paused or its plan is open, and says so; failures are told', async () => {
    const b = bench();
    await b.migration('m');
    await b.queue.pause('m', 'maintenance');
    const { worker, ended } = b.start('tiles', { untilEmpty: true });
    await until('it to say so', () => worker.state.detail.includes('migration m is paused: maintenance'));
    await b.queue.beginPlan('m', 'more.txt');
    await b.queue.resume('m');
    await until('it to say so', () =>
      worker.state.detail.includes('the plan of migration m is open: more.txt'),
    );
    await b.queue.addImages('m', [{ id: 'broken', reason: 'http-404', status: 404 }]);
    await b.queue.closePlan('m', 'more.txt');
    expect(await ended).toEqual({ failures: true });
  });

  test('gives up, by the reason, once all that is left waits for a person to change something', async () => {
    const b = bench();
    await b.migration('m');
    await b.migration('n');
    const ended = b.start('tiles', {
      untilEmpty: true,
      openRoute: (definition, hooks) =>
        definition.name === 'm'
          ? Promise.reject(permanent('AZURE_STORAGE_KEY is wrong', { code: 'wrong-credentials' }))
          : b.open(definition, hooks),
    }).ended;
    await expect(ended).rejects.toThrow('migration m is not served: AZURE_STORAGE_KEY is wrong');
    expect(await b.tiles('m')).toMatchObject({ claimed: 0, done: 0 });
    await b.copied('n');
  });

  test('does not wait for a cancelled one', async () => {
    const b = bench();
    await b.migration('m', { delayMs: 50 });
    const { ended } = b.start('tiles', { untilEmpty: true });
    await until('it to be under way', async () => (await b.tiles('m')).done > 0);
    await b.queue.cancel('m', 'a test');
    expect(await ended).toEqual({ failures: false });
  });
});

test('a slow worker leaves to others the ranges that it cannot copy yet', async () => {
  const b = bench();
  await b.migration('m', { delayMs: 500 });
  b.start('tiles', { concurrency: 64 });
  await until('its first objects', async () => (await b.tiles('m')).done > 0);
  // Two ranges of 100: one is copied, the next is open.
  expect((await b.tiles('m')).claimed).toBeLessThanOrEqual(200);
});

test('a worker counts what the queue counts', async () => {
  const b = bench();
  await b.migration('m');
  await b.migration('n');
  const { worker } = b.start();
  await Promise.all([b.copied('m'), b.copied('n')]);
  const [m, n] = [await b.tiles('m'), await b.tiles('n')];
  await until('its claims to end', () => worker.state.state === 'idle');
  expect(worker.state).toMatchObject({ done: m.done + n.done, skipped: 0, failed: 0 });
  expect(worker.state.bytes).toBe((m.done + n.done) * 10);
  expect(worker.state.rate).toBeGreaterThan(0);
});

test('what is in flight when it is told to stop is given up in time, although a claim is not answered', async () => {
  const b = bench();
  const stores = await b.migration('m', { delayMs: 60_000 });
  await b.migration('other');
  let asked = 0;
  const claim = b.queue.claim.bind(b.queue);
  b.queue.claim = async (request) => {
    asked++;
    if (asked === 1) return claim({ ...request, migration: 'm' });
    await clock.sleep(8_000);
    throw transient('Redis does not answer');
  };
  const { stop } = b.start();
  await until('a claim that is not answered', () => asked > 1 && stores.inFlight > 0);
  const stopped = stop();
  await until('what is in flight to be given up', () => stores.inFlight === 0, 6_000);
  await stopped;
});
