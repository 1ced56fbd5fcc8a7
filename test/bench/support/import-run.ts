import type { Ground } from '../../../agent/ground.js';
import type { RedisQueue } from '../../../jobs/redis-queue.js';
import type { PlannedImage } from '../../../jobs/work-queue.js';
import { program } from '../../support/programs.js';
import { runToEnd, type Usage } from './run-to-end.js';

export interface ImportRun {
  readonly ground: Ground;
  readonly queue: RedisQueue;
  readonly redisUrl: string;
  readonly source: string;
  readonly destination: string;
  readonly images: readonly PlannedImage[];
  /** Of the built zh-import-blobs, besides those that make it end. */
  readonly args?: readonly string[];
  /** Credentials. */
  readonly env?: NodeJS.ProcessEnv;
  /** Hears of the process that was started, and what its migration is called. */
  readonly onStart?: (pid: number, migration: string) => void;
}

export interface Imported extends Usage {
  readonly tiles: number;
}

/** A migration of its own with claims, counters, digest and verification on, and nothing copied by the destination itself; planned. */
export async function planMigration({
  queue,
  source,
  destination,
  images,
}: Pick<ImportRun, 'queue' | 'source' | 'destination' | 'images'>): Promise<string> {
  const migration = `bench-${++migrations}`;
  await queue.createMigration({
    ...{ name: migration, source, destination, rangeSize: 1000, maxAttempts: 5, stopAfterFailures: 0.01 },
    ...{ stopAfterTiles: 10_000, serverSide: 'never', incomplete: 'withhold' },
  });
  await queue.addImages(migration, images);
  await queue.closePlan(migration, null);
  return migration;
}

/** Such a migration, whose tiles the built zh-import-blobs carries as a user would have it. Rejects unless every tile arrived. */
export async function importRun(run: ImportRun): Promise<Imported> {
  const { ground, queue, redisUrl, args = [], env = {}, onStart } = run;
  const migration = await planMigration(run);
  const usage = await runToEnd(
    ground,
    process.execPath,
    [program('jobs/import-blobs-main.js'), '--migration', migration, '--until-empty', ...args],
    { PATH: process.env.PATH, ...env, REDIS_URL: redisUrl },
    (pid) => onStart?.(pid, migration),
  );
  const tiles = (await queue.status(migration))?.tiles;
  if (tiles === undefined || tiles.done !== tiles.total)
    throw new Error(`${tiles?.done} of ${tiles?.total} tiles arrived`);
  return { ...usage, tiles: tiles.total };
}

let migrations = 0;
