import type { Clock } from '../runtime/clock.js';
import type { Log } from '../runtime/log.js';
import type { Shutdown } from '../runtime/shutdown.js';
import { redisFinder, redisLocator } from './discover.js';
import { RedisQueue } from './redis-queue.js';
import type { WorkQueue } from './work-queue.js';

/** Short enough that a program told to stop gives up on a dead Redis in time. */
const ANSWER_MS = 2_000;

export interface QueueNeeds {
  readonly clock: Clock;
  readonly log: Log;
  readonly shutdown: Shutdown;
  /** Where Redis is not to be found a call fails, as where it is away; else it waits until there is one. */
  readonly impatient?: boolean;
}

/** The queue of a program, closed with it. Throws a `UsageError` if the environment names no way to Redis. */
export function openQueue(
  env: NodeJS.ProcessEnv,
  { clock, log, shutdown, impatient }: QueueNeeds,
): WorkQueue {
  const locate = impatient ? redisFinder(env) : redisLocator({ env, clock, log, random: Math.random });
  // Not the shutdown's own signal: the last checkpoints may need to find Redis.
  const closing = new AbortController();
  const queue = new RedisQueue({ locate: () => locate(closing.signal), timeoutMs: ANSWER_MS });
  shutdown.onClose('queue', async () => {
    closing.abort();
    await queue.close();
  });
  return queue;
}
