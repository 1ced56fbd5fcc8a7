/**
 * What the dashboard costs: `convoyctl top` on a terminal of 140 x 45, twice a second, over 1,000 units on 10 machines and a
 * migration that 64 workers carry. Redis is real; convoyd's API stands on a registry in memory, and its registry and the
 * workers live in this process, so that the dashboard's own CPU time is all that is measured.
 */
import { readFileSync } from 'node:fs';
import { openGround, startRedis } from '../../agent/ground.js';
import { LATENCY_BOUNDS_MS } from '../../jobs/latency.js';
import { RedisQueue } from '../../jobs/redis-queue.js';
import type { Claim, ImageGeometry } from '../../jobs/work-queue.js';
import { startFakeFleet } from '../support/fake-fleet.js';
import { program } from '../support/programs.js';
import { startTerminal, type Terminal } from '../support/tmux.js';
import type { Figure } from './support/figures.js';
import { RUNS, section } from './support/section.js';
import { undisturbed } from './support/steal.js';

const UNITS = 1_000;
const MACHINES = 10;
const WORKERS = 64;
const IMAGES = 5_000;
const MEASURED_MS = 30_000;
const WARM_MS = 10_000;
const PROMISED_PERCENT = 5;
/** Units started or stopped a second. */
const CHANGES = 2;
/** USER_HZ, the unit of times in /proc: 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const GEOMETRY: ImageGeometry = { width: 6858, height: 6604, tileSize: 254, overlap: 1, format: 'jpg' };
const OPTIONS = { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep infinity' }] };
const MIGRATION = 'bench';
const COUNTS = [...LATENCY_BOUNDS_MS, Number.POSITIVE_INFINITY].map((_, at) => 100 - at);
const LATENCY = (['source', 'destination'] as const).map((side) => ({ side, kind: 'http', counts: COUNTS }));

const ground = openGround('convoy-bench');
const ending = new AbortController();
const ids = Array.from({ length: MACHINES }, (_, at) => at.toString(16).repeat(32));
const fleet = await startFakeFleet(ids.map((id, at) => ({ id, ip: `10.0.0.${at + 1}`, metadata: {} })));
try {
  await section('dashboard', async () => ({
    figures: await measure(),
    notes: [
      `\`convoyctl top\` on a terminal of 140 x 45, twice a second: ${UNITS.toLocaleString('en')} units, ${CHANGES} of them started or stopped a second, on ${MACHINES} machines, and a migration that ${WORKERS} workers carry; ${MEASURED_MS / 1000} s a page.`,
    ],
  }));
} finally {
  ending.abort();
  await fleet.stop();
  await ground.close();
}

async function measure(): Promise<Figure[]> {
  const redis = await startRedis(ground);
  const queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 30_000 });
  await queue.createMigration({
    ...{ name: MIGRATION, source: 'http://source/', destination: 'file:///destination', rangeSize: 500 },
    ...{ maxAttempts: 3, stopAfterFailures: 1e9, stopAfterTiles: 1e9 },
    ...{ serverSide: 'auto' as const, incomplete: 'withhold' as const },
  });
  for (let at = 0; at < IMAGES; at += 100)
    await Promise.all(
      Array.from({ length: 100 }, (_, more) =>
        queue.addImages(MIGRATION, [{ id: `a${(at + more).toString(36)}Zq`, geometry: GEOMETRY }]),
      ),
    );
  const unitNames = Array.from({ length: UNITS }, (_, at) => `unit-${at}.service`);
  for (const name of unitNames) await fleet.registry.submitUnit(name, OPTIONS, 'launched');
  await fleet.rest();

  const works = Array.from({ length: WORKERS }, (_, at) =>
    work(queue, `worker-${at}`, ids[at % MACHINES] ?? ''),
  );
  works.push(changeUnits(unitNames));
  const terminal = await startTerminal(ground, {
    name: 'top',
    command: [process.execPath, program('cli/main.js'), 'top'],
    env: { REDIS_URL: redis.url, CONVOY_ENDPOINT: `unix://${fleet.socket}` },
  });
  await terminal.untilScreen('the fleet', (lines) => lines.some((line) => line.includes('unit-')), 30_000);
  const shares = { fleet: [] as number[], migration: [] as number[] };
  for (let run = 0; run < RUNS; run++) {
    shares.fleet.push(await undisturbed(() => measured(terminal)));
    await terminal.sendKeys('1');
    await terminal.untilScreen(
      'the migration',
      (lines) => lines.some((line) => line.includes('worker-')),
      30_000,
    );
    shares.migration.push(await undisturbed(() => measured(terminal)));
    await terminal.sendKeys('2');
    await terminal.untilScreen('the fleet', (lines) => lines.some((line) => line.includes('unit-')), 30_000);
  }
  const memory =
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${terminal.pid()}/status`, 'utf8'))?.[1]) / 1024;
  ending.abort();
  await Promise.all(works);
  await queue.close();
  return Object.entries(shares).map(([page, values]) => ({
    ...{
      what: `CPU of \`convoyctl top\` on its page ${page}, of a core`,
      values,
      unit: '%',
      target: { atMost: PROMISED_PERCENT },
    },
    beside: `${memory.toFixed(0)} MB resident at the end`,
  }));
}

/** In percent of a core. */
async function measured(terminal: Terminal): Promise<number> {
  await sleep(WARM_MS);
  const before = cpuSeconds(terminal.pid());
  const began = performance.now();
  await sleep(MEASURED_MS);
  const seconds = (performance.now() - began) / 1000;
  return ((cpuSeconds(terminal.pid()) - before) / seconds) * 100;
}

