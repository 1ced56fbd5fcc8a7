import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import type { MigrationStatus } from '../../../jobs/work-queue.js';
import { silentLog } from '../../../runtime/log.js';
import { openDestination } from '../../../stores/open.js';
import type { WritableStore } from '../../../stores/store.js';
import { definition } from '../../contracts/queue-cases.js';
import { type TestServer, testRedis, useGround } from '../../support/services.js';
import { startSwift } from '../../support/stores/swift.js';
import { descriptorBody, keysOf, tileBody } from '../../support/tile-source.js';
import { copyAll, copyByPrograms, zhVerify } from '../../support/verification.js';

/** Swift tells the MD5 of every object: nothing needs to be read to prove a migration. */
const IMAGE = { width: 300, height: 200, tileSize: 100, overlap: 1, format: 'jpg' };
const KEYS = (id: string): string[] => keysOf(id, IMAGE).slice(1);
const TILES = KEYS('x').length;
const IDS = ['a', 'b', 'c', 'd'];
const ground = useGround('verify-md5');
let redis: TestServer;
let queue: RedisQueue;
let env: Record<string, string>;
let destination: WritableStore;

beforeAll(async () => {
  const [server, swift] = await Promise.all([testRedis(ground), startSwift(ground)]);
  redis = server;
  queue = new RedisQueue({ locate: () => Promise.resolve(redis.url), timeoutMs: 5_000 });
  env = { REDIS_URL: redis.url, ST_AUTH: swift.authUrl, ST_USER: swift.user, ST_KEY: swift.key };
  const source = await openDestination('swift://source', { log: silentLog, env });
  destination = await openDestination('swift://destination', { log: silentLog, env });
  for (const store of [source, destination]) await store.createContainer();
  for (const id of IDS)
    for (const key of keysOf(id, IMAGE))
      await put(source, key, key.endsWith('.dzi') ? Buffer.from(descriptorBody(IMAGE)) : tileBody(key));
  await source.close();
}, 90_000);
afterAll(async () => {
  await destination.close();
  await queue.close();
});

async function put(store: WritableStore, key: string, bytes: Uint8Array): Promise<void> {
  const md5 = createHash('md5').update(bytes).digest('hex');
  await store.write(key, bytes, { contentType: 'image/jpeg', headers: {}, metadata: {}, md5 });
}

describe('zh-verify where the destination tells MD5s', () => {
  test('proves a migration without reading it, and only what is wrong is carried again', {
    timeout: 120_000,
  }, async () => {
    await queue.createMigration(
      definition({ source: 'swift://source', destination: 'swift://destination', serverSide: 'never' }),
    );
    await queue.addImages(
      'm',
      IDS.map((id) => ({ id, geometry: IMAGE })),
    );
    await queue.closePlan('m', null);
    await copyAll(queue, 'm', env);
    const before = (await queue.status('m')) as MigrationStatus;
    const clean = await zhVerify([], env);
    expect(clean.out).toContain('Images: 4 matched, 0 restarted, 0 unproven\nVerified:');
    expect(clean.code).toBe(0);

    await destination.remove(KEYS('a')[9]!);
    const other = tileBody(KEYS('b')[3]!);
    other[other.length - 1]! ^= 1;
    await put(destination, KEYS('b')[3]!, other);
    await put(destination, KEYS('c')[0]!, tileBody(KEYS('c')[0]!).subarray(0, 10));
    const { code, out } = await zhVerify(['--unpublish'], env);
    expect(code).toBe(1);
    expect(out).toContain(`  ${KEYS('a')[9]}: missing\n`);
    for (const id of ['b', 'c']) expect(out).toContain(`  ${id}.dzi: digest-differs\n`);
    expect(out).toContain('Images: 1 matched, 3 restarted, 0 unproven');
    for (const id of IDS) expect((await destination.head(`${id}.dzi`)) !== null, id).toBe(id === 'd');

    await copyByPrograms(ground, 'm', env);
    const after = (await queue.status('m')) as MigrationStatus;
    // What was there already was looked at, and left.
    expect(after.tiles).toMatchObject({ done: TILES + 3, skipped: 3 * TILES - 3, failed: 0 });
    expect(after.digest).toBe(before.digest);
    for (const key of [KEYS('a')[9]!, KEYS('b')[3]!, KEYS('c')[0]!])
      expect(tileBody(key).equals((await destination.read(key, 100_000)).bytes), key).toBe(true);
    const again = await zhVerify([], env);
    expect(again.out).toContain('Images: 4 matched, 0 restarted, 0 unproven\nVerified:');
    expect(again.code).toBe(0);

    // A sample is compared by what both stores tell.
    await put(destination, KEYS('b')[3]!, other);
    const sampled = await zhVerify(['--sample', '99.9%'], env);
    expect(sampled.out).toContain(`  ${KEYS('b')[3]}: different\n`);
    expect(sampled.code).toBe(1);
  });
});
