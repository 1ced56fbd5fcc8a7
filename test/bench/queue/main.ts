/**
 * What the queue costs: claim and checkpoint against BullMQ's job that does nothing, each side with a Redis of its own
 * that is made anew for each run; memory of what waits; and what a million failed tiles take.
 */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Ground, openGround, type PrivateService, startRedis } from '../../../agent/ground.js';
import { tileCount } from '../../../jobs/pyramid.js';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import type { Claim, ImageGeometry, MigrationDefinition } from '../../../jobs/work-queue.js';
import { type Inspector, inspect } from '../../support/queue-inspector.js';
import { type Figure, inWords, median, ratios } from '../support/figures.js';
import { type Measured, RUNS, section } from '../support/section.js';
import { undisturbed } from '../support/steal.js';
import type { Settled } from './claims-process.js';
import { failedTiles, SPREADS, type Spread } from './failures.js';
import type { Worked } from './jobs-process.js';
import { redisInfo } from './redis-info.js';

/** About 1,000 tiles, as an image of zoom.it has. */
const GEOMETRY: ImageGeometry = { width: 6858, height: 6604, tileSize: 254, overlap: 1, format: 'jpg' };
const TILES = tileCount(GEOMETRY);
const IMAGES = 20_000;
const JOBS = 40_000;
const NAME = 'bench';
const ADDED_AT_ONCE = 500;
const IN_FLIGHT = 64;
const MB = 1e6;

const DEFINITION: MigrationDefinition = {
  ...{ name: NAME, source: 'http://source/', destination: 'file:///destination', rangeSize: 1000 },
  // Failures must not pause it; an image with some is published, so that only the failures themselves differ.
  ...{ maxAttempts: 3, stopAfterFailures: 1, stopAfterTiles: 1, serverSide: 'auto', incomplete: 'publish' },
};

interface Cost {
  /** Bytes of Redis for each tile that waits. */
  readonly bytes: number;
  /** Client CPU seconds for 10,000 tiles, and Redis's. */
  readonly cpu: number;
  readonly redisCpu: number;
  readonly tilesPerSecond: number;
}

interface OurCost extends Cost {
  readonly perImage: number;
  readonly perClaim: number;
  readonly claimMicroseconds: number;
}

async function measure(): Promise<Measured> {
  const [ours, theirs]: [OurCost[], Cost[]] = [[], []];
  for (let run = 0; run < RUNS; run++) {
    const pair = await undisturbed(async () => ({
      ours: await onRedis(claims),
      theirs: await onRedis(jobs),
    }));
    ours.push(pair.ours);
    theirs.push(pair.theirs);
    console.log(`run ${run + 1}: ${JSON.stringify({ ours: ours.at(-1), theirs: theirs.at(-1) })}`);
  }
  const failures: Figure[] = [];
  for (const spread of SPREADS) failures.push(await failureFigure(spread));
  const of = <T>(costs: readonly T[], value: (cost: T) => number): number[] => costs.map(value);
  const against = (value: (cost: Cost) => number): number[] => ratios(of(ours, value), of(theirs, value));
  const sides = (unit: string, value: (cost: Cost) => number): string =>
    `${inWords(median(of(ours, value)))} against ${inWords(median(of(theirs, value)))} ${unit}`;
  const plain = { target: null, beside: '' };
  return {
    figures: [
      {
        ...{ what: 'client CPU of claim and checkpoint for each tile, against a BullMQ job', unit: 'x' },
        values: against(({ cpu }) => cpu),
        target: { atMost: 1 / 50 },
        beside: sides('CPU s for 10,000 tiles', ({ cpu }) => cpu),
      },
      {
        ...{ what: 'memory of Redis for each tile that waits, against a BullMQ job', unit: 'x' },
        values: against(({ bytes }) => bytes),
        target: { atMost: 1 / 1000 },
        beside: sides('bytes', ({ bytes }) => bytes),
      },
      {
        ...{ what: "Redis's own CPU for each tile, against a BullMQ job", unit: 'x' },
        values: against(({ redisCpu }) => redisCpu),
        target: null,
        beside: sides('CPU s for 10,000 tiles', ({ redisCpu }) => redisCpu),
      },
      {
        ...{ what: 'tiles claimed and settled, against BullMQ jobs', unit: 'x' },
        values: against(({ tilesPerSecond }) => tilesPerSecond),
        target: null,
        beside: sides('tiles/s', ({ tilesPerSecond }) => tilesPerSecond),
      },
      { ...plain, what: 'an image planned', values: of(ours, ({ perImage }) => perImage), unit: 'bytes' },
      { ...plain, what: 'a claim under way', values: of(ours, ({ perClaim }) => perClaim), unit: 'bytes' },
      {
        ...{ ...plain, what: "a claim with its checkpoint, Redis's CPU", unit: 'us' },
        values: of(ours, ({ claimMicroseconds }) => claimMicroseconds),
      },
      ...failures,
    ],
    notes: [
      `Tiles are ranges of ${inWords(TILES)} at most with us, and 60-byte paths, a job each, with BullMQ ${versionOf('bullmq')} (one worker, concurrency 50, removeOnComplete; jobs added by addBulk). Each side and run has a fresh Redis of its own with the append-only file that zh-redis.service asks for. CPU is of one process each, from the first claim to the last answer; memory is used_memory of what waits: what a finished job would leave, removeOnComplete takes away.`,
      `Failures go through the same checkpoints as a worker's: single tiles at random places, with reasons and statuses; "more" is beside the same work without failures. What is remembered of a claim for the minute after its end is not in it, on either side, and Redis's tables of keys are counted as large as the keys need them.`,
    ],
  };
}