/** User and system time (proc(5): 14th and 15th field), all threads. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Settles a part of its claim twice a second and tells how it does, as a worker does. */
async function work(queue: RedisQueue, worker: string, machine: string): Promise<void> {
  let claim: Claim | null = null;
  let sequence = 0;
  let [next, done, claims] = [0, 0, 0];
  while (!ending.signal.aborted) {
    if (claim === null) {
      claims += 1;
      const token = `${worker}-${claims}`;
      const got = await queue.claim({ token, lane: 'tiles', leaseMs: 600_000, migration: MIGRATION });
      claim = 'kind' in got ? null : got;
      sequence = 0;
      next = claim?.first ?? 0;
    }
    if (claim !== null) {
      const from = next;
      next = Math.min(claim.end, next + 50);
      sequence += 1;
      const failed =
        claims % 10 === 0 ? [{ first: from, count: 1, reason: 'http-404', status: 404, attempt: 1 }] : [];
      await queue.checkpoint(claim.token, MIGRATION, {
        ...{
          sequence,
          next,
          bytes: 50 * 14_000,
          done: next - from - failed.length,
          skipped: 0,
          failed,
          delayed: [],
        },
        ...{ digest: '0123456789abcdef0123456789abcdef', release: false, found: null },
      });
      done += next - from;
      if (next === claim.end) claim = null;
    }
    await queue.report(
      {
        ...{ worker, lane: 'tiles', unit: `zh-import-blobs@${worker}.service`, machine, state: 'copying' },
        ...{
          since: Date.now(),
          detail: `copying ${MIGRATION}`,
          done,
          skipped: 0,
          failed: 0,
          bytes: done * 14_000,
        },
        ...{ rate: 100 + Math.sin(done) * 10, limit: 32, latency: LATENCY },
      },
      10_000,
    );
    await sleep(500);
  }
}

async function changeUnits(names: readonly string[]): Promise<void> {
  for (let at = 0; !ending.signal.aborted; at += 1) {
    const name = names[(at * 7) % names.length] ?? '';
    await fleet.registry.setTargetState(name, at % 2 === 0 ? 'loaded' : 'launched');
    await sleep(1_000 / CHANGES);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
