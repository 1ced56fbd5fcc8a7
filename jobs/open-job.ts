import { processMetrics } from '../runtime/process-metrics.js';
import { type PrometheusMeter, prometheusMeter } from '../runtime/prometheus.js';
import { startStatusServer } from '../runtime/status-server.js';
import type { ListenAddress } from '../runtime/web-server.js';
import { type CountCalls, countedQueue } from './counted-queue.js';
import { openQueue, type QueueNeeds } from './open-queue.js';
import type { WorkQueue } from './work-queue.js';

/** What every program of a migration has: the work queue, its own numbers, and a word on whether it can work. */
export interface Job {
  /** Closed with the program. What it answers is counted. */
  readonly queue: WorkQueue;
  readonly meter: PrometheusMeter;
  /** Why nothing can be had from Redis now, in a sentence; null while it answers. */
  trouble(): string | null;
  /**
   * Serves /metrics and /healthz until the program is closed; without an address does nothing. /healthz is 503 with a
   * sentence while Redis is away, or `trouble` says why the program can do nothing.
   */
  listen(address: ListenAddress | undefined, more?: Status): Promise<void>;
}

export interface Status {
  readonly trouble?: () => string | null;
  /** What is to be looked up before the numbers are told; must not reject. */
  readonly look?: () => Promise<void>;
}

export interface JobNeeds extends QueueNeeds {
  /** What of the queue's answers is counted; absent: nothing. */
  readonly count?: CountCalls;
}

/** Throws a `UsageError` if the environment names no way to Redis. */
export function openJob(env: NodeJS.ProcessEnv, needs: JobNeeds): Job {
  const { clock, count } = needs;
  const meter = prometheusMeter();
  processMetrics(meter);
  const { queue, trouble } = countedQueue(openQueue(env, needs), clock, count?.(meter) ?? {});
  meter.reading(
    'gauge',
    {
      name: 'convoy_zh_redis_away',
      help: '1 while Redis does not answer or cannot be found; of several processes, how many wait.',
    },
    () => [{ labels: {}, value: trouble() === null ? 0 : 1 }],
  );
  return {
    ...{ queue, meter, trouble },
    async listen(address, more = {}) {
      const metrics = async (): Promise<string> => {
        await more.look?.();
        return meter.text();
      };
      await serveStatus(address, { metrics, health: () => trouble() ?? more.trouble?.() ?? null }, needs);
    },
  };
}

/** What is served is any program's. */
export async function serveStatus(
  address: ListenAddress | undefined,
  { metrics, health }: { metrics: () => Promise<string>; health: () => string | null },
  { log, shutdown }: Pick<JobNeeds, 'log' | 'shutdown'>,
): Promise<void> {
  if (address === undefined) return;
  const server = await startStatusServer({ listen: address, metrics, health, log });
  shutdown.onClose('status server', () => server.close());
}
