import { afterEach, describe, expect, test } from 'vitest';
import { tileCount } from '../../../jobs/pyramid.js';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import { type ImageGeometry, type MigrationDefinition, NO_LIMIT } from '../../../jobs/work-queue.js';
import { createWorker, type Worker, type WorkerOptions, type WorkerOutcome } from '../../../jobs/worker.js';
import { systemClock } from '../../../runtime/clock.js';
import { kindOf } from '../../../runtime/errors.js';
import { type Log, silentLog } from '../../../runtime/log.js';
import { inspect } from '../../support/queue-inspector.js';
import { type TestServer, testRedis, useGround } from '../../support/services.js';
import { openStubRoute, type StubStores, stubStores } from '../../support/stub-route.js';
import { until } from '../../support/until.js';

/** What a worker makes of a real Redis in trouble, and of a limit that it shares with another. */
const ground = useGround('move-redis');
const clock = systemClock();
const IMAGE: ImageGeometry = { width: 1600, height: 1600, tileSize: 100, overlap: 1, format: 'jpg' };
const IDS = ['a', 'b', 'c', 'd'];
/** Shorter than the troubles here, so that leases run out in them as they would in a minute. */
const LEASE_MS = 1_500;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Running {
  readonly worker: Worker;
  readonly ended: Promise<WorkerOutcome>;
  readonly stop: () => Promise<WorkerOutcome>;
}

/** null: Redis is away, or not quite back. */
async function answered<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (kindOf(error) === 'transient') return null;
    throw error;
  }
}

let servers = 0;

async function bench() {
  const redis = await testRedis(ground, { name: `redis-${++servers}` });
  const said: string[] = [];
  const hear = (_: object, message: string): void => void said.push(message);
  const log: Log = { ...silentLog, info: hear, warn: hear, error: hear, child: () => log };
  const open = (): RedisQueue => {
    const queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 2_000 });
    closers.push(() => queue.close());
    return queue;
  };
  const queue = open();
  const all = new Map<string, StubStores>();
  const migration = async (
    name: string,
    change: Partial<StubStores> = {},
    destination = 'file:///d',
  ): Promise<StubStores> => {
    const definition: MigrationDefinition = {
      ...{ name, source: 'http://s', destination, rangeSize: 100, maxAttempts: 3 },
      ...{ stopAfterFailures: 1, stopAfterTiles: 1000, serverSide: 'auto', incomplete: 'withhold' },
    };
    await queue.createMigration(definition);
    await queue.addImages(
      name,
      IDS.map((id) => ({ id, geometry: IMAGE })),
    );
    await queue.closePlan(name, null);
    const stores = stubStores(change);
    all.set(name, stores);
    return stores;
  };
  let workers = 0;
  const start = (change: Partial<WorkerOptions> = {}): Running => {
    const stopping = new AbortController();
    const worker = createWorker({
      ...{ queue: open(), lane: 'tiles', id: `w${++workers}`, clock, random: Math.random, log },
      ...{ concurrency: 8, skipExisting: false, untilEmpty: false, leaseMs: LEASE_MS, ...change },
      openRoute: (definition, hooks) => openStubRoute(all.get(definition.name)!, definition, hooks),
    });
    const ended = worker.run(stopping.signal);
    const stop = (): Promise<WorkerOutcome> => {
      stopping.abort();
      return ended;
    };
    closers.push(stop);
    return { worker, ended, stop };
  };
  /** As the programs do, ranges are reclaimed meanwhile, and a Redis that has just come back may be slow to answer. */
  const copied = (name: string) =>
    until(
      `${name} to be copied`,
      async () => {
        const status = await answered(async () => {
          await queue.reclaim(100);
          return queue.status(name);
        });
        return status !== null && status.tiles.done === status.tiles.total ? status : null;
      },
      60_000,
    );
  return { redis, said, queue, migration, start, copied };
}

test('a pause survives a restart of Redis and of the workers, and so does a resume', async () => {
  const b = await bench();
  const stores = await b.migration('m', { delayMs: 5 });
  const first = b.start();
  await underWay(b);
  await b.queue.pause('m', 'maintenance');
  const claims = () => until('Redis to answer', () => answered(() => b.queue.status('m')));
  await until('the claims to be given back', async () => (await claims()).tiles.claimed === 0);
  await b.redis.kill();
  await b.redis.restart();
  await first.stop();
  const second = b.start();
  await until('it to hear that', () => second.worker.state.detail.includes('paused'));
  const paused = await claims();
  expect(paused).toMatchObject({ state: 'paused', reason: 'maintenance', tiles: { claimed: 0 } });
  const asked = stores.requests.length;
  await b.redis.kill();
  await b.redis.restart();
  expect((await claims()).state).toBe('paused');
  expect(stores.requests.length).toBe(asked);
  await b.queue.resume('m');
  await b.redis.kill();
  await b.redis.restart();
  expect((await b.copied('m'))?.state).toBe('running');
});

type Bench = Awaited<ReturnType<typeof bench>>;

