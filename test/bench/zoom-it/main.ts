/**
 * The whole of zoom.it: 1.2 million images, 1.2 billion tiles, planned by one zh-populate from descriptors that nginx
 * serves, then claimed and finished by workers that carry nothing. A wrong count ends it with an error, and no figure is
 * kept. `ZOOM_IT_IMAGES` changes the number of images.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Ground, openGround, type PrivateService, startRedis } from '../../../agent/ground.js';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import type { Lane } from '../../../jobs/work-queue.js';
import { joinDigests } from '../../support/digests.js';
import { program } from '../../support/programs.js';
import { inspect } from '../../support/queue-inspector.js';
import { startNginx } from '../../support/stores/nginx.js';
import type { Figure, Target } from '../support/figures.js';
import { cpuUse, secondsInAll } from '../support/processes.js';
import { type Measured, RUNS, section } from '../support/section.js';
import { descriptorOf, imageId, KINDS, kindOf, TILES } from './images.js';
import type { NoOpResult } from './no-op-process.js';

const IMAGES = Number(process.env.ZOOM_IT_IMAGES ?? 1_200_000);
/** After the last of the plans: one takes as long as two or three plans, and is held to no time. */
const FINISHES = Math.min(RUNS, 2);
const NAME = 'zoom';
const LANES: readonly Lane[] = ['tiles', 'tiles', 'descriptors'];
const MB = 1e6;
const PROGRESS_MS = 30_000;

interface Planned {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly redisCpuSeconds: number;
  readonly nginxCpuSeconds: number;
  readonly rssMb: number;
  readonly redisMb: number;
  readonly redisPeakMb: number;
}

interface Finished {
  readonly seconds: number;
  readonly ranges: number;
  readonly claims: number;
  readonly cpuSeconds: number;
  readonly redisCpuSeconds: number;
  readonly redisMb: number;
}

interface Scene {
  readonly ground: Ground;
  readonly redis: PrivateService;
  readonly queue: RedisQueue;
  /** A number of Redis's INFO. */
  readonly info: (field: string) => Promise<number>;
}

async function measure(): Promise<Measured> {
  const tiles = count();
  const plans: Planned[] = [];
  const finishes: Finished[] = [];
  for (let run = 0; run < RUNS; run++) {
    const ground = openGround('convoy-zoom-it');
    try {
      const { redis, queue, info, close } = await openRedis(ground);
      const scene = { ground, redis, queue, info };
      plans.push(await plan(scene, tiles));
      console.log(`plan ${run + 1} of ${RUNS}: ${JSON.stringify(plans.at(-1))}`);
      if (run >= RUNS - FINISHES) {
        finishes.push(await finish(scene, tiles));
        console.log(`finished: ${JSON.stringify(finishes.at(-1))}`);
      }
      await close();
    } finally {
      await ground.close();
    }
  }
  const [images, all] = [IMAGES.toLocaleString('en'), tiles.toLocaleString('en')];
  return {
    figures: figuresOf(plans, finishes, tiles),
    notes: [
      `${images} images, ${all} tiles: the counts of images, tiles in each state and descriptors, the bytes and the digest came out exact, or there would be no figure. nginx (one worker) serves total.txt and descriptors of 3,844 kinds, sides from 2,500 to 15,000 px and one of 54,000 x 27,000; Redis has the append-only file that zh-redis.service asks for.`,
      `Finished by two processes that claim tiles and one that claims descriptors, 16 claims at a time each, a checkpoint for each claim.`,
    ],
  };
}

