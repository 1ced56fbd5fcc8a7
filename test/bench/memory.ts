/**
 * Whether a worker's memory grows: zh-import-blobs over a million tiles, each run a process of its own, of which the last goes on to
 * five million, as a tenth of a million is less than one round of the garbage collector (10 to 20 s, in which RSS grows by a tenth).
 * Some hundred real tiles stand for all of them, and a WebDAV server takes them and keeps none, so that it is a matter of minutes.
 */
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openGround, startRedis } from '../../agent/ground.js';
import { tileCount } from '../../jobs/pyramid.js';
import { RedisQueue } from '../../jobs/redis-queue.js';
import type { ImageGeometry } from '../../jobs/work-queue.js';
import { startNginx } from '../support/stores/nginx.js';
import { type Figure, inWords, median } from './support/figures.js';
import { type Imported, importRun } from './support/import-run.js';
import { RUNS, section } from './support/section.js';
import { realTiles } from './support/tiles.js';

const PROMISED = 1_000_000;
const MANY = 5_000_000;
const GEOMETRY: ImageGeometry = { width: 54_000, height: 27_000, tileSize: 254, overlap: 1, format: 'jpg' };
const SAMPLE_MS = 250;
const MIB = 1024 ** 2;
const PARTS = { v8: "V8's memory", malloc: "malloc's", files: 'pages of files' };

const ground = openGround('convoy-memory');
try {
  await section('memory', async () => {
    const scene = await openScene();
    try {
      const runs: Run[] = [];
      while (runs.length < RUNS) runs.push(await carry(scene, runs.length < RUNS - 1 ? PROMISED : MANY));
      return {
        figures: [
          growth(
            'a million tiles: RSS in the last tenth of the time to the first tenth',
            runs.map(firstMillion),
          ),
          growth('five million', [runs.at(-1)!.samples]),
        ],
        notes: [inWordsOf(runs)],
      };
    } finally {
      await scene.queue.close();
    }
  });
} finally {
  await ground.close();
}

interface Scene {
  readonly queue: RedisQueue;
  readonly redisUrl: string;
  readonly source: string;
  readonly destination: string;
}

interface Run {
  readonly imported: Imported;
  /** Evenly spaced in time. */
  readonly samples: readonly Sample[];
}

/** What the worker's RSS is made of, in bytes. */
interface Sample {
  /** What V8 maps for its heap and code; with stacks, and what malloc has for threads. */
  readonly v8: number;
  /** Bodies, and what Node itself allocates. */
  readonly malloc: number;
  /** What has been read of the node program and its libraries. */
  readonly files: number;
}

async function openScene(): Promise<Scene> {
  const redis = await startRedis(ground);
  const source = await startNginx(ground, {
    name: 'source',
    extra: 'location ~ "(\\d{1,2})_\\d*(\\d)\\.jpg$" { try_files /pool/$1_$2.jpg =404; }',
  });
  await fillPool(join(source.root, 'pool'));
  const destination = await startNginx(ground, {
    name: 'destination',
    extra:
      'location /taken/ { client_max_body_size 0; if ($request_method = PUT) { return 201; } return 405; }',
  });
  return {
    queue: new RedisQueue({ locate: async () => redis.url, timeoutMs: 5_000 }),
    redisUrl: redis.url,
    source: source.url,
    destination: `webdav+${destination.url}/taken`,
  };
}

async function carry(scene: Scene, tiles: number): Promise<Run> {
  const images = Array.from({ length: Math.ceil(tiles / tileCount(GEOMETRY)) }, (_, number) => ({
    id: `m${number}`,
    geometry: GEOMETRY,
  }));
  const samples: Sample[] = [];
  let sampling: NodeJS.Timeout | undefined;
  try {
    const imported = await importRun({
      ...{ ground, ...scene, images },
      onStart(pid) {
        sampling = setInterval(() => samples.push(...sampleOf(pid)), SAMPLE_MS);
      },
    });
    return { imported, samples };
  } finally {
    clearInterval(sampling);
  }
}

