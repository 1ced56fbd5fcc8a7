import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type TestContext, test } from 'vitest';
import { tileCount } from '../../../jobs/pyramid.js';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import type {
  FailureRecord,
  ImageGeometry,
  MigrationDefinition,
  MigrationStatus,
  WorkerReport,
} from '../../../jobs/work-queue.js';
import { joinDigests, tileDigest } from '../../support/digests.js';
import { freeze } from '../../support/freeze.js';
import { exitOf } from '../../support/migration-ground.js';
import { type JobProgram, type Running, startJob } from '../../support/migration-processes.js';
import { inspect } from '../../support/queue-inspector.js';
import { testRedis, useGround } from '../../support/services.js';
import { startFaultProxy } from '../../support/stores/fault-proxy.js';
import { startNginx } from '../../support/stores/nginx.js';
import { keysOf, startTileSource, tileBody } from '../../support/tile-source.js';
import { until } from '../../support/until.js';

/**
 * The drills that need one trouble alone: each with programs, a Redis and a source of its own. They mostly wait, and do so
 * side by side.
 */
type Images = Readonly<Record<string, ImageGeometry>>;

const ground = useGround('drills-outages');
const LEASE_MS = 15_000;
/** Generous: the machine may be busy. */
const LONG_MS = 120_000;
const square = (size: number): ImageGeometry => ({
  ...{ width: size, height: size, tileSize: 100, overlap: 1, format: 'jpg' },
});

test.concurrent('a destination that refuses for 20 s costs no attempt and no claim, and holds up no other migration', {
  timeout: 2 * LONG_MS,
}, async ({ onTestFinished }) => {
  const images = { one: square(2900), two: square(2100) };
  const drill = await openDrill('refuses', onTestFinished);
  const destination = await davDestination('refuses', onTestFinished);
  const { proxy } = destination;
  // A single attempt that counts would fail a tile for good.
  await drill.migrate('m', images, { destination: destination.location, maxAttempts: 1 });
  for (const args of [
    ['--concurrency', '8'],
    ['--concurrency', '16'],
  ])
    drill.start('import-blobs', args);
  drill.start('upload-dzis', []);
  await until('tiles to be copied', async () => (await drill.status('m')).tiles.done > 200, LONG_MS);

  const began = Date.now();
  const wellSoFar = async (): Promise<MigrationStatus> => {
    const now = await drill.status('m');
    expect(now).toMatchObject({ failures: {}, reclaimed: 0, tiles: { failed: 0, delayed: 0 } });
    expect(now.tiles.claimed).toBeGreaterThan(0);
    return now;
  };
  const unreachable = (): Promise<readonly WorkerReport[]> =>
    until(
      'both workers to say so',
      async () => {
        await wellSoFar();
        const workers = (await drill.queue.workers()).filter(({ lane }) => lane === 'tiles');
        return workers.length === 2 && workers.every(({ state }) => state === 'destination unreachable')
          ? workers
          : null;
      },
      LONG_MS,
    );
  const lasts = (ms: number): Promise<unknown> =>
    until(
      'the outage to last',
      async () => {
        await wellSoFar();
        return Date.now() - began > ms;
      },
      LONG_MS,
    );

  proxy.add({ fault: { kind: 'answer', status: 503, body: 'busy' } });
  const told = await unreachable();
  for (const { since, detail } of told) {
    expect(since).toBeGreaterThanOrEqual(began);
    expect(detail).toContain(`127.0.0.1:${proxy.port}`);
    expect(detail).toContain('503');
  }
  const others = ['other', 'another'];
  for (const name of others) await drill.migrate(name, { [name]: square(1200) });
  for (const name of others) await drill.finished(name);
  const { claimed, done } = (await wellSoFar()).tiles;
  await lasts(10_000);
  proxy.clear();
  proxy.add({ fault: { kind: 'reset', when: 'at-once' } });
  await lasts(20_000);
  expect(Date.now() - began).toBeGreaterThan(LEASE_MS);
  expect((await wellSoFar()).tiles).toMatchObject({ claimed, done });
  const since = (reports: readonly WorkerReport[]) =>
    reports.map((report) => [report.worker, report.since]).sort();
  const stillTold = await unreachable();
  expect(since(stillTold)).toEqual(since(told));
  proxy.clear();

  const end = await drill.finished('m');
  expectWhole(end, images, destination.root);
  expect(end.reclaimed).toBe(0);
});

