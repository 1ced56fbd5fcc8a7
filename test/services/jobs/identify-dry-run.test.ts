import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { REDIS_BASE_BYTES, redisBytesOf } from '../../../jobs/estimate.js';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import type { Lane, MigrationDefinition } from '../../../jobs/work-queue.js';
import { program } from '../../support/programs.js';
import { type Inspector, inspect } from '../../support/queue-inspector.js';
import { type TestServer, testRedis, useGround } from '../../support/services.js';
import { keysOf, startTileSource, type TileSource, tileBody } from '../../support/tile-source.js';

/** zh-populate --dry-run. */
const ground = useGround('identify-dry-run');
const IMAGE = { width: 300, height: 200, tileSize: 50, overlap: 1, format: 'jpg' };
const TILES = keysOf('a', IMAGE).slice(1);
const BYTES = ['a', 'b']
  .flatMap((id) => keysOf(id, IMAGE).slice(1))
  .reduce((sum, key) => sum + tileBody(key).length, 0);
let redis: TestServer;
let source: TileSource;
let queue: RedisQueue;
let inspector: Inspector;
let list: string;

beforeAll(async () => {
  redis = await testRedis(ground, { flags: ['--appendonly', 'no'] });
  source = await startTileSource();
  queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 5_000 });
  inspector = inspect(redis.url);
  for (const id of ['a', 'b']) source.addImage(id, IMAGE);
  list = join(ground.dir, 'ids.txt');
  writeFileSync(list, 'a:4\nb:2\na\nabsent\n../../etc\nskipped\n');
});
afterAll(async () => {
  await Promise.all([queue.close(), inspector.close(), source.close()]);
});

function definition(name: string): MigrationDefinition {
  const destination = join(ground.dir, name);
  mkdirSync(destination);
  return {
    ...{
      name,
      source: source.url,
      destination: `file://${destination}`,
      rangeSize: name === 'memory' ? 1000 : 10,
      maxAttempts: 3,
    },
    ...{ stopAfterFailures: 1, stopAfterTiles: 10_000, serverSide: 'auto', incomplete: 'withhold' },
  };
}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function dryRun(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const all = [program('jobs/populate-main.js'), '--dry-run', ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, all, { env: { PATH: process.env.PATH, ...env } }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

const EXPECTED = {
  ...{ listed: 6, filtered: 1, images: 2, duplicates: 1, refused: { 'http-404': 1, 'bad-id': 1 } },
  ...{ tiles: 2 * TILES.length, ranges: 2, rangeSize: 1000 },
  bytes: { descriptors: expect.any(Number), tiles: BYTES, plusMinus: 0 },
  sample: { tiles: 2 * TILES.length, missing: 0, unread: 0 },
  redisBytes: REDIS_BASE_BYTES + 2 * redisBytesOf('a'),
  times: [{ tilesPerSecond: 4, seconds: Math.ceil((2 * TILES.length) / 4) }],
};

test('needs no migration and no Redis with --source', async () => {
  const args = ['--source', source.url, '--ids', list, '--exclude', 'skip*'];
  const { code, stdout, stderr } = await dryRun([...args, '--rate', '4', '-o', 'json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({ source: source.url, list: `${list} --exclude "skip*"`, ...EXPECTED });
  const text = (await dryRun(args)).stdout;
  expect(text).toContain('Images        2\nDuplicates    1\nRefused       2: ');
  expect(text).toMatch(
    /\nTime {10}\d+ s at 100 tiles\/s\n {14}1 s at 1,000 tiles\/s\n {14}1 s at 10,000 tiles\/s\n$/,
  );
});

test('of a migration that is there writes nothing to Redis', async () => {
  const env = {
    REDIS_URL: redis.url,
    ZH_DRY_RUN: 'yes',
    ZH_OUTPUT: 'json',
    ZH_RATE: '4',
    ZH_EXCLUDE: 'skip*',
  };
  await queue.createMigration(definition('there'));
  const changes = async (): Promise<string | undefined> =>
    /rdb_changes_since_last_save:(\d+)/.exec(String(await inspector.command('INFO', 'persistence')))?.[1];
  const before = await changes();
  expect(Number(before)).toBeGreaterThan(0);
  const { code, stdout } = await dryRun(['--ids', list], env);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    ...EXPECTED,
    ...{ rangeSize: 10, ranges: 2 * Math.ceil(TILES.length / 10) },
  });
  expect(await changes()).toBe(before);
  expect(await queue.status('there')).toMatchObject({
    planClosed: false,
    planOpen: [],
    images: { total: 0 },
  });
});

test('of a migration that is not there says what to do, and does not wait for it', async () => {
  const { code, stderr } = await dryRun(['--migration', 'nowhere'], { REDIS_URL: redis.url });
  expect(code).toBe(1);
  expect(stderr).toBe(
    'zh-populate: there is no migration nowhere: name one with --migration, or the source with --source LOCATION\n',
  );
});

test('the memory it expects is what a real Redis takes', async () => {
  const used = async (): Promise<number> =>
    Number(/used_memory:(\d+)/.exec(String(await inspector.command('INFO', 'memory')))?.[1]);
  const before = await used();
  await queue.createMigration(definition('memory'));
  const ids = Array.from({ length: 10_000 }, (_, at) => `${at.toString(36)}Zx`);
  for (let at = 0; at < ids.length; at += 500)
    await queue.addImages(
      'memory',
      ids.slice(at, at + 500).map((id) => ({ id, geometry: IMAGE })),
    );
  await queue.closePlan('memory', null);
  await settleAll('tiles');
  await settleAll('descriptors');
  expect(await queue.status('memory')).toMatchObject({ finished: true, images: { published: ids.length } });
  // What is remembered of claims that have ended is gone after ten minutes.
  const claims = (await inspector.command('KEYS', 'convoy:claim:*')) as string[];
  for (let at = 0; at < claims.length; at += 1_000)
    await inspector.command('DEL', ...claims.slice(at, at + 1_000));
  const expected = REDIS_BASE_BYTES + ids.reduce((sum, id) => sum + redisBytesOf(id), 0);
  const took = (await used()) - before;
  expect(took / expected).toBeGreaterThan(0.75);
  expect(took / expected).toBeLessThan(1.25);
}, 120_000);

/** Claims everything ready in a lane and says that it is done. */
async function settleAll(lane: Lane): Promise<void> {
  let issued = 0;
  const work = async (worker: number): Promise<void> => {
    for (;;) {
      const token = `${lane}-${worker}-${++issued}`;
      const claim = await queue.claim({ token, lane, leaseMs: 60_000, migration: 'memory' });
      if ('kind' in claim) return;
      const done = claim.end - claim.first;
      await queue.checkpoint(token, 'memory', {
        ...{ sequence: 1, next: claim.end, bytes: done * 14_000, done, skipped: 0, failed: [], delayed: [] },
        ...{
          digest: lane === 'tiles' ? '5d41402abc4b2a76b9719d911017c592' : '0'.repeat(32),
          release: false,
          found: null,
        },
      });
    }
  };
  await Promise.all(Array.from({ length: 32 }, (_, worker) => work(worker)));
}
