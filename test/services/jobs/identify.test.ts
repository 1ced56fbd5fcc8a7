import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import type { MigrationStatus } from '../../../jobs/work-queue.js';
import { type Running, startJob } from '../../support/migration-processes.js';
import { inspect } from '../../support/queue-inspector.js';
import { type TestServer, testRedis, useGround } from '../../support/services.js';
import { startTileSource, type TileSource } from '../../support/tile-source.js';
import { until } from '../../support/until.js';

/** zh-populate with a real Redis, over HTTP. */
const ground = useGround('identify');
const SMALL = { width: 100, height: 100, tileSize: 254, overlap: 1, format: 'jpg' };
let redis: TestServer;
let source: TileSource;
let queue: RedisQueue;
let name: string;
let migrations = 0;

beforeAll(async () => {
  redis = await testRedis(ground);
  source = await startTileSource();
  queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 5_000 });
});
beforeEach(async () => {
  name = await migration();
  source.fault = () => null;
});
afterAll(async () => {
  await queue.close();
  await source.close();
});

async function migration(): Promise<string> {
  const created = `m${++migrations}`;
  mkdirSync(join(ground.dir, created));
  await queue.createMigration({
    ...{ name: created, source: source.url, destination: `file://${join(ground.dir, created)}` },
    ...{ rangeSize: 100, maxAttempts: 3, stopAfterFailures: 0.01, stopAfterTiles: 10_000 },
    ...{ serverSide: 'auto', incomplete: 'withhold' },
  });
  return created;
}

const start = (...args: string[]): Running =>
  startJob(ground, 'populate', ['--migration', name, ...args], { REDIS_URL: redis.url });
const status = async (): Promise<MigrationStatus> => (await queue.status(name))!;
const logOf = (job: Running): string => readFileSync(join(ground.dir, `${job.name}.log`), 'utf8');

