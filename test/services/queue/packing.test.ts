import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tileCount } from '../../../jobs/pyramid.js';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import {
  type Checkpoint,
  type Claim,
  type FailureRecord,
  type ImageGeometry,
  LANES,
  type Lane,
  type WorkerReport,
  type WorkQueue,
} from '../../../jobs/work-queue.js';
import { definition, LONG, point, SMALL } from '../../contracts/queue-cases.js';
import { type Inspector, inspect } from '../../support/queue-inspector.js';
import { testRedis, useGround } from '../../support/services.js';

/** What keeps a migration of millions of images small in Redis, and its failures from stopping it. */
const ground = useGround('queue-packing');
let queue: WorkQueue;
let inspector: Inspector;
beforeAll(async () => {
  const redis = await testRedis(ground);
  queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 10_000 });
  inspector = inspect(redis.url);
});
afterAll(() => Promise.all([queue.close(), inspector.close()]));

/** 3,392 tiles. */
const WIDE: ImageGeometry = { width: 20_001, height: 8_003, tileSize: 254, overlap: 1, format: 'jpg' };
let tokens = 0;

const failed = (first: number): Omit<FailureRecord, 'lane' | 'image'> => ({
  ...{ first, count: 1, reason: `http-${400 + (first % 3)}`, status: 404, attempt: 1 },
});

it('keeps everything that grows with the images in packed hashes', async () => {
  const images = 600;
  await queue.createMigration(definition({ name: 'packed' }));
  const planned = Array.from({ length: images }, (_, index) => ({ id: `AbC${index}xyz`, geometry: SMALL }));
  await queue.addImages('packed', planned);
  const digest = 'f'.repeat(32);
  const settle = async (lane: Lane, change: Partial<Checkpoint>): Promise<void> => {
    for (let index = 0; index < images; index++) {
      const token = `${lane}-${index}`;
      const claim = await queue.claim({ token, lane, leaseMs: LONG, migration: 'packed' });
      if ('kind' in claim) throw new Error('nothing to claim');
      const next = point(1, claim.end, { digest, bytes: 2 ** 31, ...change });
      await queue.checkpoint(token, 'packed', next);
    }
  };
  await settle('tiles', { done: 7, skipped: 1, failed: [failed(3)] });
  await queue.closePlan('packed', null);
  await queue.beginVerification('packed', { sample: 1, read: true, unpublish: true });
  await settle('checks', {
    ...{ next: 4, done: 3, failed: [failed(3)], bytes: 0 },
    found: { blind: false, restart: false },
  });
  const keys = (await inspector.command('KEYS', 'convoy:m:packed:*:[0-9]*')) as string[];
  for (const kind of [
    ...[
      'ids',
      'rows',
      'open',
      'bad',
      'skipped',
      'bytes',
      'digest',
      'checked',
      'tiles:failed',
      'checks:failed',
    ],
  ])
    expect(keys.filter((key) => key.startsWith(`convoy:m:packed:${kind}:`))).not.toEqual([]);
  for (const key of keys)
    expect([key, await inspector.command('OBJECT', 'ENCODING', key)]).toEqual([key, 'listpack']);
  for (const lane of LANES) await inspector.states('packed', lane);
});

it('lists and requeues thousands of failures of one image, each once and in bounded steps', async () => {
  const geometry: ImageGeometry = { width: 20_000, height: 20_000, tileSize: 254, overlap: 1, format: 'jpg' };
  await queue.createMigration(definition({ name: 'big', rangeSize: 100_000, stopAfterFailures: 1 }));
  await queue.addImages('big', [{ id: 'a', geometry }]);
  const claim = await queue.claim({ token: 'b', lane: 'tiles', leaseMs: LONG, migration: 'big' });
  if ('kind' in claim) throw new Error('nothing to claim');
  const firsts = Array.from({ length: 4000 }, (_, place) => place * 2);
  await queue.checkpoint(
    'b',
    'big',
    point(1, claim.end, { done: claim.end - 4000, failed: firsts.map(failed) }),
  );
  const listed: FailureRecord[] = [];
  for await (const record of queue.failures('big', {})) listed.push(record);
  expect(listed.sort((a, b) => a.first - b.first)).toEqual(
    firsts.map((first) => ({ lane: 'tiles', image: 'a', ...failed(first) })),
  );
  const some = firsts.filter((first) => first % 3 === 1).length;
  expect(await queue.requeueFailures('big', { reason: 'http-401' })).toBe(some);
  await inspector.states('big', 'tiles');
  expect(await queue.requeueFailures('big', {})).toBe(4000 - some);
  await inspector.states('big', 'tiles');
  expect((await queue.status('big'))!).toMatchObject({ failures: {}, tiles: { ready: 4000, failed: 0 } });
});

it('keeps single failed tiles in some bytes each, told by many checkpoints and for several reasons', async () => {
  await queue.createMigration(definition({ name: 'single', rangeSize: 100_000, stopAfterFailures: 1 }));
  await queue.addImages('single', [{ id: 'a', geometry: WIDE }]);
  await queue.claim({ token: 's', lane: 'tiles', leaseMs: LONG, migration: 'single' });
  const firsts = Array.from({ length: 600 }, (_, place) => place * 5);
  for (let sequence = 1; sequence <= 60; sequence++) {
    const told = firsts.slice(sequence * 10 - 10, sequence * 10).map(failed);
    const next = sequence * 50;
    await queue.checkpoint('s', 'single', point(sequence, next, { done: 40, failed: told }));
  }
  await inspector.states('single', 'tiles');
  const listed: FailureRecord[] = [];
  for await (const record of queue.failures('single', {})) listed.push(record);
  expect(listed.sort((a, b) => a.first - b.first)).toEqual(
    firsts.map((first) => ({ lane: 'tiles', image: 'a', ...failed(first) })),
  );
  const key = 'convoy:m:single:tiles:failed:0';
  expect(await inspector.command('OBJECT', 'ENCODING', key)).toBe('listpack');
  expect(Number(await inspector.command('HLEN', key))).toBeLessThan(firsts.length / 8);
});

