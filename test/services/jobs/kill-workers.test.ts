import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { joinDigests, tileDigest } from '../../../jobs/digest.js';
import { tileCount } from '../../../jobs/pyramid.js';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import { type Running, startJob } from '../../support/migration-processes.js';
import { testRedis, useGround } from '../../support/services.js';
import { keysOf, startTileSource, tileBody } from '../../support/tile-source.js';
import { until } from '../../support/until.js';

const KILLS = 20;
const REDIS_KILLS = [7, 14];
const WORKERS = 3;
const SEED = Number(process.env.TEST_SEED ?? 20_261_121);
const IMAGES = ['one', 'two', 'three', 'four', 'five'].map((id, i) => ({
  id,
  geometry: { width: 2600 + 137 * i, height: 3100 - 301 * i, tileSize: 100, overlap: 1, format: 'jpg' },
}));
/** The source answers the first requests for every 40th tile with 503 and 500, and never has two tiles of one image. */
const REFUSALS = 5;
const isFlaky = (index: number): boolean => index % 40 === 17;
const MISSING = ['three_files/12/0_0.jpg', 'three_files/12/1_0.jpg'];

const ground = useGround('kill-workers');

test(`${KILLS} workers and a Redis twice are killed in one migration, and every tile is counted once`, {
  timeout: 300_000,
}, async () => {
  console.log(`seed ${SEED} (TEST_SEED)`);
  const random = fc.sample(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), {
    seed: SEED,
    numRuns: 1000,
  });
  const chance = (): number => random.pop()!;

  const redis = await testRedis(ground);
  const source = await startTileSource();
  afterAll(() => source.close());
  const flaky = new Set<string>();
  for (const { id, geometry } of IMAGES) {
    source.addImage(id, geometry);
    keysOf(id, geometry).forEach((key, i) => void (isFlaky(i) && flaky.add(key)));
  }
  source.put('total.txt', IMAGES.map(({ id }) => `${id}:7\n`).join(''));
  source.fault = (key, times) => {
    if (MISSING.includes(key)) return { kind: 'status', status: 404 };
    if (flaky.has(key) && times <= REFUSALS) return { kind: 'status', status: times === 1 ? 503 : 500 };
    return { kind: 'slow', ms: 30 };
  };

  const queue = new RedisQueue({ locate: () => Promise.resolve(redis.url), timeoutMs: 2_000 });
  afterAll(() => queue.close());
  const destination = join(ground.dir, 'destination');
  mkdirSync(destination);
  await queue.createMigration({
    name: 'zoom',
    source: source.url,
    destination: `file://${destination}`,
    ...{
      rangeSize: 100,
      maxAttempts: 5,
      stopAfterFailures: 0.01,
      stopAfterTiles: 10_000,
      serverSide: 'auto' as const,
      incomplete: 'withhold' as const,
    },
  });
  const env = { REDIS_URL: redis.url, ZH_LOG_LEVEL: 'info' };
  const start = (): Running => startJob(ground, 'import-blobs', ['--concurrency', '8'], env);
  const status = () => until('Redis to answer', () => queue.status('zoom').catch(() => null));

  expect(await startJob(ground, 'populate', [], env).ended).toBe(0);
  const total = IMAGES.reduce((sum, { geometry }) => sum + tileCount(geometry), 0);
  expect((await status()).tiles).toMatchObject({ total, ready: total });

  const workers = Array.from({ length: WORKERS }, start);
  startJob(ground, 'upload-dzis', [], env);
  const step = Math.floor(total / (KILLS + 5));
  let delayedSeen = 0;
  for (let kill = 1; kill <= KILLS; kill++) {
    const target = (await status()).tiles.done + step * (0.5 + chance() / 2);
    await until(
      `tiles to be copied before kill ${kill}`,
      async () => {
        const { tiles } = await status();
        delayedSeen = Math.max(delayedSeen, tiles.delayed);
        return tiles.done >= target && tiles.claimed > 0;
      },
      60_000,
    );
    const victim = Math.floor(chance() * WORKERS);
    await workers[victim]!.kill();
    workers[victim] = start();
    if (!REDIS_KILLS.includes(kill)) continue;
    await redis.kill();
    await redis.restart();
  }

  const end = await until(
    'the migration to finish',
    async () => {
      const now = await status();
      return now.finished ? now : null;
    },
    180_000,
  );
  const here = IMAGES.flatMap(({ id, geometry }) => keysOf(id, geometry).slice(1)).filter(
    (key) => !MISSING.includes(key),
  );
  for (const key of here) expect(readFileSync(join(destination, key)).equals(tileBody(key)), key).toBe(true);
  for (const key of MISSING) expect(existsSync(join(destination, key)), key).toBe(false);
  expect(end.tiles).toEqual({
    ...{ total, ready: 0, claimed: 0, delayed: 0, skipped: 0 },
    ...{ done: total - MISSING.length, failed: MISSING.length },
  });
  expect(end.failures).toEqual({ 'http-404': MISSING.length });
  expect(end.images).toEqual({ total: IMAGES.length, published: IMAGES.length - 1, withheld: 1, refused: 0 });
  const descriptors = IMAGES.map(({ id }) => id).filter((id) => id !== 'three');
  for (const { id } of IMAGES)
    expect(existsSync(join(destination, `${id}.dzi`)), id).toBe(descriptors.includes(id));
  const bytes = [...here, ...descriptors.map((id) => `${id}.dzi`)].map(
    (key) => readFileSync(join(destination, key)).length,
  );
  expect(end.bytes).toBe(bytes.reduce((sum, size) => sum + size, 0));
  expect(end.digest).toBe(joinDigests(expectedDigests()));
  // The test means something only if the kills hit claims half done while tiles were delayed.
  expect(end.reclaimed).toBeGreaterThan(0);
  expect(delayedSeen).toBeGreaterThan(0);
});

function* expectedDigests(): Generator<string> {
  for (const { id, geometry } of IMAGES)
    for (const [index, key] of keysOf(id, geometry).slice(1).entries())
      if (!MISSING.includes(key))
        yield tileDigest(index, createHash('md5').update(tileBody(key)).digest('hex'));
}