function figuresOf(plans: readonly Planned[], finishes: readonly Finished[], tiles: number): Figure[] {
  const told =
    <T>(all: readonly T[]) =>
    (what: string, unit: string, value: (one: T) => number, target: Target | null, beside = ''): Figure => ({
      ...{ what, unit, values: all.map(value), target, beside },
    });
  const [planned, finished] = [told(plans), told(finishes)];
  return [
    planned('planned by one zh-populate', 's', ({ seconds }) => seconds, { atMost: 480 }),
    planned('descriptors read and added', '/s', ({ seconds }) => IMAGES / seconds, null),
    planned('Redis with the whole plan', 'MB', ({ redisMb }) => redisMb, { atMost: 120 }),
    planned('Redis at its peak meanwhile', 'MB', ({ redisPeakMb }) => redisPeakMb, null),
    planned('zh-populate at its peak (RSS)', 'MB', ({ rssMb }) => rssMb, { atMost: 300 }),
    planned('CPU of zh-populate', 's', ({ cpuSeconds }) => cpuSeconds, null),
    planned('CPU of Redis', 's', ({ redisCpuSeconds }) => redisCpuSeconds, null),
    planned('CPU of nginx', 's', ({ nginxCpuSeconds }) => nginxCpuSeconds, null),
    finished('finished by no-op workers', 's', ({ seconds }) => seconds, null),
    finished('claims of tiles and descriptors', '/s', ({ claims, seconds }) => claims / seconds, null),
    finished('ranges of tiles', '/s', ({ ranges, seconds }) => ranges / seconds, null),
    finished(
      ...(['CPU of the clients for 10,000 tiles', 's'] as const),
      ({ cpuSeconds }) => (cpuSeconds / tiles) * 10_000,
      null,
    ),
    finished('CPU of Redis for all of it', 's', ({ redisCpuSeconds }) => redisCpuSeconds, null),
    finished(
      ...(['CPU of Redis for a claim with its checkpoint', 'us'] as const),
      ({ redisCpuSeconds, claims }) => (redisCpuSeconds / claims) * 1e6,
      null,
    ),
    finished(
      ...(['Redis when all is done, with what it remembers of claims for a minute', 'MB'] as const),
      ({ redisMb }) => redisMb,
      null,
    ),
  ];
}

async function openRedis(ground: Ground): Promise<Omit<Scene, 'ground'> & { close(): Promise<void> }> {
  const redis = await startRedis(ground);
  const queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 30_000 });
  const admin = inspect(redis.url);
  return {
    ...{ redis, queue },
    async info(field) {
      const text = String(await admin.command('INFO', 'everything'));
      return Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(text)?.[1]);
    },
    async close() {
      await Promise.all([queue.close(), admin.close()]);
    },
  };
}

/** Runs zh-populate to its end, and holds what it counted against what there is. */
async function plan({ ground, redis, queue, info }: Scene, tiles: number): Promise<Planned> {
  const nginx = await startNginx(ground, {
    extra: 'location ~ ^/\\w+(\\w\\w)\\.dzi$ { try_files /kinds/$1.dzi =404; }',
  });
  mkdirSync(join(nginx.root, 'kinds'));
  for (const kind of KINDS) writeFileSync(join(nginx.root, 'kinds', `${kind}.dzi`), descriptorOf(kind));
  const ids = Array.from({ length: IMAGES }, (_, number) => `${imageId(number)}:${IMAGES - number}\n`);
  writeFileSync(join(nginx.root, 'total.txt'), ids.join(''));
  await queue.createMigration({
    ...{ name: NAME, source: `${nginx.url}/`, destination: `file://${ground.dir}` },
    ...{ rangeSize: 1000, maxAttempts: 3, stopAfterFailures: 1, stopAfterTiles: 1 },
    ...{ serverSide: 'never' as const, incomplete: 'withhold' as const },
  });

  const began = performance.now();
  const env = { PATH: process.env.PATH, REDIS_URL: redis.url };
  const child = ground.spawn('zh-populate', process.execPath, [program('jobs/populate-main.js')], env);
  let [rssKb, cpuSeconds] = [0, 0];
  const watching = setInterval(() => {
    try {
      const peak = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
      rssKb = Math.max(rssKb, Number(peak ?? 0));
    } catch {
      // It has just ended.
    }
    cpuSeconds = Math.max(cpuSeconds, cpuOf(child));
  }, 200);
  const progress = tellProgress(queue, ({ images }) => `${images.total.toLocaleString('en')} images planned`);
  const code = await new Promise((resolve) =>
    child.once('exit', (...ended) => resolve(ended[0] ?? ended[1])),
  );
  const seconds = (performance.now() - began) / 1000;
  clearInterval(watching);
  clearInterval(progress);
  if (code !== 0) throw new Error(readFileSync(join(ground.dir, 'zh-populate.log'), 'utf8').slice(-2000));
  const found: Planned = {
    ...{ seconds, cpuSeconds, rssMb: (rssKb * 1024) / MB },
    redisCpuSeconds: cpuOf(redis.child),
    nginxCpuSeconds: cpuOf(nginx.child),
    redisMb: (await info('used_memory')) / MB,
    redisPeakMb: (await info('used_memory_peak')) / MB,
  };
  const status = await statusOf(queue);
  insist([
    ['images', status.images.total, IMAGES],
    ['tiles planned', status.tiles, { ...NOTHING, total: tiles, ready: tiles }],
    ['plan closed', status.planClosed, true],
  ]);
  nginx.child.kill();
  return found;
}

