/**
 * The adaptive limit of objects in flight: HTTP to disk, from a source in a process of its own. For each source the rate at
 * fixed limits, then what the adaptive one comes to and how soon; last how soon a burst of 503 halves it.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import PQueue from 'p-queue';
import { openGround } from '../../agent/ground.js';
import { copyRange } from '../../jobs/copy-range.js';
import { createLimits } from '../../jobs/limits.js';
import { tileCount } from '../../jobs/pyramid.js';
import { openRoute, type Route } from '../../jobs/route.js';
import { createTilePools, type TilePool } from '../../jobs/tile-pool.js';
import { type Claim, type MigrationDefinition, NO_LIMIT } from '../../jobs/work-queue.js';
import { systemClock } from '../../runtime/clock.js';
import { silentLog } from '../../runtime/log.js';
import { silentMeter } from '../../runtime/meter.js';
import { until } from '../support/until.js';
import { type Figure, inWords, median } from './support/figures.js';
import { RUNS, section } from './support/section.js';
import { undisturbed } from './support/steal.js';

const MOST = 256;
const FIXED = [8, 16, 32, 64, 128, 256];
const FIXED_S = 5;
const ADAPTIVE_S = 30;
const GOOD_ENOUGH = 0.85;
const TILE_BYTES = 14_000;

/** What the source is told: how long each answer takes, and what share of them is a 503. */
interface Behaviour {
  readonly latencyMs: number;
  readonly refused: number;
}

if (process.argv[2] === 'source') serve();
else
  await section('adapt', async () => ({
    figures: await measure(),
    notes: [
      `HTTP to disk, ${TILE_BYTES} bytes a tile, at most ${MOST} in flight; the source is a Node server beside. The best fixed limit is the best of ${FIXED.join(', ')}, ${FIXED_S} s each, in the same run.`,
    ],
  }));

