import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import type { FailureRecord } from '../../../jobs/work-queue.js';
import { joinDigests, tileDigest } from '../../support/digests.js';
import { freeze } from '../../support/freeze.js';
import { type Running, startJob } from '../../support/migration-processes.js';
import { testRedis, useGround } from '../../support/services.js';
import { type Fault, keysOf, startTileSource, tileBody } from '../../support/tile-source.js';
import { until } from '../../support/until.js';

/**
 * The great drill: 20,000 tiles, workers killed and frozen at random, Redis killed twice, a source that fails a
 * twentieth of all requests in every way a server can fail, and a tile that kills whoever asks for it.
 */
const SEED = Number(process.env.TEST_SEED ?? 20_261_121);
const WORKERS = 3;
const KILLS = 12;
const FREEZES = 3;
const REDIS_KILLS = [4, 9];
const IMAGES = ['one', 'two', 'three', 'four', 'five'].map((id, i) => ({
  id,
  geometry: { width: 5560 + 137 * i, height: 5700 - 301 * i, tileSize: 100, overlap: 1, format: 'jpg' },
}));
const KEYS = IMAGES.flatMap(({ id, geometry }) => keysOf(id, geometry).slice(1));
/** Tiles that can never be had, by why they are not. Whoever asks for the poisoned one dies; it comes early, as six leases pass. */
const ABSENT = ['three_files/12/0_0.jpg', 'three_files/12/1_0.jpg', 'three_files/13/5_5.jpg'];
const NO_IMAGES = ['one_files/13/2_9.jpg', 'four_files/11/3_3.jpg'];
const POISONED = 'one_files/13/7_7.jpg';
/** Well, but so slow that they are in flight whenever the poisoned one kills: nothing is their fault. */
const BESIDE = ['one_files/13/7_6.jpg', 'one_files/13/7_8.jpg'];

const ground = useGround('drills');

test('20,000 tiles arrive through every fault at once, and every tile is counted once', {
  timeout: 420_000,
}, async () => {
  console.log(`seed ${SEED} (TEST_SEED)`);
  const drawn = fc.sample(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), {
    seed: SEED,
    numRuns: 1000,
  });
  const chance = (): number => drawn.pop()!;

  const redis = await testRedis(ground);
  const source = await startTileSource();
  afterAll(() => source.close());
  for (const { id, geometry } of IMAGES) source.addImage(id, geometry);
  source.put('total.txt', IMAGES.map(({ id }) => `${id}:7\n`).join(''));
  const injected = new Map<string, number>();
  let poisonings = 0;
  source.fault = (key, times) => {
    if (ABSENT.includes(key)) return { kind: 'status', status: 404 };
    if (NO_IMAGES.includes(key)) return html(200);
    if (key === POISONED) return { kind: 'trap', onAsked: (port) => void poison(port) };
    if (BESIDE.includes(key)) return { kind: 'slow', ms: 3_000 };
    const fault = faultOf(key, times);
    if (fault !== null) injected.set(fault.name, (injected.get(fault.name) ?? 0) + 1);
    return fault?.fault ?? null;
  };

  const destination = join(ground.dir, 'destination');
  mkdirSync(destination);
  const queue = new RedisQueue({ locate: () => Promise.resolve(redis.url), timeoutMs: 2_000 });
  afterAll(() => queue.close());
  await queue.createMigration({
    ...{ name: 'zoom', source: source.url, destination: `file://${destination}` },
    ...{ rangeSize: 100, maxAttempts: 5, stopAfterFailures: 0.01, stopAfterTiles: 10_000 },
    ...{ serverSide: 'auto' as const, incomplete: 'withhold' as const },
  });
  const env = { REDIS_URL: redis.url, ZH_LOG_LEVEL: 'info' };
  const start = (): Running => startJob(ground, 'import-blobs', ['--concurrency', '32'], env);
  const status = () => until('Redis to answer', () => queue.status('zoom').catch(() => null));

  expect(await startJob(ground, 'populate', [], env).ended).toBe(0);
  expect(KEYS.length).toBeGreaterThan(20_000);
  expect((await status()).tiles).toMatchObject({ total: KEYS.length, ready: KEYS.length });

  // As a unit with Restart=always: whoever dies is started again.
  const workers = Array.from({ length: WORKERS }, start);
  const replace = async (victim: number): Promise<void> => {
    await workers[victim]!.kill();
    workers[victim] = start();
  };
  const pidOn = async (port: number): Promise<number> => {
    const { stdout } = await promisify(execFile)('ss', ['-Htnp', `sport = :${port}`]);
    return Number(/pid=(\d+)/.exec(stdout)?.[1] ?? 0);
  };
  const poison = async (port: number): Promise<void> => {
    const pid = await pidOn(port);
    const victim = workers.findIndex(({ child }) => child.pid === pid);
    if (victim === -1) return;
    poisonings++;
    await replace(victim);
  };
  startJob(ground, 'upload-dzis', [], env);

  const step = Math.floor(KEYS.length / (KILLS + FREEZES + 6));
  let delayedSeen = 0;
  for (let blow = 1; blow <= KILLS + FREEZES; blow++) {
    const target = (await status()).tiles.done + step * (0.5 + chance() / 2);
    await until(
      `tiles to be copied before blow ${blow}`,
      async () => {
        const { tiles } = await status();
        delayedSeen = Math.max(delayedSeen, tiles.delayed);
        return tiles.done >= target && tiles.claimed > 0;
      },
      90_000,
    );
    const victim = Math.floor(chance() * WORKERS);
    const { pid } = workers[victim]!.child;
    if (blow % 5 === 0 && pid !== undefined) {
      await freeze(pid);
      setTimeout(() => thaw(pid), 1_000 + chance() * 17_000);
    } else await replace(victim);
    if (!REDIS_KILLS.includes(blow)) continue;
    await redis.kill();
    await redis.restart();
  }

  const end = await until(
    'the migration to finish',
    async () => {
      const now = await status();
      return now.finished ? now : null;
    },
    240_000,
  );
  const bad = [...ABSENT, ...NO_IMAGES, POISONED];
  const here = KEYS.filter((key) => !bad.includes(key));
  for (const key of here) expect(readFileSync(join(destination, key)).equals(tileBody(key)), key).toBe(true);
  for (const key of bad) expect(existsSync(join(destination, key)), key).toBe(false);
  expect(filesBelow(destination)).toBe(here.length + 2);

  expect(end.failures).toEqual({
    'http-404': ABSENT.length,
    'not-an-image': NO_IMAGES.length,
    'worker-died': 1,
  });
  expect(await failedKeys(queue.failures('zoom', {}))).toEqual([...bad].sort());
  expect(end.tiles).toEqual({
    ...{ total: KEYS.length, ready: 0, claimed: 0, delayed: 0, skipped: 0 },
    ...{ done: here.length, failed: bad.length },
  });
  const published = ['two', 'five'];
  const withheld = ['one', 'three', 'four'];
  expect(end.images).toEqual({
    ...{
      total: IMAGES.length,
      published: published.length,
      withheld: withheld.length,
      incomplete: 0,
      refused: 0,
    },
  });
  for (const id of published) expect(existsSync(join(destination, `${id}.dzi`)), id).toBe(true);
  for (const id of withheld) expect(existsSync(join(destination, `${id}.dzi`)), id).toBe(false);
  const bytes = [...here, ...published.map((id) => `${id}.dzi`)].map(
    (key) => readFileSync(join(destination, key)).length,
  );
  expect(end.bytes).toBe(bytes.reduce((sum, size) => sum + size, 0));
  expect(end.digest).toBe(joinDigests(expectedDigests(bad)));

  // The drill means something only if every kind of fault struck, and kills hit claims half done while tiles were delayed.
  expect([...injected.keys()].sort()).toEqual(FAULTS.map(([name]) => name).sort());
  expect(poisonings).toBeGreaterThanOrEqual(3);
  expect(end.reclaimed).toBeGreaterThan(0);
  expect(delayedSeen).toBeGreaterThan(0);
});