function rssOf({ v8, malloc, files }: Sample): number {
  return v8 + malloc + files;
}

/** By the time it took, as the rate is even. */
function firstMillion({ imported, samples }: Run): readonly Sample[] {
  return samples.slice(0, (samples.length * PROMISED) / imported.tiles);
}

function growth(what: string, runs: readonly (readonly Sample[])[]): Figure {
  const tenths = runs.map((samples) => tenthsOf(samples.map(rssOf)));
  const all = runs.flat().map(rssOf);
  const [least, most] = [Math.min(...all), Math.max(...all)].map((bytes) => inWords(bytes / MIB));
  return {
    ...{ what, unit: 'x', values: tenths.map(({ first, last }) => last / first), target: { atMost: 1.1 } },
    beside: `medians ${inMiB(tenths.map(({ last }) => last))} and ${inMiB(tenths.map(({ first }) => first))} MiB; over all ${least} to ${most} MiB`,
  };
}

function inWordsOf(runs: readonly Run[]): string {
  const [tiles, seconds] = [
    runs.reduce((sum, { imported }) => sum + imported.tiles, 0),
    runs.reduce((sum, { imported }) => sum + imported.seconds, 0),
  ];
  const parts = (Object.keys(PARTS) as (keyof Sample)[]).map((part) => {
    const tenths = runs.map((run) => tenthsOf(firstMillion(run).map((sample) => sample[part])));
    return `${PARTS[part]} ${inMiB(tenths.map(({ first }) => first))} and ${inMiB(tenths.map(({ last }) => last))}`;
  });
  return `A worker of its own for each run, default settings: ${tiles.toLocaleString('en')} tiles in ${Math.round(seconds)} s (${inWords(tiles / seconds)} /s) in all; RSS from /proc four times a second. In the first and the last tenth of a million, medians of all runs in MiB: ${parts.join(', ')}. From nginx to nginx; the destination throws away what it takes.`;
}

/** Medians, in bytes. */
interface Tenths {
  readonly first: number;
  readonly last: number;
}

function tenthsOf(values: readonly number[]): Tenths {
  const count = Math.ceil(values.length / 10);
  return { first: median(values.slice(0, count)), last: median(values.slice(-count)) };
}

function inMiB(bytes: readonly number[]): string {
  return inWords(median(bytes) / MIB);
}

/** Real tiles under the names that the source takes tiles from: two last digits of the column, one of the row. */
async function fillPool(pool: string): Promise<void> {
  const { folder, keys } = await realTiles();
  mkdirSync(pool);
  const full = keys.filter((key) => /\/1[23]\//.test(key));
  const columns = [...Array(100).keys()].flatMap((column) =>
    column < 10 ? [`${column}`, `0${column}`] : [`${column}`],
  );
  let at = 0;
  for (const column of columns)
    for (let row = 0; row < 10; row++)
      copyFileSync(join(folder, full[at++ % full.length]!), join(pool, `${column}_${row}.jpg`));
}

/** Of the process; none once it has ended. proc(5): a line for each mapping, with its name last, and below it its Rss in KiB. */
function sampleOf(pid: number): readonly Sample[] {
  const sample = { v8: 0, malloc: 0, files: 0 };
  let part: keyof Sample = 'v8';
  for (const line of linesOf(`/proc/${pid}/smaps`)) {
    const name = /^[0-9a-f]+-[0-9a-f]+(?: +\S+){4} *(.*)$/.exec(line)?.[1];
    if (name !== undefined) part = name === '[heap]' ? 'malloc' : name.startsWith('/') ? 'files' : 'v8';
    sample[part] += Number(/^Rss: +(\d+)/.exec(line)?.[1] ?? 0) * 1024;
  }
  return rssOf(sample) === 0 ? [] : [sample];
}

function linesOf(file: string): readonly string[] {
  try {
    return readFileSync(file, 'latin1').split('\n');
  } catch {
    return [];
  }
}
