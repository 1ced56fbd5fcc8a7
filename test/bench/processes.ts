/**
 * Two worker processes against one. The source answers after 20 ms, so that a process does as much as it may have in flight, and
 * two of them fit on two cores.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openGround, startRedis } from '../../agent/ground.js';
import { RedisQueue } from '../../jobs/redis-queue.js';
import { startNginx } from '../support/stores/nginx.js';
import { type Figure, inWords, median, ratios } from './support/figures.js';
import { importRun } from './support/import-run.js';
import { type Pace, paceBetween, reached } from './support/progress.js';
import { RUNS, section } from './support/section.js';
import { undisturbed } from './support/steal.js';
import { keysOf, manyTimes, realTiles } from './support/tiles.js';

const LATENCY_MS = 20;
/** Of each process: at 20 ms they let 1,200 tiles/s through. */
const CONCURRENCY = 24;
/** All real tiles so often. */
const TIMES = 2;

/** Measured between these parts of all: without start and end of the programs, V8's first compiling, and while the limit settles. */
const [FROM, TO] = [0.6, 0.95];

if (!existsSync('/usr/lib/nginx/modules/ngx_http_echo_module.so'))
  throw new Error('nginx has no echo (apt-get install --no-install-recommends libnginx-mod-http-echo)');

const ground = openGround('convoy-processes');
try {
  await section('processes', async () => {
    const { runs, tiles } = await measure();
    const one = runs.map((run) => run.one);
    type What = { readonly what: string; readonly unit: string; readonly of: (pace: Pace) => number };
    const figure = ({ what, unit, of }: What, more: readonly Pace[], target: Figure['target']): Figure => ({
      ...{ what, unit: 'x', target, values: ratios(more.map(of), one.map(of)) },
      beside: `${inWords(median(more.map(of)))} to ${inWords(median(one.map(of)))} ${unit}`,
    });
    const rate = { unit: '/s', of: (pace: Pace) => pace.rate };
    const cpu = { unit: 's per 10,000 tiles', of: (pace: Pace) => pace.cpu };
    const two = runs.map((run) => run.two);
    return {
      figures: [
        figure({ what: 'tiles/s of two processes to one', ...rate }, two, { atLeast: 1.8 }),
        figure({ what: 'CPU per tile of two processes to one', ...cpu }, two, { atMost: 1.1 }),
        figure(
          { what: 'CPU per tile of a worker of one process beside another one to the same alone', ...cpu },
          runs.map(({ beside }) => beside),
          null,
        ),
      ],
      notes: [
        `\`zh-import-blobs --processes 2\` against \`--processes 1\`, at most ${CONCURRENCY} objects in flight in each process, from an nginx that waits ${LATENCY_MS} ms before each answer to another that takes them by WebDAV. Of ${tiles} tiles a run, those from ${FROM * 100} to ${TO * 100} %: the start, V8's compiling of much used code and the end are told by other tables. The parent process counts. The last line is two workers of one process each, with a migration each: they share the machine and its servers, and nothing of ours but Redis.`,
      ],
    };
  });
} finally {
  await ground.close();
}

async function measure() {
  const tiles = await realTiles();
  const redis = await startRedis(ground);
  const queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 5_000 });
  const source = await startNginx(ground, {
    name: 'source',
    modules: ['ngx_http_echo_module'],
    extra: `location ~ ^/tiles/(.*)$ { echo_sleep ${LATENCY_MS / 1000}; echo_exec /ready/$1; }
    location /ready/ { internal; alias ${join(ground.dir, 'many')}/; }`,
  });
  const images = manyTimes(tiles, TIMES, join(ground.dir, 'many'));
  const destination = await startNginx(ground, { name: 'destination' });
  const total = keysOf(images).length;
  let collections = 0;

  async function run(processes: number): Promise<Pace> {
    const collection = String(++collections);
    mkdirSync(join(destination.root, collection));
    let pace: Promise<Pace> | undefined;
    await importRun({
      ...{ ground, queue, redisUrl: redis.url, images },
      ...{ source: `${source.url}/tiles`, destination: `webdav+${destination.davUrl}/${collection}` },
      args: ['--processes', String(processes), '--concurrency', String(CONCURRENCY)],
      onStart(pid, migration) {
        const mark = (part: number) => reached(queue, migration, pid, total * part);
        pace = Promise.all([mark(FROM), mark(TO)]).then(([from, to]) => paceBetween(from, to));
      },
    });
    const found = await pace!;
    console.log(`${processes}: ${inWords(found.rate)} tiles/s, CPU ${inWords(found.cpu)} s per 10,000`);
    return found;
  }
  const runs: { one: Pace; two: Pace; beside: Pace }[] = [];
  for (let at = 0; at < RUNS; at++)
    runs.push(
      await undisturbed(async () => {
        const [one, two] = [await run(1), await run(2)];
        const [beside] = await Promise.all([run(1), run(1)]);
        return { one, two, beside };
      }),
    );
  await queue.close();
  return { runs, tiles: total };
}