function serve(): void {
  const body = Buffer.alloc(TILE_BYTES, 7);
  body.set([0xff, 0xd8, 0xff, 0xe0]);
  let behaviour: Behaviour = { latencyMs: 0, refused: 0 };
  let count = 0;
  process.on('message', (told: Behaviour) => {
    behaviour = told;
  });
  const server = createServer((_, response) => {
    const refuse = Math.floor(++count * behaviour.refused) > Math.floor((count - 1) * behaviour.refused);
    const answer = (): void => {
      if (refuse) response.writeHead(503, { 'content-length': 0 }).end();
      else response.writeHead(200, { 'content-length': body.length, 'content-type': 'image/jpeg' }).end(body);
    };
    if (behaviour.latencyMs > 0) setTimeout(answer, behaviour.latencyMs);
    else answer();
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
}

async function measure(): Promise<Figure[]> {
  const ground = openGround('convoy-bench');
  const source = fork(import.meta.filename, ['source'], { execArgv: process.execArgv });
  const found = new Map<number, Adapted[]>();
  try {
    const [port] = (await once(source, 'message')) as [number];
    const directory = join(ground.dir, 'copy');
    mkdirSync(directory);
    const tell = (behaviour: Behaviour): boolean => source.send(behaviour);
    for (let run = 0; run < RUNS; run++)
      for (const latencyMs of [50, 0]) {
        const adapted = await undisturbed(async () => {
          tell({ latencyMs, refused: 0 });
          console.log(`\nsource answers after ${latencyMs} ms`);
          const best = await bestFixed(`http://127.0.0.1:${port}`, directory);
          return adaptive(`http://127.0.0.1:${port}`, directory, best, tell, latencyMs);
        });
        found.set(latencyMs, [...(found.get(latencyMs) ?? []), adapted]);
      }
  } finally {
    source.kill();
    await ground.close();
  }
  return [...found].flatMap(([latencyMs, all]): Figure[] => {
    const where = latencyMs === 0 ? 'bound by the processor' : `source answers after ${latencyMs} ms`;
    const limits = all.map(({ limit }) => limit).join(', ');
    const [ours, fixed] = [median(all.map(({ rate }) => rate)), median(all.map(({ best }) => best))];
    return [
      {
        ...{ what: `${where}: rate of the adaptive limit to the best fixed`, unit: 'x' },
        ...{ values: all.map(({ rate, best }) => rate / best), target: { atLeast: GOOD_ENOUGH } },
        beside: `${inWords(ours)} against ${inWords(fixed)} tiles/s; mean of the last 10 of ${ADAPTIVE_S} s, at limits of ${limits}`,
      },
      {
        ...{ what: `${where}: until ${GOOD_ENOUGH * 100} % of the best fixed`, unit: 's' },
        ...{ values: all.map(({ reachedS }) => reachedS), target: { atMost: ADAPTIVE_S } },
        beside: 'mean of 3 s',
      },
      {
        ...{ what: `${where}: until a burst of 503 has halved the limit`, unit: 's' },
        ...{ values: all.map(({ halvedS }) => halvedS), target: { atMost: 1 } },
        beside: 'every second answer is 503',
      },
    ];
  });
}

/** Tiles per second at the best of the fixed limits. */
async function bestFixed(url: string, directory: string): Promise<number> {
  let best = 0;
  for (const limit of FIXED) {
    const run = await start(url, directory, () => fixedPool(limit));
    await sleep(1_000);
    const rate = await rateOver(run, (FIXED_S - 1) * 1_000);
    await run.stop();
    console.log(`  fixed at ${String(limit).padStart(3)}   ${rate.toFixed(0).padStart(6)} tiles/s`);
    best = Math.max(best, rate);
  }
  return best;
}

interface Adapted {
  /** Tiles per second, its own and of the best fixed one. */
  readonly rate: number;
  readonly best: number;
  /** Infinity: never. */
  readonly reachedS: number;
  readonly halvedS: number;
  /** Where it rested. */
  readonly limit: number;
}

async function adaptive(
  url: string,
  directory: string,
  best: number,
  tell: (behaviour: Behaviour) => boolean,
  latencyMs: number,
): Promise<Adapted> {
  const run = await start(url, directory, (clock) => createTilePools(MOST, clock).open());
  const rates: number[] = [];
  const limits: number[] = [];
  for (let second = 0; second < ADAPTIVE_S; second++) {
    rates.push(await rateOver(run, 1_000));
    limits.push(run.pool.limit);
  }
  const last = rates.slice(-10).reduce((sum, rate) => sum + rate, 0) / 10;
  const reached = rates.findIndex(
    (_, i) => i >= 2 && (rates[i - 2]! + rates[i - 1]! + rates[i]!) / 3 >= best * GOOD_ENOUGH,
  );
  console.log(`  adaptive       ${last.toFixed(0).padStart(6)} tiles/s; limits: ${limits.join(' ')}`);
  const limit = run.pool.limit;
  tell({ latencyMs, refused: 0.5 });
  const from = performance.now();
  await until('the limit to halve', () => run.pool.limit <= Math.ceil(limit / 2), 20_000);
  const halvedS = (performance.now() - from) / 1000;
  tell({ latencyMs, refused: 0 });
  await run.stop();
  return {
    rate: last,
    best,
    reachedS: reached === -1 ? Number.POSITIVE_INFINITY : reached + 1,
    halvedS,
    limit,
  };
}

interface Run {
  readonly pool: TilePool;
  readonly settled: () => number;
  readonly stop: () => Promise<void>;
}

/** One endless claim, from a queue that always agrees. */
async function start(
  url: string,
  directory: string,
  poolOf: (clock: ReturnType<typeof systemClock>) => TilePool,
): Promise<Run> {
  const clock = systemClock();
  const pool = poolOf(clock);
  const geometry = { width: 2_000_000, height: 2_000_000, tileSize: 254, overlap: 1, format: 'jpg' };
  const migration: MigrationDefinition = {
    ...{ name: 'bench', source: url, destination: `file://${directory}`, rangeSize: 1000, maxAttempts: 5 },
    ...{ stopAfterFailures: 1, stopAfterTiles: 1, serverSide: 'never', incomplete: 'withhold' },
  };
  const tiles = tileCount(geometry);
  const claim: Claim = {
    ...{ token: 't', migration, lane: 'tiles', first: 0, end: tiles, attempt: 0, leaseMs: 15_000 },
    ...{
      image: { ...geometry, number: 0, id: 'big', tiles },
      lookFirst: false,
      share: NO_LIMIT,
      check: null,
    },
  };
  const stop = new AbortController();
  const giveUp = new AbortController();
  let opened: Route | null = null;
  const route = await openRoute(migration, {
    ...{ clock, random: Math.random, log: silentLog, env: {}, meter: silentMeter, signal: stop.signal },
    limits: createLimits(null, clock),
    latencyOf: () => () => undefined,
    onThrottled: () => pool.throttled(),
    onOutageChange: () => pool.hold(opened !== null && opened.outage.away !== null),
  });
  opened = route;
  let settled = 0;
  const done = copyRange(claim, clock.steady(), {
    ...{ pool, clock, random: Math.random, log: silentLog, stop: stop.signal, giveUp: giveUp.signal },
    spare: [],
    queue: { checkpoint: async () => ({ answer: 'kept', share: NO_LIMIT }) },
    outage: route.outage,
    async copy(index, signal, leased) {
      const outcome = await route.copy(claim, index, signal, leased);
      settled++;
      return outcome;
    },
    onSlack: () => undefined,
    onLast: () => undefined,
    onTold: () => undefined,
  });
  return {
    pool,
    settled: () => settled,
    async stop() {
      stop.abort();
      await done;
      await route.close();
    },
  };
}

function fixedPool(limit: number): TilePool {
  const queue = new PQueue({ concurrency: limit });
  return {
    limit,
    get hasRoom() {
      return queue.size === 0 && queue.pending < limit;
    },
    run(task, over) {
      const add = () => void queue.add(task).then((answer) => (answer === 'again' ? add() : over()));
      add();
    },
    throttled: () => undefined,
    hold: () => undefined,
    close: () => undefined,
  };
}

async function rateOver(run: Run, ms: number): Promise<number> {
  const [before, from] = [run.settled(), performance.now()];
  await sleep(ms);
  return ((run.settled() - before) * 1000) / (performance.now() - from);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
