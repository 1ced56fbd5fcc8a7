/**
 * What a migration of 100,000 images of about 1,000 tiles costs in Redis, step by step, and how fast one client claims
 * and checkpoints. `QUEUE_IMAGES` changes the number of images.
 */
import { openGround, startRedis } from '../../agent/ground.js';
import { tileCount } from '../../jobs/pyramid.js';
import { RedisQueue } from '../../jobs/redis-queue.js';
import type { Checkpoint, Claim, ImageGeometry } from '../../jobs/work-queue.js';
import { inspect } from '../support/queue-inspector.js';

const IMAGES = Number(process.env.QUEUE_IMAGES ?? 100_000);
const IN_FLIGHT = 64;
const CLAIMS = 20_000;
const FAILURES_PER_CLAIM = 10;
const GEOMETRY: ImageGeometry = { width: 6858, height: 6604, tileSize: 254, overlap: 1, format: 'jpg' };

const ground = openGround('convoy-bench');
try {
  const redis = await startRedis(ground, { flags: ['--appendonly', 'no'] });
  const queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 30_000 });
  const admin = inspect(redis.url);
  const memory = async (): Promise<number> =>
    Number(/used_memory:(\d+)/.exec(String(await admin.command('INFO', 'memory')))?.[1]);
  const name = 'bench';
  await queue.createMigration({
    ...{ name, source: 'http://source/', destination: 'file:///destination', rangeSize: 500, maxAttempts: 3 },
    ...{
      stopAfterFailures: 1,
      stopAfterTiles: 1,
      serverSide: 'auto' as const,
      incomplete: 'withhold' as const,
    },
  });

  const empty = await memory();
  let began = performance.now();
  await inFlight(IMAGES, (index) =>
    queue.addImages(name, [{ id: `a${index.toString(36)}Zq`, geometry: GEOMETRY }]),
  );
  const tiles = IMAGES * tileCount(GEOMETRY);
  const planned = await memory();
  print('images added', IMAGES, 'per image', planned - empty, IMAGES, began);
  console.log(
    `  ${tiles.toLocaleString('en')} tiles: ${((planned - empty) / tiles).toFixed(3)} bytes per tile`,
  );

  const claims: Claim[] = [];
  began = performance.now();
  await inFlight(CLAIMS, async (index) => {
    const claim = await queue.claim({
      token: `worker-${index}`,
      lane: 'tiles',
      leaseMs: 600_000,
      migration: name,
    });
    if (!('kind' in claim)) claims.push(claim);
  });
  print('ranges claimed', claims.length, 'per claim', (await memory()) - planned, claims.length, began);

  const settle = async (some: readonly Claim[], failuresEach: number): Promise<number> => {
    const before = await memory();
    const cpu = process.cpuUsage();
    began = performance.now();
    await inFlight(some.length, async (index) => {
      const { token, first, end } = some[index]!;
      await queue.checkpoint(token, name, settled(first, end, failuresEach));
    });
    const seconds = (performance.now() - began) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const settledTiles = some.reduce((sum, { first, end }) => sum + end - first, 0);
    console.log(
      `${some.length.toLocaleString('en')} claims settled with ${failuresEach} failures each: ${Math.round(some.length / seconds)}/s, ` +
        `${Math.round(settledTiles / seconds).toLocaleString('en')} tiles/s, ${((user + system) / 100 / settledTiles).toFixed(4)} client CPU s per 10,000`,
    );
    return (await memory()) - before;
  };
  // The same number of claims each, so that what both leave behind besides failures is the same.
  const half = claims.length / 2;
  const clean = await settle(claims.slice(0, half), 0);
  const dirty = await settle(claims.slice(half), FAILURES_PER_CLAIM);
  console.log(`  ${((dirty - clean) / half / FAILURES_PER_CLAIM).toFixed(1)} bytes per failed tile kept`);
  await Promise.all([queue.close(), admin.close()]);
} finally {
  await ground.close();
}

/** Every other of the first tiles failed: nothing that can be joined. */
function settled(first: number, end: number, failures: number): Checkpoint {
  const failed = Array.from({ length: failures }, (_, place) => first + place * 2)
    .filter((index) => index < end)
    .map((index) => ({ first: index, count: 1, reason: 'http-404', status: 404, attempt: 1 }));
  const done = end - first - failed.length;
  const digest = '0123456789abcdef0123456789abcdef';
  return {
    sequence: 1,
    next: end,
    bytes: 1,
    done,
    skipped: 0,
    failed,
    delayed: [],
    digest,
    release: false,
    found: null,
  };
}

async function inFlight(count: number, run: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

function print(what: string, count: number, per: string, bytes: number, units: number, began: number): void {
  const rate = Math.round(count / ((performance.now() - began) / 1000));
  const total = (bytes / 2 ** 20).toFixed(1);
  console.log(
    `${count.toLocaleString('en')} ${what}: ${total} MiB, ${(bytes / units).toFixed(1)} bytes ${per}, ${rate}/s`,
  );
}
