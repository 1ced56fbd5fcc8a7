import { afterAll, beforeAll, expect, it } from 'vitest';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import type { FailureRecord, ImageGeometry, WorkQueue } from '../../../jobs/work-queue.js';
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

const failed = (first: number): Omit<FailureRecord, 'lane' | 'image'> => ({
  ...{ first, count: 1, reason: `http-${400 + (first % 3)}`, status: 404, attempt: 1 },
});

it('keeps everything that grows with the images in packed hashes', async () => {
  const images = 600;
  await queue.createMigration(definition({ name: 'packed' }));
  for (let index = 0; index < images; index++)
    await queue.addImages('packed', [{ id: `AbC${index}xyz`, geometry: SMALL }]);
  for (let index = 0; index < images; index++) {
    const token = `p${index}`;
    await queue.claim({ token, lane: 'tiles', leaseMs: LONG, migration: 'packed' });
    const digest = 'f'.repeat(32);
    await queue.checkpoint(token, 'packed', point(1, 9, { done: 8, digest, failed: [failed(index % 9)] }));
  }
  const keys = (await inspector.command('KEYS', 'convoy:m:packed:*:[0-9]*')) as string[];
  for (const kind of ['rows', 'open', 'bad', 'digest', 'ids', 'tiles:failed'])
    expect(keys.filter((key) => key.startsWith(`convoy:m:packed:${kind}:`))).not.toEqual([]);
  for (const key of keys)
    expect([key, await inspector.command('OBJECT', 'ENCODING', key)]).toEqual([key, 'listpack']);
  await inspector.states('packed', 'tiles');
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

it('reads, and compares, a definition from before copies between stores as one with auto', async () => {
  await queue.createMigration(definition({ name: 'old' }));
  const stored = (await inspector.command('HGET', 'convoy:m:old:meta', 'definition')) as string;
  expect(JSON.parse(stored)).not.toHaveProperty('serverSide');
  expect((await queue.status('old'))?.definition.serverSide).toBe('auto');
  expect(await queue.createMigration(definition({ name: 'old' }))).toBe('exists');
});