/** A list of ids as a file here, and a descriptor for each. */
function listed(file: string, ids: readonly string[]): string {
  for (const id of ids) source.addImage(id, SMALL);
  const path = join(ground.dir, file);
  writeFileSync(path, ids.map((id) => `${id}:1\n`).join(''));
  return path;
}

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}`);

async function plannedIds(): Promise<string[]> {
  const ids: string[] = [];
  for await (const { image } of queue.images(name)) ids.push(image.id);
  return ids;
}

test('several at once, over the same list and over another, add each image once and count exactly', async () => {
  const ids = numbered('s', 600);
  const one = listed('one.txt', [...ids, 's0', 's599']);
  const other = listed('other.txt', [...ids.slice(300), ...numbered('t', 100)]);
  writeFileSync(other, `${readFileSync(other, 'utf8')}absent\n`);
  source.fault = (key) => (key.endsWith('.dzi') ? { kind: 'slow', ms: 20 } : null);
  const jobs = [start('--ids', one), start('--ids', one), start('--ids', other)];
  expect(await Promise.all(jobs.map(({ ended }) => ended))).toEqual([0, 0, 0]);
  expect(await status()).toMatchObject({
    planClosed: true,
    planOpen: [],
    images: { total: 700, refused: 1 },
    tiles: { total: 700 * 8, ready: 700 * 8 },
  });
  expect(new Set(await plannedIds()).size).toBe(700);
  const inspector = inspect(redis.url);
  expect((await inspector.states(name, 'tiles')).flat()).toEqual(
    Array.from({ length: 700 * 8 }, () => 'ready'),
  );
  await inspector.close();
  const added = jobs.map((job) => Number(/"added":(\d+)/.exec(logOf(job))?.[1]));
  expect(added[0]! + added[1]! + added[2]!).toBe(700);
}, 60_000);

test('the plan stays open as long as another list is', async () => {
  await queue.beginPlan(name, 'a list of somebody else');
  const job = start('--ids', listed('mine.txt', ['mine']));
  expect(await job.ended).toBe(0);
  expect(await status()).toMatchObject({ planClosed: false, planOpen: ['a list of somebody else'] });
  expect(logOf(job)).toContain('the plan stays open for a list of somebody else');
  await queue.closePlan(name, 'a list of somebody else');
});

test('over a planned migration adds what is new and tries what was refused, if it is named', async () => {
  const path = listed('grows.txt', ['g1', 'g2', 'later']);
  source.put('later.dzi', 'not yet');
  expect(await start('--ids', path).ended).toBe(0);
  expect(await status()).toMatchObject({
    images: { total: 2, refused: 1 },
    failures: { 'not-a-descriptor': 1 },
  });
  listed('grows.txt', ['new', 'g1', 'g2', 'later']);
  const before = source.requests.length;
  const again = start('--ids', path);
  expect(await again.ended).toBe(0);
  // Both are asked for at once, over two connections.
  expect(new Set(source.requests.slice(before).filter((key) => key.endsWith('.dzi')))).toEqual(
    new Set(['new.dzi', 'later.dzi']),
  );
  expect(logOf(again)).toContain('"known":2,"added":2,"duplicates":0,"refused":0');
  expect(await status()).toMatchObject({ planClosed: true, images: { total: 4, refused: 0 }, failures: {} });
  expect(await plannedIds()).toEqual(['g1', 'g2', 'new', 'later']);
});

test('without a name does nothing if no plan is open', async () => {
  const alone = await testRedis(ground, { name: 'alone' });
  const itsQueue = new RedisQueue({ locate: async () => alone.url, timeoutMs: 5_000 });
  await itsQueue.createMigration((await status()).definition);
  await itsQueue.closePlan(name, null);
  await itsQueue.close();
  const job = startJob(ground, 'populate', [], { REDIS_URL: alone.url });
  expect(await job.ended).toBe(0);
  expect(logOf(job)).toContain('nothing to do: no plan is open');
});

test('plans the first ids of a list that match', async () => {
  const path = listed('many.txt', ['aX1', 'b1', 'ax1', 'a2', 'a3', 'a4', 'a5']);
  const job = start(
    '--ids',
    path,
    '--match',
    'a*',
    '--match',
    'b?',
    '--exclude',
    '*X*',
    '--exclude',
    '?[24]',
    '--top',
    '3',
  );
  expect(await job.ended).toBe(0);
  expect(await plannedIds()).toEqual(['b1', 'ax1', 'a3']);
  expect(logOf(job)).toContain('"listed":5,"filtered":2');
  expect(logOf(job)).toContain(
    `many.txt --match \\"a*\\" --match \\"b?\\" --exclude \\"*X*\\" --exclude \\"?[24]\\" --top 3`,
  );
});

test.each([
  [['--match', 'a['], '--match: expected a pattern of *, ?, [a-z] and [!a-z], got "a["'],
  [['--exclude', 'b\\'], '--exclude: expected a pattern of *, ?, [a-z] and [!a-z], got "b\\"'],
  [['--top', '0'], '--top: expected a whole number from 1'],
  [['--discover', '--ids', 'x'], '--discover (ZH_DISCOVER) and --ids x (ZH_IDS) are two lists'],
  [['--source', 'file:///x'], '--source (ZH_SOURCE) goes with --dry-run only'],
  [['--rate', '5'], '--rate (ZH_RATE) goes with --dry-run only'],
])('with %j exits 2 with one sentence', async (args, words) => {
  const job = start(...args);
  expect(await job.ended).toBe(2);
  expect(logOf(job)).toMatch(/^zh-populate: [^\n]+\n$/);
  expect(logOf(job)).toContain(words);
});

describe('while it plans', () => {
  const ids = numbered('w', 400);

  function startSlowly(): Running {
    const path = listed('slow.txt', ids);
    source.fault = (key) => (key.endsWith('.dzi') ? { kind: 'slow', ms: 400 } : null);
    return start('--ids', path, '--listen', '127.0.0.1:0');
  }
  const total = async (): Promise<number> => (await status()).images.total;
  const begun = (): Promise<unknown> => until('images to be added', async () => (await total()) > 0);

  test('a pause holds it, and resuming lets it go on', async () => {
    const before = source.requests.length;
    const job = startSlowly();
    await begun();
    await queue.pause(name, 'the test');
    await until('it to say so', () =>
      logOf(job).includes('holding the planning: the migration is paused (the test)'),
    );
    // What was being read is added, and no more is read.
    const held = await until('the rest to be added', async () => {
      const read = source.requests.slice(before).filter((key) => key.endsWith('.dzi')).length;
      return read === (await total()) ? read : null;
    });
    expect(held).toBeLessThan(ids.length);
    await queue.resume(name);
    expect(await job.ended).toBe(0);
    expect(await status()).toMatchObject({ planClosed: true, images: { total: ids.length } });
  });

  test('cancelling the migration ends it with one sentence', async () => {
    const job = startSlowly();
    await begun();
    await queue.cancel(name, 'the test');
    expect(await job.ended).toBe(1);
    expect(logOf(job)).toMatch(/^zh-populate: migration \S+ (was|is) cancelled/m);
  });

  test('a Redis killed and started again is waited for, and what it lost is added again', async () => {
    const job = startSlowly();
    await begun();
    await redis.kill();
    await until('it to say so', () => logOf(job).includes('no answer, asking again: Redis at'), 20_000);
    await redis.restart();
    expect(await job.ended).toBe(0);
    expect(logOf(job)).toContain('going through the list again');
    expect(await status()).toMatchObject({ planClosed: true, images: { total: ids.length, refused: 0 } });
    expect(await plannedIds()).toEqual(ids);
  });

  test('told to stop it stops, the plan stays open, and started again it adds the rest', async () => {
    const job = startSlowly();
    await begun();
    job.child.kill('SIGTERM');
    expect(await job.ended).toBe(0);
    const { images, planClosed, planOpen } = await status();
    expect(planClosed).toBe(false);
    expect(planOpen).toEqual([join(ground.dir, 'slow.txt')]);
    expect(images.total).toBeLessThan(ids.length);
    source.fault = () => null;
    const again = start('--ids', join(ground.dir, 'slow.txt'));
    expect(await again.ended).toBe(0);
    expect(logOf(again)).toContain(`"known":${images.total},"added":${ids.length - images.total}`);
    expect(await plannedIds()).toEqual(ids);
  });

  test('its numbers and health can be asked for', async () => {
    source.addImage('w0', SMALL);
    const job = startSlowly();
    await begun();
    const address = /"address":"(http:[^"]+)"/.exec(logOf(job))?.[1] ?? 'not told';
    const health = await fetch(`${address}/healthz`);
    expect([health.status, await health.text()]).toEqual([200, expect.stringContaining('ok')]);
    const added = await until('images in the metrics', async () => {
      const text = await (await fetch(`${address}/metrics`)).text();
      expect(text).toContain('convoy_zh_planned_images_total{outcome="refused"} 0');
      return Number(/^convoy_zh_planned_images_total\{outcome="added"\} (\d+)$/m.exec(text)?.[1]);
    });
    expect(added).toBeLessThanOrEqual(await total());
    source.fault = () => null;
    expect(await job.ended).toBe(0);
  });
});
