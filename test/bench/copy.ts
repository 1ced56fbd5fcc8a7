/**
 * The per-tile path, nginx to nginx by HTTP and WebDAV: one zh-import-blobs with everything on, against a loop that one
 * would write by hand. Rates depend on the machine; the ratios are the result.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { type Ground, openGround, startRedis } from '../../agent/ground.js';
import { RedisQueue } from '../../jobs/redis-queue.js';
import { program, ROOT } from '../support/programs.js';
import { type Nginx, startNginx } from '../support/stores/nginx.js';
import { until } from '../support/until.js';
import { type Figure, inWords, median, ratios, spread } from './support/figures.js';
import { cpuUse, secondsInAll } from './support/processes.js';
import { profiled, requirePerf, type Shares, whereItGoes } from './support/profile.js';
import { type Measured, RUNS, section } from './support/section.js';
import { undisturbed } from './support/steal.js';
import { manyTimes, type RealTiles, realTiles } from './support/tiles.js';

const IN_FLIGHT = 64;
/** Either side carries all tiles so often, and the last times are measured: V8 goes on compiling for some ten seconds of work. */
const TIMES = 16;
const MEASURED = 6;
/** What is written stays in memory: no disk is measured. */
if (existsSync('/dev/shm')) process.env.TMPDIR = '/dev/shm';

