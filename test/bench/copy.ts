/**
 * The per-tile path, HTTP to disk: one zh-import-blobs, rclone, and a bare loop without queue, retry or counters, on
 * the same tiles from the same nginx, one after another. Convoy and `and synced` make each tile durable, the other two
 * leave that to the kernel. Rates depend on the machine; the ratios are the result.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Pool } from 'undici';
import { freePort, type Ground, openGround, startRedis } from '../../agent/ground.js';
import { tileAt, tileCount, tileKey } from '../../jobs/pyramid.js';
import { RedisQueue } from '../../jobs/redis-queue.js';
import type { ImageGeometry } from '../../jobs/work-queue.js';
import { writeSynced } from '../../stores/filesystem/synced-file.js';
import { program } from '../support/programs.js';
import { until } from '../support/until.js';

const TILE_BYTES = 14_000;
const IN_FLIGHT = 64;
const GEOMETRY: ImageGeometry = { width: 30_000, height: 30_000, tileSize: 254, overlap: 1, format: 'jpg' };

interface Result {
  readonly what: string;
  readonly seconds: number;
  /** Of the client alone. */
  readonly cpuSeconds: number;
}

for (const name of ['nginx', 'rclone'])
  if (spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0) {
    console.error(
      `bench copy: ${name} is not on PATH (apt-get install --no-install-recommends nginx-light rclone)`,
    );
    process.exit(1);
  }

const ground = openGround('convoy-bench');
try {
  const keys = makeTiles(join(ground.dir, 'source'));
  const url = await startNginx(ground, join(ground.dir, 'source'));
  const results = [
    await bareLoop('bare loop', url, keys, join(ground.dir, 'bare'), (path, bytes) => writeFile(path, bytes)),
    await bareLoop('  and synced', url, keys, join(ground.dir, 'synced'), writeSynced),
    await convoy(ground, url, join(ground.dir, 'convoy')),
    await rclone(url, keys, join(ground.dir, 'rclone')),
  ];
  const ours = results.find(({ what }) => what === 'Convoy') as Result;
  console.log(`${keys.length} tiles of ${TILE_BYTES} bytes, ${IN_FLIGHT} in flight`);
  console.log('client             tiles/s   CPU s/10k   tiles/s vs Convoy   CPU vs Convoy');
  for (const { what, seconds, cpuSeconds } of results)
    console.log(
      [
        what.padEnd(16),
        (keys.length / seconds).toFixed(0).padStart(9),
        ((cpuSeconds / keys.length) * 10_000).toFixed(2).padStart(11),
        (ours.seconds / seconds).toFixed(2).padStart(19),
        (cpuSeconds / ours.cpuSeconds).toFixed(2).padStart(15),
      ].join(' '),
    );
} finally {
  await ground.close();
}

function makeTiles(folder: string): string[] {
  const body = Buffer.alloc(TILE_BYTES, 7);
  body.set([0xff, 0xd8, 0xff, 0xe0]);
  const keys = Array.from({ length: tileCount(GEOMETRY) }, (_, at) =>
    tileKey('big', tileAt(GEOMETRY, at), 'jpg'),
  );
  for (const folderName of new Set(keys.map((key) => dirname(key))))
    mkdirSync(join(folder, folderName), { recursive: true });
  for (const key of keys) writeFileSync(join(folder, key), body);
  writeFileSync(
    join(folder, 'big.dzi'),
    `<Image TileSize="254" Overlap="1" Format="jpg" xmlns="http://schemas.microsoft.com/deepzoom/2009"><Size Width="${GEOMETRY.width}" Height="${GEOMETRY.height}"/></Image>`,
  );
  return keys;
}

async function startNginx(on: Ground, root: string): Promise<string> {
  const port = await freePort();
  const config = join(on.dir, 'nginx.conf');
  writeFileSync(
    config,
    `daemon off; pid ${on.dir}/nginx.pid; error_log ${on.dir}/nginx.err; worker_processes 1; user root;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 10000000; types { image/jpeg jpg; application/xml dzi; }
server { listen 127.0.0.1:${port}; root ${root}; } }`,
  );
  on.spawn('nginx', 'nginx', ['-c', config, '-p', on.dir]);
  const url = `http://127.0.0.1:${port}`;
  await until('nginx', () =>
    fetch(`${url}/big.dzi`).then(
      (answer) => answer.ok,
      () => false,
    ),
  );
  return url;
}

async function bareLoop(
  what: string,
  url: string,
  keys: readonly string[],
  folder: string,
  store: (path: string, bytes: Uint8Array) => Promise<void>,
): Promise<Result> {
  const pool = new Pool(url, { connections: IN_FLIGHT });
  for (const name of new Set(keys.map((key) => dirname(key))))
    mkdirSync(join(folder, name), { recursive: true });
  const before = process.cpuUsage();
  const start = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      for (let key = keys[next++]; key !== undefined; key = keys[next++]) {
        const { body } = await pool.request({ method: 'GET', path: `/${key}` });
        await store(join(folder, key), await body.bytes());
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  await pool.close();
  return { what, seconds, cpuSeconds: (user + system) / 1e6 };
}

async function convoy(on: Ground, url: string, folder: string): Promise<Result> {
  const redis = await startRedis(on);
  const queue = new RedisQueue({ locate: () => Promise.resolve(redis.url), timeoutMs: 5000 });
  mkdirSync(folder);
  await queue.createMigration({
    ...{ name: 'bench', source: url, destination: `file://${folder}`, rangeSize: 1000, maxAttempts: 5 },
    ...{
      stopAfterFailures: 0.01,
      stopAfterTiles: 10_000,
      serverSide: 'auto' as const,
      incomplete: 'withhold' as const,
    },
  });
  await queue.addImages('bench', [{ id: 'big', geometry: GEOMETRY }]);
  await queue.closePlan('bench', null);
  const start = performance.now();
  const child = on.spawn('worker', process.execPath, [program('jobs/import-blobs-main.js')], {
    ...process.env,
    REDIS_URL: redis.url,
  });
  await until(
    'all tiles',
    async () => (await queue.status('bench'))?.tiles.done === tileCount(GEOMETRY),
    300_000,
  );
  const seconds = (performance.now() - start) / 1000;
  const cpuSeconds = cpuOf(child.pid ?? 0);
  await queue.close();
  return { what: 'Convoy', seconds, cpuSeconds };
}

async function rclone(url: string, keys: readonly string[], folder: string): Promise<Result> {
  const list = join(ground.dir, 'keys.txt');
  writeFileSync(list, `${keys.join('\n')}\n`);
  const start = performance.now();
  const child = spawn('rclone', [
    ...['copy', '--http-url', `${url}/`, ':http:', folder, '--files-from-raw', list, '--http-no-head'],
    ...['--no-traverse', '--no-check-dest', '--transfers', String(IN_FLIGHT), '--config', '/dev/null', '-q'],
  ]);
  let cpuSeconds = 0;
  const watching = setInterval(() => {
    cpuSeconds = Math.max(cpuSeconds, cpuOf(child.pid ?? 0));
  }, 100);
  await new Promise((resolve) => child.once('exit', resolve));
  clearInterval(watching);
  return { what: 'rclone', seconds: (performance.now() - start) / 1000, cpuSeconds };
}

/** User and system seconds of a process so far, in the kernel's ticks of 10 ms. */
function cpuOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}
