import { afterEach, expect, test } from 'vitest';
import { quantile, sumOf } from '../../../jobs/latency.js';
import type { StoreLatency, WorkerReport } from '../../../jobs/work-queue.js';
import { exitOf, useMigrations } from '../../support/migration-ground.js';
import type { JobProgram, Running } from '../../support/migration-processes.js';
import { until } from '../../support/until.js';

const IMAGE = { width: 1000, height: 700, tileSize: 50, overlap: 1, format: 'jpg' };
const ONE_TILE = { ...IMAGE, width: 1, height: 1 };
/** Above a bound of the counts by what a timer may be early, so that it is told as longer than that bound. */
const SLOW_MS = 310;
const BOUND_MS = 300;
const ground = useMigrations('latency');
const opened: Running[] = [];
afterEach(async () => {
  ground.source.fault = () => null;
  await Promise.all(opened.splice(0).map((running) => running.kill()));
});

/** Runs a program on this migration, and waits until as many workers of it as it is to have tell of both stores. */
async function told(job: JobProgram, migration: string, workers: number, ...args: string[]) {
  const unit = `${job}-of-${migration}.service`;
  const running = ground.start(job, ['--migration', migration, ...args], { CONVOY_UNIT: unit });
  opened.push(running);
  const ofBoth = ({ latency }: WorkerReport): boolean => latency.length === 2;
  const reports = await until(
    `${job} to report`,
    async () => {
      const found = (await ground.queue.workers()).filter((report) => report.unit === unit);
      return found.length === workers && found.every(ofBoth) && found;
    },
    60_000,
  );
  return { running, latency: sumOf(reports.flatMap((report) => report.latency)) };
}

function expectSlowSource([source, destination, ...more]: readonly StoreLatency[]): void {
  expect(more).toEqual([]);
  expect(source).toMatchObject({ side: 'source', kind: 'http' });
  expect(quantile(source!.counts, 0)).toBeGreaterThanOrEqual(BOUND_MS);
  expect(quantile(source!.counts, 0.5)).toBeGreaterThan(BOUND_MS);
  expect(destination).toMatchObject({ side: 'destination', kind: 'file' });
  expect(quantile(destination!.counts, 0)).toBeLessThan(BOUND_MS);
}

test('every program reports how long its requests took, though nobody asks it for numbers: a slow source is slow', async () => {
  const images = Object.fromEntries(Array.from({ length: 150 }, (_, place) => [`small${place}`, ONE_TILE]));
  const name = await ground.plan({ large: IMAGE, ...images });
  const slowly = (): void => {
    ground.source.fault = () => ({ kind: 'slow', ms: SLOW_MS });
  };
  const quickly = (): void => {
    ground.source.fault = () => null;
  };
  const few = ['--concurrency', '8'];

  slowly();
  const copying = await told('import-blobs', name, 2, '--until-empty', '--processes', '2', ...few);
  expectSlowSource(copying.latency);
  quickly();
  expect(await exitOf(copying.running, 60_000)).toEqual({ code: 0 });

  slowly();
  const publishing = await told('upload-dzis', name, 1, '--until-empty', ...few);
  expectSlowSource(publishing.latency);
  quickly();
  expect(await exitOf(publishing.running, 60_000)).toEqual({ code: 0 });

  slowly();
  const verifying = await told('verify', name, 1, '--sample', '99%', ...few);
  expectSlowSource(verifying.latency);
}, 240_000);