/** Of the client alone. */
interface Pass {
  readonly tiles: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

interface Measurement {
  /** The first time of the process, from its start. */
  readonly cold: Pass;
  readonly warm: Pass;
}

/** How the first time or the last ones are carried, with more to it than their own work. */
type Watch = <T>(pid: number, during: () => Promise<T>) => Promise<T>;
const unwatched: Watch = (_, during) => during();

/** One after the other. */
interface Pair {
  readonly ours: Measurement;
  readonly theirs: Measurement;
}

/** All that both sides use. */
interface Scene {
  readonly ground: Ground;
  readonly tiles: RealTiles;
  /** Below the source's /many. */
  readonly many: RealTiles['images'];
  readonly source: Nginx;
  readonly destination: Nginx;
}

async function measure(): Promise<Measured> {
  requirePerf();
  const tiles = await realTiles();
  const ground = openGround('convoy-bench');
  try {
    const source = await startNginx(ground, { name: 'source' });
    const destination = await startNginx(ground, { name: 'destination' });
    symlinkSync(tiles.folder, join(source.root, 'dzis'));
    const many = manyTimes(tiles, TIMES, join(source.root, 'many'));
    const scene: Scene = { ground, tiles, many, source, destination };
    const redis = await startRedis(ground);
    const queue = new RedisQueue({ locate: () => Promise.resolve(redis.url), timeoutMs: 5000 });
    const loop = await builtLoop(scene);
    // Whoever comes first is slower by a quarter: here the system gets the memory in which the tiles arrive.
    await bareLoop(scene, loop, unwatched);
    clear(destination);
    let started = 0;
    const pairs: Pair[] = [];
    for (let run = 0; run < RUNS; run++)
      pairs.push(
        await undisturbed(async () => {
          const ours = await worker(scene, queue, redis.url, `copy-${started++}`, unwatched);
          clear(destination);
          const theirs = await bareLoop(scene, loop, unwatched);
          clear(destination);
          return { ours, theirs };
        }),
      );
    const spent: Shares[] = [];
    const watch: Watch = async (pid, during) => {
      const { result, shares } = await profiled(pid, join(ground.dir, 'perf.data'), during);
      spent.push(shares);
      return result;
    };
    await worker(scene, queue, redis.url, `copy-${started++}`, watch);
    clear(destination);
    await bareLoop(scene, loop, watch);
    await queue.close();
    return { figures: figuresOf(pairs), notes: [whereOf(pairs, spent), notesOf(tiles)] };
  } finally {
    await ground.close();
  }
}

function clear({ root }: Nginx): void {
  for (const folder of readdirSync(root)) rmSync(join(root, folder), { recursive: true });
}

/** Throws if not as many files are below the destination's folder. */
function count({ root }: Nginx, folder: string, expected: number): void {
  const arrived = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  if (arrived.filter((entry) => entry.isFile()).length !== expected) throw new Error('not all tiles arrived');
}

/** A worker as users start it, and one migration. */
async function worker(
  { ground, tiles, many, source, destination }: Scene,
  queue: RedisQueue,
  redisUrl: string,
  name: string,
  watch: Watch,
): Promise<Measurement> {
  mkdirSync(join(destination.root, name));
  await queue.createMigration({
    ...{ name, source: `${source.url}/many`, destination: `webdav+${destination.davUrl}/${name}` },
    ...{ rangeSize: 1000, maxAttempts: 5, stopAfterFailures: 0.01, stopAfterTiles: 10_000 },
    ...{ serverSide: 'auto', incomplete: 'withhold' },
  });
  await queue.addImages(name, many);
  await queue.closePlan(name, null);
  const began = performance.now();
  const child = ground.spawn(
    'worker',
    process.execPath,
    [program('jobs/import-blobs-main.js'), '--concurrency', String(IN_FLIGHT)],
    { PATH: process.env.PATH, REDIS_URL: redisUrl },
  );
  /** Since its start, once so many are done. */
  async function reached(least: number): Promise<Pass> {
    let done = 0;
    const isDone = async (): Promise<boolean> => {
      done = (await queue.status(name))?.tiles.done ?? 0;
      return done >= least;
    };
    await until(`${least} tiles to be carried`, isDone, 240_000);
    return { tiles: done, seconds: (performance.now() - began) / 1000, cpuSeconds: cpuOf(child) };
  }
  try {
    const each = tiles.keys.length;
    const cold = await watch(child.pid!, () => reached(each));
    const before = await reached(each * (TIMES - MEASURED));
    const after = await watch(child.pid!, () => reached(each * TIMES));
    count(destination, name, each * TIMES);
    const warm = {
      tiles: after.tiles - before.tiles,
      seconds: after.seconds - before.seconds,
      cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    };
    return { cold, warm };
  } finally {
    await ended(child);
  }
}

async function ended(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill();
  await exited;
}

/** In one file with its library, as our programs are. */
async function builtLoop({ ground, tiles }: Scene): Promise<string> {
  const outfile = join(ground.dir, 'bare-loop.mjs');
  const entry = join(ROOT, 'test/bench/bare-loop.ts');
  await build({
    ...{ entryPoints: [entry], outfile, bundle: true, format: 'esm', platform: 'node', target: 'node20' },
    banner: {
      js: "import { createRequire } from 'node:module'; globalThis.require ??= createRequire(import.meta.url);",
    },
  });
  writeFileSync(join(ground.dir, 'keys'), tiles.keys.join('\n'));
  return outfile;
}

async function bareLoop(
  { ground, tiles, source, destination }: Scene,
  file: string,
  watch: Watch,
): Promise<Measurement> {
  const began = performance.now();
  const child = spawn(process.execPath, [file, `${source.url}/dzis`, join(ground.dir, 'keys')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]();
  async function carry(folder: string): Promise<Pass> {
    mkdirSync(join(destination.root, folder));
    child.stdin.write(`${destination.davUrl}/${folder}\n`);
    const pass = JSON.parse(String((await answers.next()).value)) as Pass;
    count(destination, folder, tiles.keys.length);
    return pass;
  }
  try {
    const { tiles: carried } = await watch(child.pid!, () => carry('0'));
    const cold = {
      tiles: carried,
      seconds: (performance.now() - began) / 1000,
      cpuSeconds: cpuOf(child),
    };
    for (let time = 1; time < TIMES - MEASURED; time++) await carry(String(time));
    const warm = await watch(child.pid!, async () => {
      const sum = { tiles: 0, seconds: 0, cpuSeconds: 0 };
      for (let time = TIMES - MEASURED; time < TIMES; time++) {
        const pass = await carry(String(time));
        sum.tiles += pass.tiles;
        sum.seconds += pass.seconds;
        sum.cpuSeconds += pass.cpuSeconds;
      }
      return sum;
    });
    return { cold, warm };
  } finally {
    await ended(child);
  }
}

function cpuOf({ pid = 0 }: ChildProcess): number {
  return secondsInAll(cpuUse([pid]));
}

const coldOf = ({ cold }: Measurement): Pass => cold;
const warmOf = ({ warm }: Measurement): Pass => warm;

/** Of each run, client CPU seconds for 10,000 tiles. */
function cpu(side: readonly Measurement[], of: (measurement: Measurement) => Pass): number[] {
  return side.map(of).map(({ cpuSeconds, tiles }) => (cpuSeconds / tiles) * 10_000);
}

function figuresOf(pairs: readonly Pair[]): Figure[] {
  const [ours, theirs] = [pairs.map((pair) => pair.ours), pairs.map((pair) => pair.theirs)];
  const compare = (what: string, of: (measurement: Measurement) => number, atLeast: number): Figure => {
    const [mine, its] = [ours.map(of), theirs.map(of)];
    return {
      ...{ what, unit: 'x', target: { atLeast }, values: ratios(mine, its) },
      beside: `${inWords(median(mine))} /s against ${inWords(median(its))} /s`,
    };
  };
  const both = (when: string, of: (measurement: Measurement) => Pass): Figure[] => [
    compare(`tiles per client CPU second${when}`, (each) => of(each).tiles / of(each).cpuSeconds, 1.3),
    compare(`tiles per second${when}`, (each) => of(each).tiles / of(each).seconds, 1.2),
    {
      ...{ what: `client CPU of the bare loop for 10,000 tiles${when}`, unit: 's', values: cpu(theirs, of) },
      ...{ target: { atMost: 1.7 }, beside: `Convoy ${spread(cpu(ours, of), 's')}` },
    },
  ];
  return [...both('', warmOf), ...both(', in the first 20,000 with the start', coldOf)];
}

/** By one more pair of runs, beside a profiler. */
function whereOf(pairs: readonly Pair[], spent: readonly Shares[]): string {
  const sides = [
    { name: 'Convoy', runs: pairs.map(({ ours }) => ours) },
    { name: 'bare loop', runs: pairs.map(({ theirs }) => theirs) },
  ].flatMap(({ name, runs }) => [
    { name: `${name}, the first 20,000`, seconds: median(cpu(runs, coldOf)) },
    { name, seconds: median(cpu(runs, warmOf)) },
  ]);
  return whereItGoes(
    'where the client’s CPU goes, 10,000 tiles, by `perf` in one more pair of runs',
    sides.map((side, i) => ({ ...side, shares: spent[i]! })),
  );
}

function notesOf({ folder, keys }: RealTiles): string {
  const sizes = keys.map((key) => statSync(join(folder, key)).size);
  const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  return `Convoy against the bare loop (test/bench/bare-loop.ts): ${inWords(keys.length)} tiles (median ${inWords(median(sizes))} bytes, mean ${inWords(mean)}), at most ${IN_FLIGHT} in flight, destination in memory, both nginx with one process, Redis with its file. Each run is a new process of either side that carries all of them ${TIMES} times, Convoy as one migration of ${inWords(TIMES * keys.length)} tiles; the first rows have the last ${MEASURED} times, when V8 has compiled what it will, and the others the first time with all that comes before it. Time: by what Redis says is done, and of the loop from its first request to its last answer. CPU: the process's own, with all its threads.`;
}

await section('copy', measure);