async function onRedis<T>(run: (scene: Scene) => Promise<T>): Promise<T> {
  const ground = openGround('convoy-bench');
  try {
    const redis = await startRedis(ground);
    const admin = inspect(redis.url);
    const answer = await run({ ground, redis, admin });
    await admin.close();
    return answer;
  } finally {
    await ground.close();
  }
}

interface Scene {
  readonly ground: Ground;
  readonly redis: PrivateService;
  readonly admin: Inspector;
}

async function claims({ redis, admin }: Scene): Promise<OurCost> {
  const { queue, empty } = await planned(redis, IMAGES);
  const waiting = await memory(admin);
  const tiles = IMAGES * TILES;
  const settled = await child<Settled>('claims-process.ts', [redis.url, NAME]);
  const status = await queue.status(NAME);
  if (status?.tiles.done !== tiles) throw new Error(`${status?.tiles.done} of ${tiles} tiles are done`);
  await queue.close();
  return {
    bytes: (waiting - empty) / tiles,
    cpu: (settled.cpuSeconds / settled.tiles) * 10_000,
    redisCpu: (settled.redisCpuSeconds / settled.tiles) * 10_000,
    tilesPerSecond: settled.tiles / settled.seconds,
    perImage: (waiting - empty) / IMAGES,
    perClaim: settled.bytesPerClaim,
    claimMicroseconds: (settled.redisCpuSeconds / settled.ranges) * 1e6,
  };
}

async function jobs({ redis, admin }: Scene): Promise<Cost> {
  const empty = await memory(admin);
  const {
    cpuSeconds,
    seconds,
    memory: waiting,
    redisCpuSeconds,
  } = await child<Worked>('jobs-process.ts', [redis.url, String(JOBS)]);
  return {
    bytes: (waiting - empty) / JOBS,
    cpu: (cpuSeconds / JOBS) * 10_000,
    redisCpu: (redisCpuSeconds / JOBS) * 10_000,
    tilesPerSecond: JOBS / seconds,
  };
}

/** A migration with its plan closed, and what Redis used before. */
async function planned(redis: PrivateService, images: number): Promise<{ queue: RedisQueue; empty: number }> {
  const queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 30_000 });
  const admin = inspect(redis.url);
  await queue.createMigration(DEFINITION);
  const empty = await memory(admin);
  for (let from = 0; from < images; from += ADDED_AT_ONCE) {
    const count = Math.min(ADDED_AT_ONCE, images - from);
    const batch = Array.from({ length: count }, (_, place) => ({
      id: (60_466_176 + (((from + place) * 7_919_317) % 1_000_000_007)).toString(36),
      geometry: GEOMETRY,
    }));
    await queue.addImages(NAME, batch);
  }
  await queue.closePlan(NAME, null);
  await admin.close();
  return { queue, empty };
}