async function underWay({ queue }: Bench): Promise<void> {
  await until('tiles to be copied', async () => (await queue.status('m'))!.tiles.done > 50);
}

describe('a Redis that is away for longer than the leases last', () => {
  const faults: [string, (redis: TestServer) => Promise<void>, (redis: TestServer) => Promise<void>][] = [
    ['killed and started again', (redis) => redis.kill(), (redis) => redis.restart()],
    ['frozen and thawed', (redis) => redis.freeze(), async (redis) => redis.thaw()],
  ];
  test.each(faults)(
    '%s: it is waited for, said once, and nothing is lost or counted twice',
    async (_, away, back) => {
      const b = await bench();
      const stores = await b.migration('m', { delayMs: 10 });
      const { worker } = b.start();
      await underWay(b);
      await away(b.redis);
      await until('the worker to say so', () =>
        worker.state.detail.includes('waiting: Redis at redis://127.0.0.1'),
      );
      const { since } = worker.state;
      // Its leases run out: nothing is started then, and what was is no more than a window for each of two claims.
      const before = stores.requests.length;
      await until('the leases to run out', () => Date.now() - since > 2 * LEASE_MS);
      const atRest = stores.requests.length;
      expect(atRest - before).toBeLessThanOrEqual(2 * 16);
      await back(b.redis);
      const status = await b.copied('m');
      expect(status.tiles).toMatchObject({ ready: 0, claimed: 0, delayed: 0, failed: 0 });
      await until('the worker to rest', () => worker.state.state === 'idle');
      const times = (text: string): number => b.said.filter((line) => line.includes(text)).length;
      expect([times('waiting: Redis'), times('the queue answers again')]).toEqual([1, 1]);
      expect(status.tiles.total).toBe(IDS.length * tileCount(IMAGE));
    },
  );
});

test('a Redis out of memory still hears of what is done: the migration ends', async () => {
  const b = await bench();
  await b.migration('m', { delayMs: 5 });
  b.start();
  await underWay(b);
  const admin = inspect(b.redis.url);
  closers.push(() => admin.close());
  await admin.command('CONFIG', 'SET', 'maxmemory', 1);
  await b.copied('m');
});

describe('an emptied Redis', () => {
  test('is named, never finished; others are served, and the migration is when it is created anew', async () => {
    const b = await bench();
    await b.migration('m', { delayMs: 10 });
    const { worker, ended } = b.start({ untilEmpty: true });
    let over = false;
    void ended.then(() => {
      over = true;
    });
    await underWay(b);
    const admin = inspect(b.redis.url);
    closers.push(() => admin.close());
    await admin.command('FLUSHALL');
    await until('the worker to say so', () => worker.state.detail.includes('Redis lost migration m'));
    await until('it to be at rest', () => worker.state.state === 'idle');
    expect(over).toBe(false);
    await b.migration('n', { delayMs: 10 });
    await until('others to be served', async () => (await b.queue.status('n'))!.tiles.done > 0);
    // What is left of it keeps the worker from ending before there is the other.
    await b.queue.pause('n', 'for a moment');
    // Elsewhere this time: what it was before must not be gone on with.
    const anew = await b.migration('m', {}, 'file:///e');
    await b.copied('m');
    await b.queue.resume('n');
    await b.copied('n');
    expect(anew.requests).toHaveLength(IDS.length * tileCount(IMAGE));
    expect(await ended).toEqual({ failures: false });
    expect(b.said.filter((line) => line.startsWith('not served: Redis lost'))).toHaveLength(1);
  });
});

describe('the limit of a migration', () => {
  test('is shared by its workers: together no more than it, also when it is changed or taken away', async () => {
    const b = await bench();
    const stores = await b.migration('m');
    await b.queue.limit('m', { ...NO_LIMIT, requestsPerSecond: 40 });
    const both = [b.start({ concurrency: 4 }), b.start({ concurrency: 4 })];
    // Each of the two begins with one, and makes up for a timer that was late, by 50 ms at most.
    const isWithin = (perSecond: number, times: readonly number[]): boolean =>
      times.length <= perSecond * ((times.at(-1)! - times[0]!) / 1000 + 0.05) + 2;
    const withinLimit = async (perSecond: number): Promise<void> => {
      const changed = performance.now();
      // A worker hears of its share with its next checkpoint, twice a second.
      await until('all to have heard of it', () => {
        const times = stores.requests.slice(-12);
        return performance.now() - changed > 1_200 && times[0]! > changed && isWithin(perSecond, times);
      });
      const before = stores.requests.length;
      await until('a dozen more', () => stores.requests.length >= before + 12);
      expect(stores.requests.slice(before)).toSatisfy((times) => isWithin(perSecond, times));
    };
    await until('both to be at work', () => both.every(({ worker }) => worker.state.state === 'copying'));
    await withinLimit(40);
    await b.queue.limit('m', { ...NO_LIMIT, requestsPerSecond: 10 });
    await withinLimit(10);
    await b.queue.limit('m', NO_LIMIT);
    await b.copied('m');
  });
});
