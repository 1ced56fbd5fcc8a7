/** Claims and settles every range of a migration. Arguments: Redis's URL, migration. Tells its parent what that took. */
import { createHash } from 'node:crypto';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import type { Claim } from '../../../jobs/work-queue.js';
import { inspect } from '../../support/queue-inspector.js';
import { redisCpu, redisInfo } from './redis-info.js';

export interface Settled {
  readonly ranges: number;
  readonly tiles: number;
  readonly seconds: number;
  /** User and system time of this process while it claimed and settled. */
  readonly cpuSeconds: number;
  readonly redisCpuSeconds: number;
  /** Redis's memory for a claim under way. */
  readonly bytesPerClaim: number;
}

const [url = '', migration = ''] = process.argv.slice(2);
/** As many jobs as BullMQ's worker has under way. */
const IN_FLIGHT = 50;
/** Enough that the buffers of connections are no part of it. */
const HELD = 5000;

const queue = new RedisQueue({ locate: async () => url, timeoutMs: 30_000 });
const admin = inspect(url);
let issued = 0;
let ranges = 0;
let tiles = 0;

const memory = (): Promise<number> => redisInfo(admin, 'memory', 'used_memory');

const claim = async (): Promise<Claim | null> => {
  const token = `${process.pid}-${++issued}`;
  const got = await queue.claim({ token, lane: 'tiles', leaseMs: 600_000, migration });
  return 'kind' in got ? null : got;
};

async function settle({ token, image, first, end }: Claim): Promise<void> {
  const done = end - first;
  const digest = createHash('md5').update(`${image.id}:${first}`).digest('hex');
  const { answer } = await queue.checkpoint(token, migration, {
    ...{ sequence: 1, next: end, bytes: done * 14_000, done, skipped: 0, failed: [], delayed: [], digest },
    ...{ release: false, found: null },
  });
  if (answer !== 'ended') throw new Error(`a checkpoint was answered ${answer}`);
  ranges++;
  tiles += done;
}

const before = await memory();
const held = await Promise.all(Array.from({ length: HELD }, claim));
const bytesPerClaim = ((await memory()) - before) / HELD;
for (const each of held) await settle(each!);
ranges = 0;
tiles = 0;

async function work(): Promise<void> {
  for (let got = await claim(); got !== null; got = await claim()) await settle(got);
}

const redisBefore = await redisCpu(admin);
const cpu = process.cpuUsage();
const began = performance.now();
await Promise.all(Array.from({ length: IN_FLIGHT }, work));
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(cpu);
const redisCpuSeconds = (await redisCpu(admin)) - redisBefore;
await Promise.all([queue.close(), admin.close()]);
const settled: Settled = {
  ranges,
  tiles,
  seconds,
  cpuSeconds: (user + system) / 1e6,
  redisCpuSeconds,
  bytesPerClaim,
};
process.send?.(settled);
process.disconnect?.();
