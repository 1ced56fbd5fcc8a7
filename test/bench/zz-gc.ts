/** A/B of the worker: VARIANTS="name=flags;name=flags" ROOTS... */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openGround, startRedis } from '../../agent/ground.js';
import { RedisQueue } from '../../jobs/redis-queue.js';
import { startNginx } from '../support/stores/nginx.js';
import { stolenSeconds } from './support/processes.js';
import { manyTimes, realTiles } from './support/tiles.js';

process.env.TMPDIR = '/dev/shm';
const TIMES = Number(process.env.TIMES ?? 4),
  ROUNDS = Number(process.env.ROUNDS ?? 4);
const variants = process.argv.slice(2).map((v) => {
  const [name = '', dist = '', flags = ''] = v.split('|');
  return { name, dist, flags: flags.split(' ').filter(Boolean) };
});
const tiles = await realTiles();
const ground = openGround('convoy-loop');
try {
  const source = await startNginx(ground, { name: 'source' });
  const destination = await startNginx(ground, { name: 'destination' });
  const many = manyTimes(tiles, TIMES, join(source.root, 'many'));
  const redis = await startRedis(ground);
  const queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 5000 });
  const best = new Map<string, number[][]>();
  let n = 0;
  for (let round = 0; round < ROUNDS; round++)
    for (const { name, dist, flags } of variants) {
      const m = `m${n++}`;
      mkdirSync(join(destination.root, m));
      await queue.createMigration({
        name: m,
        source: `${source.url}/many`,
        destination: `webdav+${destination.davUrl}/${m}`,
        rangeSize: 1000,
        maxAttempts: 5,
        stopAfterFailures: 0.01,
        stopAfterTiles: 10000,
        serverSide: 'auto',
        incomplete: 'withhold',
      } as never);
      await queue.addImages(m, many);
      await queue.closePlan(m, null);
      const child = spawn(
        process.execPath,
        [...flags, join(dist, 'jobs/import-blobs-main.js'), '--concurrency', '64'],
        {
          env: { PATH: process.env.PATH, REDIS_URL: redis.url },
          stdio: ['ignore', (await import('node:fs')).openSync('/tmp/gc.log', 'w'), 'ignore'],
        },
      );
      const cpu = () => {
        const f = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
        return (Number(f[11]) + Number(f[12])) / 100;
      };
      const points: number[][] = []; // per chunk of 10k: [cpu/10k, rate, steal]
      let last = { done: 0, cpu: 0, t: performance.now(), s: stolenSeconds() };
      const total = tiles.keys.length * TIMES;
      for (;;) {
        const done = (await queue.status(m))?.tiles.done ?? 0;
        if (done - last.done >= 10000 || done >= total) {
          const now = { done, cpu: cpu(), t: performance.now(), s: stolenSeconds() };
          const k = (now.done - last.done) / 10000;
          const sec = (now.t - last.t) / 1000;
          points.push([(now.cpu - last.cpu) / k, (now.done - last.done) / sec, (now.s - last.s) / sec / 2]);
          last = now;
          if (done >= total) break;
        }
        await new Promise((r) => setTimeout(r, 50));
      }
      const rss =
        Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024;
      child.kill();
      await new Promise((r) => child.once('exit', r));
      for (const f of readdirSync(destination.root)) rmSync(join(destination.root, f), { recursive: true });
      console.log(
        name.padEnd(12),
        points.map(([c, , s]) => `${c!.toFixed(2)}${s! > 0.05 ? '*' : ''}`).join(' '),
        'rate',
        points.at(-1)![1]!.toFixed(0),
        'rss',
        rss.toFixed(0),
      );
      best.set(name, [...(best.get(name) ?? []), ...[points.map((p) => p[0]!)]]);
    }
  for (const [name, runs] of best) {
    const w = runs.flatMap((r) => r.slice(Math.floor(r.length / 2))).sort((a, b) => a - b);
    const c = runs.map((r) => r[0]!).sort((a, b) => a - b);
    console.log(
      name,
      'warm min',
      w[0]!.toFixed(2),
      'median',
      w[w.length >> 1]!.toFixed(2),
      'first 10k median',
      c[c.length >> 1]!.toFixed(2),
    );
  }
  await queue.close();
} finally {
  await ground.close();
}