async function failureFigure(spread: Spread): Promise<Figure> {
  const values: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const without = await onRedis((scene) => settledWith(scene, { ...spread, each: 0 }));
    const more = (await onRedis((scene) => settledWith(scene, spread))) - without;
    values.push((more / (spread.images * spread.each)) * (1e6 / MB));
    console.log(`${spread.what}, run ${run + 1}: ${values.at(-1)} MB`);
  }
  return {
    ...{ what: `a million failures, ${spread.what}`, values, unit: 'MB' },
    target: { atMost: 25 },
    beside: '',
  };
}

/** Settles a plan of so many images with so many failures each; answers what Redis uses then. */
async function settledWith({ redis, admin }: Scene, { images, each }: Spread): Promise<number> {
  const { queue } = await planned(redis, images);
  let [issued, failures] = [0, 0];
  async function work(): Promise<void> {
    for (;;) {
      const claim = await queue.claim({
        ...{ token: `failing-${++issued}`, lane: 'tiles', leaseMs: 600_000, migration: NAME },
      });
      if ('kind' in claim) return;
      const failed = await settle(queue, claim, each);
      failures += failed;
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  const status = await queue.status(NAME);
  if (status?.tiles.failed !== failures || status.tiles.claimed + status.tiles.ready > 0)
    throw new Error(`${status?.tiles.failed} failures are counted, ${failures} were told`);
  await queue.close();
  await forgetEndedClaims(admin);
  return memoryOfData(admin);
}

/** Redis forgets an ended claim after a minute: how many there are just now says how fast this machine is. */
async function forgetEndedClaims(admin: Inspector): Promise<void> {
  let cursor = '0';
  do {
    const answer = await admin.command('SCAN', cursor, 'MATCH', 'convoy:claim:*', 'COUNT', 1000);
    const [next, keys] = answer as [string, string[]];
    if (keys.length > 0) await admin.command('DEL', ...keys);
    cursor = next;
  } while (cursor !== '0');
}

/**
 * What Redis uses, with its tables of keys as large as the keys need them: an entry of 40 bytes, and up to two places of 8.
 * The tables themselves remember how many claims a minute had: Redis makes one smaller only while less than a tenth is in use.
 */
async function memoryOfData(admin: Inspector): Promise<number> {
  const keys = Number(await admin.command('DBSIZE'));
  const stats = (await admin.command('MEMORY', 'STATS')) as unknown[];
  const tables = valueIn(stats, 'db.0') as unknown[];
  const ofTables =
    Number(valueIn(tables, 'overhead.hashtable.main')) +
    Number(valueIn(tables, 'overhead.hashtable.expires'));
  return Number(valueIn(stats, 'total.allocated')) - ofTables + keys * (40 + 2 * 8);
}

/** What a map told as a list of keys and values has for a key. */
function valueIn(map: readonly unknown[], key: string): unknown {
  return map[map.indexOf(key) + 1];
}

async function settle(queue: RedisQueue, { token, image, first, end }: Claim, each: number): Promise<number> {
  const failed = failedTiles(image.number, each, image.tiles).filter(
    (tile) => tile.first >= first && tile.first < end,
  );
  const { answer } = await queue.checkpoint(token, NAME, {
    ...{ sequence: 1, next: end, bytes: 14_000, done: end - first - failed.length, skipped: 0, failed },
    ...{ delayed: [], digest: '0123456789abcdef0123456789abcdef', release: false, found: null },
  });
  if (answer !== 'ended') throw new Error(`a checkpoint was answered ${answer}`);
  return failed.length;
}

async function memory(admin: Inspector): Promise<number> {
  return redisInfo(admin, 'memory', 'used_memory');
}

function child<T>(file: string, args: readonly string[]): Promise<T> {
  const process = fork(join(import.meta.dirname, file), args, { execArgv: ['--import', 'tsx'] });
  return new Promise((resolve, reject) => {
    process.once('message', (message) => resolve(message as T));
    process.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)));
  });
}

function versionOf(name: string): string {
  const file = createRequire(import.meta.url).resolve(`${name}/package.json`);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

await section('queue', measure);
