/**
 * Whether a worker's memory grows: one zh-import-blobs over five million tiles, of which a tenth takes several rounds of the
 * garbage collector (5 to 7 s each with 22,000 tiles/s; RSS grows by a third within each), and the first million of them, as promised. Some hundred real tiles stand for all
 * of them, and a WebDAV server takes them and keeps none, so that it is a matter of minutes.
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
import { section } from './support/section.js';
import { realTiles } from './support/tiles.js';

const TILES = 5_000_000;
const PROMISED = 1_000_000;
const GEOMETRY: ImageGeometry = { width: 54_000, height: 27_000, tileSize: 254, overlap: 1, format: 'jpg' };
const SAMPLE_MS = 1_000;
const MIB = 1024 ** 2;

const ground = openGround('convoy-memory');
try {
  await section('memory', async () => {
    const { imported, samples } = await measure();
    const ofMillion = samples.slice(0, (samples.length * PROMISED) / imported.tiles);
    const [least, most] = [Math.min(...samples), Math.max(...samples)].map((bytes) => inWords(bytes / MIB));
    const rate = imported.tiles / imported.seconds;
    return {
      figures: [
        growth(
          'RSS in the last tenth of the time to the first tenth',
          tenths(samples),
          `; over all ${least} to ${most} MiB`,
        ),
        growth('the same of the first million tiles alone', tenths(ofMillion), ''),
      ],
      notes: [
        `One worker, one run: ${imported.tiles.toLocaleString('en')} tiles in ${Math.round(imported.seconds)} s (${inWords(rate)} /s), default settings; RSS from /proc each second, ${samples.length} times. From nginx to nginx; the destination throws away what it takes.`,
      ],
    };
  });
} finally {
  await ground.close();
}

async function measure(): Promise<{ readonly imported: Imported; readonly samples: readonly number[] }> {
  const redis = await startRedis(ground);
  const queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 5_000 });
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
  const images = Array.from({ length: Math.ceil(TILES / tileCount(GEOMETRY)) }, (_, number) => ({
    id: `m${number}`,
    geometry: GEOMETRY,
  }));
  const samples: number[] = [];
  let sampling: NodeJS.Timeout | undefined;
  try {
    const imported = await importRun({
      ...{ ground, queue, redisUrl: redis.url, images },
      ...{ source: source.url, destination: `webdav+${destination.url}/taken` },
      onStart(pid) {
        sampling = setInterval(() => samples.push(rssOf(pid)), SAMPLE_MS);
      },
    });
    return { imported, samples: samples.filter((bytes) => bytes > 0) };
  } finally {
    clearInterval(sampling);
    await queue.close();
  }
}

/** Medians of RSS, in bytes. */
interface Tenths {
  readonly first: number;
  readonly last: number;
}

function growth(what: string, { first, last }: Tenths, more: string): Figure {
  return {
    ...{ what, unit: 'x', values: [last / first], target: { atMost: 1.1 } },
    beside: `medians ${inWords(last / MIB)} and ${inWords(first / MIB)} MiB${more}`,
  };
}

function tenths(samples: readonly number[]): Tenths {
  const count = Math.ceil(samples.length / 10);
  return { first: median(samples.slice(0, count)), last: median(samples.slice(-count)) };
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

/** Of the process, in bytes; 0 once it has ended. */
function rssOf(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
