import { mkdirSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll } from 'vitest';
import { RedisQueue } from '../../jobs/redis-queue.js';
import type { ImageGeometry, MigrationStatus } from '../../jobs/work-queue.js';
import { type JobProgram, type Running, startJob } from './migration-processes.js';
import { type TestServer, testRedis, useGround } from './services.js';
import { startTileSource, type TileSource } from './tile-source.js';
import { until } from './until.js';

/** Redis, a source of tiles and folders as destinations, for one test file that runs the product's programs on them. */
export interface MigrationGround {
  readonly dir: string;
  readonly redis: TestServer;
  readonly source: TileSource;
  readonly queue: RedisQueue;
  /** A migration of its own with a closed plan of these images; answers its name. */
  plan(images: Readonly<Record<string, ImageGeometry>>): Promise<string>;
  status(name: string): Promise<MigrationStatus>;
  start(job: JobProgram, args: readonly string[], env?: Readonly<Record<string, string>>): Running;
  logOf(running: Running): string;
  /** All that was in it is gone, as if its disk had been. */
  emptyRedis(): Promise<void>;
}

export function useMigrations(name: string): MigrationGround {
  const ground = useGround(name);
  let redis: TestServer;
  let source: TileSource;
  let queue: RedisQueue;
  let migrations = 0;
  beforeAll(async () => {
    redis = await testRedis(ground);
    source = await startTileSource();
    queue = new RedisQueue({ locate: () => Promise.resolve(redis.url), timeoutMs: 5_000 });
  });
  afterAll(async () => {
    await queue.close();
    await source.close();
  });
  return {
    dir: ground.dir,
    get redis() {
      return redis;
    },
    get source() {
      return source;
    },
    get queue() {
      return queue;
    },
    async plan(images) {
      const migration = `m${++migrations}`;
      mkdirSync(join(ground.dir, migration));
      await queue.createMigration({
        ...{ name: migration, source: source.url, destination: `file://${join(ground.dir, migration)}` },
        ...{ rangeSize: 100, maxAttempts: 2, stopAfterFailures: 0.5, stopAfterTiles: 10_000 },
        ...{ serverSide: 'auto', incomplete: 'withhold' },
      });
      await queue.beginPlan(migration, 'list');
      for (const [id, geometry] of Object.entries(images)) source.addImage(id, geometry);
      const planned = Object.entries(images).map(([id, geometry]) => ({ id, geometry }));
      await queue.addImages(migration, planned);
      await queue.closePlan(migration, 'list');
      return migration;
    },
    status: async (migration) => (await queue.status(migration))!,
    start: (job, args, env = {}) => startJob(ground, job, args, { REDIS_URL: redis.url, ...env }),
    async emptyRedis() {
      const client = new Redis(redis.url);
      await client.flushall();
      client.disconnect();
    },
    logOf: (running) => readFileSync(join(ground.dir, `${running.name}.log`), 'utf8'),
  };
}

/** The exit code, or the signal that ended it. */
export function exitOf(running: Running, ms = 15_000): Promise<{ code: number | NodeJS.Signals }> {
  let code: number | NodeJS.Signals | undefined;
  void running.ended.then((answer) => {
    code = answer;
  });
  return until('the program to exit', () => (code === undefined ? null : { code }), ms);
}

/** Where a program with `--listen 127.0.0.1:0` listens: its log says. */
export async function addressOf(log: () => string): Promise<string> {
  const [, address] = await until('it to listen', () => /"address":"(http:[^"]+)"/.exec(log()));
  return address!;
}

export function fetchText(url: string): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body })).on('error', reject);
    }).on('error', reject);
  });
}