test.concurrent('a frozen worker that is thawed after others have done its ranges starts nothing', {
  timeout: 2 * LONG_MS,
}, async ({ onTestFinished }) => {
  const images = { one: square(3000) };
  const drill = await openDrill('frozen', onTestFinished);
  const destination = await davDestination('frozen', onTestFinished);
  await drill.migrate('m', images, { destination: destination.location });
  // There are always tiles in flight whose bodies come while it is frozen ...
  drill.source.fault = (key) => (key.endsWith('.jpg') ? { kind: 'slow', ms: 100 } : null);
  const frozen = drill.start('import-blobs', ['--concurrency', '16']);
  await until(
    'it to be in the middle of a range',
    async () => {
      const { done, claimed } = (await drill.status('m')).tiles;
      return done > 50 && claimed > 60;
    },
    LONG_MS,
  );
  // ... and of those that are being written, the connections break while it is frozen.
  destination.proxy.add({ method: 'PUT', fault: { kind: 'hang', after: 'nothing' } });
  await until('some to be written', () => destination.proxy.struck > 0, LONG_MS);
  await freeze(frozen.child.pid!);
  destination.proxy.clear();
  const { claimed } = (await drill.status('m')).tiles;
  expect(claimed).toBeGreaterThan(0);
  expect(drill.logOf(frozen)).not.toContain('claim lost');

  drill.source.fault = () => null;
  drill.start('import-blobs', []);
  drill.start('upload-dzis', []);
  const finished = await drill.finished('m');
  expectWhole(finished, images, destination.root);
  expect(finished.reclaimed).toBe(claimed);
  const asked = (): number[] => [drill.source.requests.length, destination.proxy.requests];
  const before = asked();
  const said = drill.logOf(frozen).length;
  const untilSaid = (text: string): Promise<unknown> =>
    until(`it to say "${text}"`, () => drill.logOf(frozen).slice(said).includes(text), LONG_MS);

  // At first nobody tells it what it has lost: its own reckoning of the lease is all that holds it back.
  await drill.redis.freeze();
  process.kill(frozen.child.pid!, 'SIGCONT');
  await untilSaid('waiting: Redis at');
  drill.redis.thaw();
  await untilSaid('claim lost');
  await untilSaid('idle: finished');
  frozen.child.kill('SIGTERM');
  expect(await exitOf(frozen, LONG_MS)).toEqual({ code: 0 });
  expect(asked()).toEqual(before);
  // Nothing of what it did is counted twice.
  const { now, samples, ...counts } = finished;
  expect(await drill.status('m')).toMatchObject(counts);
});

test.concurrent('with a wrong base URL of tiles a migration pauses itself at little cost, and a retry completes it', {
  timeout: 2 * LONG_MS,
}, async ({ onTestFinished }) => {
  const images = { one: square(5600), two: square(5600), three: square(5600) };
  const RANGE = 500;
  const ranges = Object.values(images).reduce((sum, each) => sum + Math.ceil(tileCount(each) / RANGE), 0);
  const drill = await openDrill('wrong', onTestFinished);
  const folder = await drill.migrate('m', images, { rangeSize: RANGE });
  const memory = inspect(drill.redis.url);
  onTestFinished(() => memory.close());
  const held = async (): Promise<number> => Number(await memory.command('EVAL', BYTES_HELD, 0));
  const before = await held();

  drill.source.fault = (key) => (key.endsWith('.jpg') ? { kind: 'status', status: 404 } : null);
  for (let i = 0; i < 2; i++) drill.start('import-blobs', []);
  drill.start('upload-dzis', []);
  const paused = await until(
    'the pause',
    async () => {
      const now = await drill.status('m');
      return now.state === 'paused' && now.tiles.claimed === 0 ? now : null;
    },
    LONG_MS,
  );
  const { failed, total } = paused.tiles;
  expect(total).toBeGreaterThan(12_000);
  expect(failed).toBeGreaterThanOrEqual(10_000);
  expect(failed).toBeLessThan(total);
  expect(paused.reason).toMatch(
    /^10\d\d\d of 10\d\d\d tiles failed \(more than 1 %\), the last with http-404$/,
  );
  expect(paused).toMatchObject({ failures: { 'http-404': failed }, tiles: { done: 0, delayed: 0 } });
  const records: FailureRecord[] = [];
  for await (const record of drill.queue.failures('m', {})) records.push(record);
  const grown = (await held()) - before;
  console.log(`${failed} failed tiles: ${records.length} records, ${grown} bytes more in Redis`);
  expect(records.reduce((sum, { count }) => sum + count, 0)).toBe(failed);
  expect(records.length).toBeLessThanOrEqual(ranges);
  // A record of each tile would take more than half a megabyte.
  expect(grown).toBeLessThan(50_000);

  drill.source.fault = () => null;
  expect(await drill.queue.requeueFailures('m', {})).toBe(failed);
  await drill.queue.resume('m');
  expectWhole(await drill.finished('m'), images, folder);
});

