import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ground } from '../../agent/ground.js';
import { RedisQueue } from '../../jobs/redis-queue.js';
import { type TestMachine, testMachine, writeUnit } from './fleet.js';
import { untilMachines } from './fleet-view.js';
import { program, ROOT } from './programs.js';
import { startTileSource, type TileSource } from './tile-source.js';
import { until } from './until.js';

/** Machines with a migration under way, by the shipped units: what a dashboard has to show. */
export interface CarryingFleet {
  readonly machines: readonly TestMachine[];
  readonly source: TileSource;
  readonly redisUrl: string;
  readonly queue: RedisQueue;
  close(): Promise<void>;
}

export interface Cargo {
  readonly migration: string;
  /** Ids; each image has about `tilesEach` tiles. */
  readonly images: readonly string[];
  readonly tilesEach: number;
  readonly importers: number;
  /** Of each importer. */
  readonly rps: number;
}

export interface CarryingOptions {
  readonly etcd: string;
  readonly machines: number;
  readonly cargo: Cargo;
  /** Absent: the source answers well. */
  readonly fault?: TileSource['fault'];
  /** A location; absent: a folder of the ground. */
  readonly destination?: string;
}

/** What the shipped units run. */
const PROGRAMS = {
  'zh-populate': 'jobs/populate-main.js',
  'zh-import-blobs': 'jobs/import-blobs-main.js',
  'zh-upload-dzis': 'jobs/upload-dzis-main.js',
};
const SHIPPED = join(ROOT, 'units/shipped');

/** Starts machines a, b ... on an etcd, zh-redis, the planner and the importers; resolves when tiles are being copied. */
export async function carryingFleet(
  ground: Ground,
  {
    etcd,
    machines: count,
    cargo,
    fault,
    destination = `file://${join(ground.dir, 'destination')}`,
  }: CarryingOptions,
): Promise<CarryingFleet> {
  const source = await startTileSource();
  if (fault !== undefined) source.fault = fault;
  const side = Math.ceil(Math.sqrt(cargo.tilesEach * 0.75)) * 100;
  for (const id of cargo.images)
    source.addImage(id, { width: side, height: side, tileSize: 100, overlap: 1, format: 'jpg' });
  const ids = join(ground.dir, 'total.txt');
  writeFileSync(ids, `${cargo.images.join('\n')}\n`);
  const bin = join(ground.dir, 'bin');
  mkdirSync(bin);
  for (const [name, file] of Object.entries(PROGRAMS)) symlinkSync(program(file), join(bin, name));
  const path = `${bin}:${process.env.PATH}`;

  const machines = await Promise.all(
    [...'abcdefgh'].slice(0, count).map((name) => testMachine(ground, name, etcd, [], { PATH: path })),
  );
  for (const { dir } of machines) {
    const folder = join(dir, 'root/etc/convoy');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'zh-populate.env'), `ZH_IDS=${ids}\n`);
    writeFileSync(join(folder, 'zh-import-blobs.env'), `ZH_MAX_RPS=${cargo.rps}\n`);
  }
  const [first] = machines as [TestMachine];
  await untilMachines(first, count);
  const ctl = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await first.ctl(...args);
    if (code !== 0) throw new Error(`convoyctl ${args.join(' ')}: ${stderr}`);
    return stdout;
  };

  await ctl('start', join(SHIPPED, 'zh-redis.service'));
  const redisUrl = await until('zh-redis', async () => {
    const found = /redis\s+zh-redis\.service\s+\S+\s+(127\.0\.0\.1:\d+)/.exec(await ctl('services'));
    return found === null ? null : `redis://${found[1]}`;
  });
  await ctl(
    ...['migration', 'create', cargo.migration, '--source', source.url, '--destination', destination],
    ...['--create-container', '--range-size', '100'],
  );
  await ctl('submit', join(SHIPPED, 'zh-import-blobs@.service'), join(SHIPPED, 'zh-upload-dzis@.service'));
  await ctl(
    'start',
    join(SHIPPED, 'zh-populate.service'),
    ...Array.from({ length: cargo.importers }, (_, at) => `zh-import-blobs@${at + 1}.service`),
    'zh-upload-dzis@1.service',
  );
  const queue = new RedisQueue({ locate: () => Promise.resolve(redisUrl), timeoutMs: 5_000 });
  await until('tiles that are copied', async () => {
    const status = await queue.status(cargo.migration);
    return status !== null && status.tiles.done > 0 && status.planClosed;
  });
  return {
    ...{ machines, source, redisUrl, queue },
    async close() {
      await queue.close();
      await source.close();
    },
  };
}

/** Units that do not all run: one that fails, one that fits nowhere, and some that do. */
export async function someUnits({ machines }: Pick<CarryingFleet, 'machines'>): Promise<void> {
  const [first] = machines as [TestMachine];
  const unit = (name: string, ...lines: string[]): string => {
    writeUnit(first, name, `${lines.join('\n')}\n`);
    return name;
  };
  const sleeping = ['[Unit]', 'Description=Front end', '[Service]', 'ExecStart=/bin/sleep infinity'];
  unit('web@.service', ...sleeping);
  await first.ctl('start', '--no-block', 'web@1.service', 'web@2.service', 'web@3.service');
  await first.ctl(
    ...['start', '--no-block'],
    unit(
      'mailer.service',
      '[Service]',
      "ExecStart=/bin/sh -c 'echo no route to smtp.example.com >&2; exit 7'",
    ),
    unit('gpu-index.service', ...sleeping, '[X-Fleet]', 'MachineMetadata=gpu=yes'),
  );
}
