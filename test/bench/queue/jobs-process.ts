/**
 * BullMQ's worker with a job that does nothing, over tiles named by paths of 60 bytes, a job each. Arguments: Redis's
 * URL, number of jobs. Tells its parent what that took.
 */
import { Queue, Worker } from 'bullmq';
import { inspect } from '../../support/queue-inspector.js';
import { redisCpu, redisInfo } from './redis-info.js';

export interface Worked {
  readonly seconds: number;
  /** User and system time of this process while the worker ran. */
  readonly cpuSeconds: number;
  readonly redisCpuSeconds: number;
  /** Redis's used_memory with all jobs waiting. */
  readonly memory: number;
}

const [url = '', count = ''] = process.argv.slice(2);
const JOBS = Number(count);
const ADDED_AT_ONCE = 1000;
/** Its best setting for a job that does nothing: more gains nothing. */
const CONCURRENCY = 50;

const { hostname: host, port } = new URL(url);
const connection = { host, port: Number(port) };
const admin = inspect(url);

const queue = new Queue('tiles', { connection });
for (let from = 0; from < JOBS; from += ADDED_AT_ONCE)
  await queue.addBulk(
    Array.from({ length: Math.min(ADDED_AT_ONCE, JOBS - from) }, (_, place) => ({
      name: 'tile',
      data: path(from + place),
      opts: { removeOnComplete: true },
    })),
  );
const memory = await redisInfo(admin, 'memory', 'used_memory');

const redisBefore = await redisCpu(admin);
const cpu = process.cpuUsage();
const began = performance.now();
let done = 0;
const worker = new Worker('tiles', () => Promise.resolve(), { connection, concurrency: CONCURRENCY });
await new Promise<void>((resolve, reject) => {
  worker.on('completed', () => {
    if (++done === JOBS) resolve();
  });
  worker.on('error', reject);
});
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(cpu);
const redisCpuSeconds = (await redisCpu(admin)) - redisBefore;
await worker.close();
await Promise.all([queue.close(), admin.close()]);
const worked: Worked = { seconds, cpuSeconds: (user + system) / 1e6, redisCpuSeconds, memory };
process.send?.(worked);
process.disconnect?.();

/** `dzis/<id>_files/<level>/<column>_<row>.jpg`, 60 bytes. */
function path(number: number): string {
  const tail = `_files/13/${number % 27}_${Math.floor(number / 27) % 26}.jpg`;
  const id = Math.floor(number / 700).toString(36);
  return `dzis/${id.padStart(60 - 'dzis/'.length - tail.length, '0')}${tail}`;
}
