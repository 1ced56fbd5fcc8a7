import type { MigrationStatus, OperatorQueue } from '../jobs/work-queue.js';
import { permanent } from '../runtime/errors.js';
import type { Context } from './command.js';

const ANSWER_MS = 5_000;

/**
 * The work queue as an operator uses it. REDIS_URL says where Redis is, else service discovery; the password of a
 * discovered one comes from REDIS_PASSWORD.
 */
export async function withQueue<T>(
  { api, env }: Pick<Context, 'api' | 'env'>,
  use: (queue: OperatorQueue) => Promise<T>,
): Promise<T> {
  // Only here: no other command needs Redis's client, which takes as long to load as all the rest.
  const { RedisQueue } = await import('../jobs/redis-queue.js');
  const queue = new RedisQueue({ timeoutMs: ANSWER_MS, locate });
  try {
    return await use(queue);
  } finally {
    await queue.close();
  }

  async function locate(): Promise<string> {
    if (env.REDIS_URL) return env.REDIS_URL;
    const [entry] = await api.services('redis');
    if (entry === undefined)
      throw permanent(
        `no service "redis" is announced at ${api.endpoint}: start zh-redis, or set REDIS_URL to where Redis is`,
        { code: 'no-redis' },
      );
    const host = entry.host.includes(':') ? `[${entry.host}]` : entry.host;
    const password = env.REDIS_PASSWORD ? `:${encodeURIComponent(env.REDIS_PASSWORD)}@` : '';
    return `redis://${password}${host}:${entry.port}`;
  }
}

/** Rejects `permanent`: `not-found`, or `lost` where Redis once had it. */
export async function statusOf(queue: OperatorQueue, name: string): Promise<MigrationStatus> {
  const found = await queue.status(name);
  if (found !== null) return found;
  const none = (await queue.migrations()).length === 0;
  throw permanent(
    `there is no migration ${name}${none ? ', nor any other: if there was one, Redis lost it' : ''}`,
    { code: 'not-found' },
  );
}