const html = (status: number): Fault => ({
  ...{ kind: 'status', status, headers: { 'content-type': 'text/html' } },
  body: '<html><body>An error has occurred</body></html>',
});

/** What one request in twenty comes to. Each passes: the tile itself is well. */
const FAULTS: readonly (readonly [string, Fault])[] = [
  ['reset', { kind: 'reset' }],
  ['500', html(500)],
  ['503', html(503)],
  ['slow', { kind: 'slow', ms: 700 }],
  ['short body', { kind: 'truncate' }],
  ['wrong length', { kind: 'short-length' }],
  ['wrong MD5', { kind: 'wrong-md5' }],
  ['damaged body', { kind: 'damaged' }],
];

/**
 * Drawn from the seed for the key's so-manieth request. A few tiles fail at their first three, so that they are delayed, and
 * no more: a request may be lost with its worker, and what fails after it must not use up a tile's attempts.
 */
function faultOf(key: string, times: number): { readonly name: string; readonly fault: Fault } | null {
  const draw = createHash('md5').update(`${SEED} ${key}`).digest();
  const now = createHash('md5').update(`${SEED} ${key} ${times}`).digest();
  const stubborn = draw.readUInt16BE(0) < 65_536 / 200;
  if (stubborn ? times > 3 : now.readUInt16BE(0) >= 65_536 / 20) return null;
  const [name, fault] = FAULTS[now[2]! % FAULTS.length]!;
  return { name, fault };
}

function thaw(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // Killed while it was frozen.
  }
}

async function failedKeys(failures: AsyncIterable<FailureRecord>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { image, first, count } of failures) {
    const { geometry } = IMAGES.find(({ id }) => id === image)!;
    keys.push(...keysOf(image, geometry).slice(1 + first, 1 + first + count));
  }
  return keys.sort();
}

/** Without what killed workers were writing. */
function filesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && !entry.parentPath.includes('/.convoy-incoming'),
  ).length;
}

function* expectedDigests(bad: readonly string[]): Generator<string> {
  for (const { id, geometry } of IMAGES)
    for (const [index, key] of keysOf(id, geometry).slice(1).entries())
      if (!bad.includes(key)) yield tileDigest(index, createHash('md5').update(tileBody(key)).digest('hex'));
}