/** Of all keys, with what Redis needs to keep them. */
const BYTES_HELD = `
  local bytes = 0
  for _, key in ipairs(redis.call('KEYS', '*')) do
    bytes = bytes + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0)
  end
  return bytes`;

/** A Redis, a source and programs for one drill; they end with it. */
async function openDrill(name: string, onTestFinished: TestContext['onTestFinished']) {
  const redis = await testRedis(ground, { name: `redis-${name}` });
  const source = await startTileSource();
  const queue = new RedisQueue({ locate: () => Promise.resolve(redis.url), timeoutMs: 5_000 });
  const jobs: Running[] = [];
  onTestFinished(async () => {
    await Promise.all(jobs.map((job) => job.kill()));
    await Promise.all([queue.close(), source.close()]);
  });
  const start = (job: JobProgram, args: readonly string[]): Running => {
    const running = startJob(ground, job, args, { REDIS_URL: redis.url });
    jobs.push(running);
    return running;
  };
  const status = async (migration: string): Promise<MigrationStatus> => (await queue.status(migration))!;
  return {
    ...{ redis, source, queue, start, status },
    /** Creates a migration and has zh-populate plan the images; answers its folder, which is its destination by default. */
    async migrate(migration: string, images: Images, change: Partial<MigrationDefinition> = {}) {
      const folder = join(ground.dir, name, migration);
      mkdirSync(folder, { recursive: true });
      await queue.createMigration({
        ...{ name: migration, source: source.url, destination: `file://${folder}`, rangeSize: 100 },
        ...{ maxAttempts: 5, stopAfterFailures: 0.01, stopAfterTiles: 10_000 },
        ...{ serverSide: 'auto', incomplete: 'withhold', ...change },
      });
      for (const [id, geometry] of Object.entries(images)) source.addImage(id, geometry);
      const list = Object.keys(images).map((id) => `${id}:1\n`);
      source.put('total.txt', list.join(''));
      const populate = start('populate', ['--migration', migration]);
      expect(await exitOf(populate, LONG_MS)).toEqual({ code: 0 });
      return folder;
    },
    finished: (migration: string): Promise<MigrationStatus> =>
      until(
        `${migration} to finish`,
        async () => {
          const now = await status(migration);
          return now.finished ? now : null;
        },
        LONG_MS,
      ),
    logOf: (running: Running): string => readFileSync(join(ground.dir, `${running.name}.log`), 'utf8'),
  };
}

/** A folder written by WebDAV through a proxy. */
async function davDestination(name: string, onTestFinished: TestContext['onTestFinished']) {
  const nginx = await startNginx(ground, { name: `nginx-${name}` });
  const proxy = await startFaultProxy(nginx.url);
  onTestFinished(() => proxy.close());
  return { proxy, root: nginx.root, location: `webdav+${proxy.url}/dav` };
}

/** Every object is there, byte for byte and nothing else, and is counted once. */
function expectWhole(end: MigrationStatus, images: Images, folder: string): void {
  const keys = Object.entries(images).flatMap(([id, geometry]) => keysOf(id, geometry));
  const tiles = keys.filter((key) => !key.endsWith('.dzi'));
  for (const key of tiles) expect(readFileSync(join(folder, key)).equals(tileBody(key)), key).toBe(true);
  for (const id of Object.keys(images)) expect(existsSync(join(folder, `${id}.dzi`)), id).toBe(true);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  expect(files.length).toBe(keys.length);
  const none = { ready: 0, claimed: 0, delayed: 0, skipped: 0, failed: 0 };
  expect(end).toMatchObject({
    tiles: { ...none, total: tiles.length, done: tiles.length },
    descriptors: { ...none, total: keys.length - tiles.length, done: keys.length - tiles.length },
    images: { total: keys.length - tiles.length, published: keys.length - tiles.length },
    failures: {},
  });
  expect(end.bytes).toBe(keys.reduce((sum, key) => sum + readFileSync(join(folder, key)).length, 0));
  expect(end.digest).toBe(joinDigests(digestsOf(images)));
}

function* digestsOf(images: Images): Generator<string> {
  for (const [id, geometry] of Object.entries(images))
    for (const [index, key] of keysOf(id, geometry).slice(1).entries())
      yield tileDigest(index, createHash('md5').update(tileBody(key)).digest('hex'));
}
