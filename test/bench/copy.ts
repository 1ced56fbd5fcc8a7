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
import { cpuUse } from './support/processes.js';
import { type Measured, RUNS, section } from './support/section.js';
import { type RealTiles, realTiles } from './support/tiles.js';

const IN_FLIGHT = 64;
/** What is written stays in memory: no disk is measured. */
if (existsSync('/dev/shm')) process.env.TMPDIR = '/dev/shm';

interface Pass {
  readonly seconds: number;
  /** Of the client alone. */
  readonly cpuSeconds: number;
}

interface Client {
  readonly child: ChildProcess;
  /** Carries all tiles to the destination's folder of this name. */
  carry(folder: string): Promise<Pass>;
}

/** All that both sides use. */
interface Scene {
  readonly ground: Ground;
  readonly tiles: RealTiles;
  readonly source: Nginx;
  readonly destination: Nginx;
}

async function measure(): Promise<Measured> {
  const tiles = await realTiles();
  const ground = openGround('convoy-bench');
  try {
    const source = await startNginx(ground, { name: 'source' });
    const destination = await startNginx(ground, { name: 'destination' });
    symlinkSync(tiles.folder, join(source.root, 'dzis'));
    const scene: Scene = { ground, tiles, source, destination };
    const redis = await startRedis(ground);
    const queue = new RedisQueue({ locate: () => Promise.resolve(redis.url), timeoutMs: 5000 });
    const loop = await builtLoop(scene);
    const ours: Measurement[] = [];
    const theirs: Measurement[] = [];
    for (let run = 0; run < RUNS; run++) {
      ours.push(await measured(scene, () => worker(scene, queue, redis.url)));
      theirs.push(await measured(scene, () => bareLoop(scene, loop)));
    }
    await queue.close();
    return { figures: figuresOf(ours, theirs, tiles.keys.length), notes: [notesOf(tiles)] };
  } finally {
    await ground.close();
  }
}

interface Measurement {
  readonly warm: Pass;
  /** The first pass of the process, from its start. */
  readonly cold: Pass;
}

async function measured({ destination, tiles }: Scene, start: () => Promise<Client>): Promise<Measurement> {
  const began = performance.now();
  const { child, carry } = await start();
  const pass = async (): Promise<Pass> => {
    const folder = `copy-${++passes}`;
    mkdirSync(join(destination.root, folder));
    const found = await carry(folder);
    const arrived = readdirSync(join(destination.root, folder), { recursive: true, withFileTypes: true });
    if (arrived.filter((entry) => entry.isFile()).length !== tiles.keys.length)
      throw new Error('not all tiles arrived');
    return found;
  };
  try {
    await pass();
    const cold = { seconds: (performance.now() - began) / 1000, cpuSeconds: cpuOf(child) };
    return { cold, warm: await pass() };
  } finally {
    const ended = once(child, 'exit');
    child.kill();
    await ended;
    for (const folder of readdirSync(destination.root))
      rmSync(join(destination.root, folder), { recursive: true });
  }
}

let passes = 0;

/** A worker that waits for work, as users start it. */
async function worker({ ground, tiles, source, destination }: Scene, queue: RedisQueue, redisUrl: string) {
  const child = ground.spawn(
    'worker',
    process.execPath,
    [program('jobs/import-blobs-main.js'), '--concurrency', String(IN_FLIGHT)],
    { PATH: process.env.PATH, REDIS_URL: redisUrl },
  );
  return {
    child,
    async carry(name: string) {
      await queue.createMigration({
        ...{ name, source: `${source.url}/dzis`, destination: `webdav+${destination.davUrl}/${name}` },
        ...{ rangeSize: 1000, maxAttempts: 5, stopAfterFailures: 0.01, stopAfterTiles: 10_000 },
        ...{ serverSide: 'auto', incomplete: 'withhold' },
      });
      const before = cpuOf(child);
      await queue.addImages(name, tiles.images);
      await queue.closePlan(name, null);
      let seconds = 0;
      const isDone = async (): Promise<boolean> => {
        const status = await queue.status(name);
        seconds = ((status?.now ?? 0) - (status?.startedAt ?? 0)) / 1000;
        return status?.tiles.done === tiles.keys.length;
      };
      await until('all tiles to be carried', isDone, 120_000);
      return { seconds, cpuSeconds: cpuOf(child) - before };
    },
  };
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

async function bareLoop({ ground, source, destination }: Scene, file: string): Promise<Client> {
  const child = spawn(process.execPath, [file, `${source.url}/dzis`, join(ground.dir, 'keys')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    child,
    async carry(folder) {
      child.stdin.write(`${destination.davUrl}/${folder}\n`);
      return JSON.parse(String((await answers.next()).value)) as Pass;
    },
  };
}

function cpuOf({ pid = 0 }: ChildProcess): number {
  return [...cpuUse([pid]).byName.values()].reduce((sum, seconds) => sum + seconds, 0);
}

function figuresOf(ours: readonly Measurement[], theirs: readonly Measurement[], tiles: number): Figure[] {
  const cpu = (side: readonly Measurement[]): number[] =>
    side.map(({ warm }) => (warm.cpuSeconds / tiles) * 10_000);
  const compare = (what: string, of: (measurement: Measurement) => number, target: Figure['target']) => {
    const [mine, its] = [ours.map(of), theirs.map(of)];
    const rate = (values: readonly number[]): string => `${inWords(tiles / median(values))} /s`;
    return {
      ...{ what, unit: 'x', target, values: ratios(its, mine) },
      beside: `${rate(mine)} against ${rate(its)}`,
    };
  };
  return [
    compare('tiles per client CPU second', ({ warm }) => warm.cpuSeconds, { atLeast: 1.3 }),
    compare('tiles per second', ({ warm }) => warm.seconds, { atLeast: 1.2 }),
    compare('tiles per client CPU second, with its start', ({ cold }) => cold.cpuSeconds, null),
    compare('tiles per second, with its start', ({ cold }) => cold.seconds, null),
    {
      ...{ what: 'client CPU of the bare loop, 10,000 tiles', unit: 's', values: cpu(theirs) },
      ...{ target: { atMost: 1.7 }, beside: `Convoy ${spread(cpu(ours), 's')}` },
    },
  ];
}

function notesOf({ folder, keys }: RealTiles): string {
  const sizes = keys.map((key) => statSync(join(folder, key)).size);
  const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  return `Convoy against the bare loop (test/bench/bare-loop.ts): ${inWords(keys.length)} tiles (median ${inWords(median(sizes))} bytes, mean ${inWords(mean)}), at most ${IN_FLIGHT} in flight, destination in memory, both nginx with one process, Redis with its file. Each run is a new process of either side that carries all tiles twice, to an empty destination each time. What is held to a target is the second pass, both programs being up; the rows with the start have the whole first pass with all that comes before it. Time of a pass: from the first claim until Redis says that all is done, and of the loop from its first request to its last answer. CPU: the process's own, with all its threads.`;
}

await section('copy', measure);
