/**
 * The whole of zoom.it: 1.2 million images, 1.2 billion tiles, planned once by zh-populate from a stub source, then claimed
 * and finished by workers that carry nothing. Prints memory, times and whether every count is exact; exits 1 if one is
 * not. `ZOOM_IT_IMAGES` changes the number of images.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { openGround, startRedis } from '../../../agent/ground.js';
import { joinDigests } from '../../../jobs/digest.js';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import type { Lane } from '../../../jobs/work-queue.js';
import { program } from '../../support/programs.js';
import { inspect } from '../../support/queue-inspector.js';
import { imageId, tilesOf } from './images.js';
import type { NoOpResult } from './no-op-process.js';

const IMAGES = Number(process.env.ZOOM_IT_IMAGES ?? 1_200_000);
const NAME = 'zoom';

const ground = openGround('convoy-zoom-it');
const children: ChildProcess[] = [];
try {
  const redis = await startRedis(ground);
  const queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 30_000 });
  const admin = inspect(redis.url);
  const info = async (field: string): Promise<number> =>
    Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(String(await admin.command('INFO', 'everything')))?.[1]);
  const memory = async (): Promise<string> =>
    `Redis ${(await info('used_memory')).toLocaleString('en')} bytes (peak ${mib(await info('used_memory_peak'))})`;

  console.log(`${IMAGES.toLocaleString('en')} images`);
  const source = forkTs('source-process.ts', [String(IMAGES)]);
  const port = await answer<number>(source);
  await queue.createMigration({
    ...{ name: NAME, source: `http://127.0.0.1:${port}/`, destination: `file://${ground.dir}` },
    ...{ rangeSize: 1000, maxAttempts: 3, stopAfterFailures: 1, stopAfterTiles: 1 },
    ...{ serverSide: 'never' as const, incomplete: 'withhold' as const },
  });
  console.log(`empty: ${await memory()}`);

  const planned = await plan(redis.url);
  let status = (await queue.status(NAME))!;
  const tiles = count();
  console.log(
    `planned: ${status.images.total.toLocaleString('en')} images, ${status.tiles.total.toLocaleString('en')} tiles`,
  );
  console.log(`  ${planned}; ${await memory()}`);
  check('images', status.images.total, IMAGES);
  check('tiles planned', status.tiles.total, tiles);
  check('tiles ready', status.tiles.ready, tiles);
  check('plan closed', status.planClosed, true);

  const began = performance.now();
  const work: readonly Lane[] = ['tiles', 'tiles', 'descriptors'];
  const workers = work.map((lane) => forkTs('no-op-process.ts', [redis.url, NAME, lane]));
  const results = await Promise.all(workers.map((worker) => answer<NoOpResult>(worker)));
  const seconds = (performance.now() - began) / 1000;
  const sum = (of: (result: NoOpResult) => number): number =>
    results.reduce((total, each) => total + of(each), 0);
  console.log(`finished by ${work.length} no-op workers in ${seconds.toFixed(0)} s`);
  console.log(
    `  ${sum(({ claims }) => claims).toLocaleString('en')} ranges, ${Math.round(tiles / seconds).toLocaleString('en')} tiles/s, ` +
      `${((sum(({ cpuSeconds }) => cpuSeconds) / tiles) * 10_000).toFixed(4)} client CPU s per 10,000 tiles, ` +
      `at most ${Math.max(...results.map(({ peakRssMiB }) => peakRssMiB)).toFixed(0)} MiB each; ${await memory()}`,
  );
  console.log(`  Redis used ${cpuNow(redis.child.pid).toFixed(0)} CPU s in all`);

  status = (await queue.status(NAME))!;
  const none = { ready: 0, claimed: 0, delayed: 0, skipped: 0, failed: 0 };
  check('tiles', status.tiles, { total: tiles, ...none, done: tiles });
  check('descriptors', status.descriptors, { total: IMAGES, ...none, done: IMAGES });
  check(
    'bytes',
    status.bytes,
    sum(({ bytes }) => bytes),
  );
  check('digest', status.digest, joinDigests(results.map(({ digest }) => digest)));
  check('published', status.images.published, IMAGES);
  check('finished', status.finished, true);
  await Promise.all([queue.close(), admin.close()]);
} finally {
  for (const child of children) child.kill();
  await ground.close();
}

/** Runs zh-populate and tells what it took. */
async function plan(redis: string): Promise<string> {
  const began = performance.now();
  const env = { PATH: process.env.PATH, REDIS_URL: redis };
  const child = ground.spawn('zh-populate', process.execPath, [program('jobs/populate-main.js')], env);
  let peak = '';
  let cpu = 0;
  const watch = setInterval(() => {
    try {
      peak = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? peak;
      cpu = cpuNow(child.pid);
    } catch {
      // It has just ended.
    }
  }, 200);
  const code = await new Promise((resolve) =>
    child.once('exit', (...ended) => resolve(ended[0] ?? ended[1])),
  );
  clearInterval(watch);
  if (code !== 0) throw new Error(readFileSync(join(ground.dir, 'zh-populate.log'), 'utf8').slice(-2000));
  const seconds = (performance.now() - began) / 1000;
  return `in ${seconds.toFixed(0)} s (${Math.round(IMAGES / seconds)} descriptors/s), ${cpu.toFixed(0)} CPU s, ${mib(Number(peak) * 1024)} at most`;
}

function count(): number {
  let tiles = 0;
  for (let number = 0; number < IMAGES; number++) tiles += tilesOf(imageId(number));
  return tiles;
}

function check(what: string, is: unknown, should: unknown): void {
  if (isDeepStrictEqual(is, should)) return;
  console.log(`WRONG: ${what}: ${JSON.stringify(is)}, not ${JSON.stringify(should)}`);
  process.exitCode = 1;
}

function forkTs(file: string, args: readonly string[]): ChildProcess {
  const child = fork(join(import.meta.dirname, file), args, { execArgv: ['--import', 'tsx'] });
  children.push(child);
  return child;
}

function answer<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve(message as T));
    child.once('exit', (code) => reject(new Error(`a process of the bench ended with ${code}`)));
  });
}

/** Seconds of user and system time so far: fields 14 and 15 of proc(5)'s stat, in ticks of 10 ms. */
function cpuNow(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