it('remembers attempts that failed in 40 kB for each migration, however many there are', async () => {
  const geometry: ImageGeometry = { width: 20_000, height: 20_000, tileSize: 254, overlap: 1, format: 'jpg' };
  await queue.createMigration(definition({ name: 'failing', rangeSize: 100_000, stopAfterFailures: 1 }));
  await queue.addImages('failing', [{ id: 'AbCdE', geometry }]);
  const token = `${randomUUID()}-1234567`;
  const claim = await queue.claim({ token, lane: 'tiles', leaseMs: LONG, migration: 'failing' });
  if ('kind' in claim) throw new Error('nothing to claim');
  const each = (from: number) => Array.from({ length: 2000 }, (_, place) => failed(from + place * 2));
  const delayed = each(4000).map((range) => ({ ...range, delayMs: LONG }));
  await queue.checkpoint(token, 'failing', point(1, 8000, { done: 4000, failed: each(0), delayed }));
  expect((await queue.status('failing'))!.tiles).toMatchObject({ failed: 2000, delayed: 2000 });
  expect(await queue.newestFailures('failing', 5000)).toHaveLength(200);
  const bytes = await inspector.command('MEMORY', 'USAGE', 'convoy:m:failing:attempts', 'SAMPLES', 0);
  expect(Number(bytes)).toBeLessThan(40_000);
});

it('begins to verify a million checks by a cursor, and takes images into the lane as they are asked for', async () => {
  const images = 300;
  await queue.createMigration(definition({ name: 'round', rangeSize: 10_000 }));
  const planned = Array.from({ length: images }, (_, index) => ({ id: `i${index}`, geometry: WIDE }));
  await queue.addImages('round', planned);
  const settle = async (lane: Lane, found: Checkpoint['found']): Promise<Claim | null> => {
    const claim = await queue.claim({
      token: `round-${++tokens}`,
      lane,
      leaseMs: LONG,
      migration: 'round',
    });
    if ('kind' in claim) return null;
    const done = claim.end - claim.first;
    await queue.checkpoint(claim.token, 'round', point(1, claim.end, { done, found }));
    return claim;
  };
  for (const lane of ['tiles', 'descriptors'] as const) while ((await settle(lane, null)) !== null);
  await queue.closePlan('round', null);
  await queue.beginVerification('round', { sample: 1, read: false, unpublish: false });
  const listed = async (): Promise<number> =>
    Number(await inspector.command('LLEN', 'convoy:m:round:checks:ready'));
  const tiles = tileCount(WIDE);
  expect(tiles * images).toBeGreaterThan(1_000_000);
  expect([await listed(), (await queue.status('round'))!.verification!.checks.ready]).toEqual([
    0,
    (tiles + 1) * images,
  ]);
  let most = 0;
  const checked: (readonly [number, number, number])[] = [];
  for (;;) {
    const claim = await settle('checks', { blind: false, restart: false });
    if (claim === null) break;
    checked.push([claim.image.number, claim.first, claim.end]);
    most = Math.max(most, await listed());
  }
  expect(checked).toEqual(planned.map((_, image) => [image, 0, tiles + 1]));
  expect(most).toBeLessThan(64);
  expect((await queue.status('round'))!.verification).toMatchObject({
    finished: true,
    images: { matched: images },
  });
});

it('shows all images a page at a time, in the order added', async () => {
  const ids = Array.from({ length: 513 }, (_, index) => `i${index}`);
  await queue.createMigration(definition({ name: 'listed' }));
  await queue.addImages(
    'listed',
    ids.map((id) => ({ id, geometry: SMALL })),
  );
  const listed: string[] = [];
  for await (const { image } of queue.images('listed')) listed.push(image.id);
  expect(listed).toEqual(ids);
});

it('reads, and compares, a definition from before copies between stores and incomplete images as one with the defaults', async () => {
  await queue.createMigration(definition({ name: 'old' }));
  const stored = (await inspector.command('HGET', 'convoy:m:old:meta', 'definition')) as string;
  expect(JSON.parse(stored)).not.toHaveProperty('serverSide');
  expect(JSON.parse(stored)).not.toHaveProperty('incomplete');
  expect((await queue.status('old'))?.definition).toMatchObject({
    serverSide: 'auto',
    incomplete: 'withhold',
  });
  expect(await queue.createMigration(definition({ name: 'old' }))).toBe('exists');
});

it('reads what a worker from before latencies says of itself as without any', async () => {
  const report = {
    ...{ worker: 'old', lane: 'tiles' as const, unit: '', machine: '', state: 'idle' as const, since: 1 },
    ...{ detail: '', done: 0, skipped: 0, failed: 0, bytes: 0, rate: 0, limit: 1 },
  };
  await queue.report(report as WorkerReport, LONG);
  expect(await queue.workers()).toEqual([{ ...report, latency: [] }]);
});