/** Has all of the plan claimed and finished, and holds every count against what there is. */
async function finish({ redis, queue, info }: Scene, tiles: number): Promise<Finished> {
  const children: ChildProcess[] = [];
  const redisBefore = cpuOf(redis.child);
  const began = performance.now();
  const progress = tellProgress(queue, ({ tiles: { done } }) => `${done.toLocaleString('en')} tiles done`);
  try {
    const results = await Promise.all(LANES.map((lane) => worker(redis.url, lane, children)));
    const seconds = (performance.now() - began) / 1000;
    const sum = (of: (result: NoOpResult) => number, lane?: Lane): number =>
      results.reduce((all, result, at) => all + (LANES[at] === (lane ?? LANES[at]) ? of(result) : 0), 0);
    const status = await statusOf(queue);
    insist([
      ['tiles', status.tiles, { ...NOTHING, total: tiles, done: tiles }],
      ['descriptors', status.descriptors, { ...NOTHING, total: IMAGES, done: IMAGES }],
      ['bytes', status.bytes, sum(({ bytes }) => bytes)],
      ['digest', status.digest, joinDigests(results.map(({ digest }) => digest))],
      ['published', status.images.published, IMAGES],
      ['finished', status.finished, true],
    ]);
    return {
      ...{ seconds, claims: sum(({ claims }) => claims), ranges: sum(({ claims }) => claims, 'tiles') },
      cpuSeconds: sum(({ cpuSeconds }) => cpuSeconds),
      redisCpuSeconds: cpuOf(redis.child) - redisBefore,
      redisMb: (await info('used_memory')) / MB,
    };
  } finally {
    clearInterval(progress);
    for (const child of children) child.kill();
  }
}

const NOTHING = { total: 0, ready: 0, claimed: 0, delayed: 0, done: 0, skipped: 0, failed: 0 };

/** Throws a sentence with all that is not as it should be. */
function insist(claims: readonly (readonly [what: string, is: unknown, should: unknown])[]): void {
  const wrong = claims.filter(([, is, should]) => !isDeepStrictEqual(is, should));
  if (wrong.length === 0) return;
  const words = wrong.map(
    ([what, is, should]) => `${what} is ${JSON.stringify(is)}, not ${JSON.stringify(should)}`,
  );
  throw new Error(`WRONG: ${words.join('; ')}`);
}

async function statusOf(queue: RedisQueue) {
  const status = await queue.status(NAME);
  if (status === null) throw new Error('the migration is gone');
  return status;
}

type Status = Awaited<ReturnType<typeof statusOf>>;

function tellProgress(queue: RedisQueue, words: (status: Status) => string): NodeJS.Timeout {
  return setInterval(() => {
    statusOf(queue).then(
      (status) => console.log(`  ${words(status)}`),
      () => undefined,
    );
  }, PROGRESS_MS);
}

function count(): number {
  let tiles = 0;
  for (let number = 0; number < IMAGES; number++) tiles += TILES.get(kindOf(imageId(number)))!;
  return tiles;
}

function worker(redis: string, lane: Lane, children: ChildProcess[]): Promise<NoOpResult> {
  const file = join(import.meta.dirname, 'no-op-process.ts');
  const child = fork(file, [redis, NAME, lane], { execArgv: ['--import', 'tsx'] });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as NoOpResult));
    child.once('exit', (code) => reject(new Error(`a worker of lane ${lane} ended with ${code}`)));
  });
}

/** User and system seconds so far; 0 of one that has ended. */
function cpuOf({ pid }: ChildProcess): number {
  return pid === undefined ? 0 : secondsInAll(cpuUse([pid]));
}

await section('zoom-it', measure);
