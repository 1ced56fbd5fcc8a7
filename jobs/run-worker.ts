import { randomUUID } from 'node:crypto';
import { kindOf, messageOf } from '../runtime/errors.js';
import { startLoop } from '../runtime/loop.js';
import type { Meter } from '../runtime/meter.js';
import { SIDES } from '../stores/environment.js';
import type { Job } from './open-job.js';
import { createWorker, type Worker, type WorkerOptions, type WorkerOutcome } from './worker.js';

const REPORT_MS = 5_000;
/** The report of a worker that has ended is forgotten at once. */
const GONE_MS = 1;
const REPORT_TTL_MS = 15_000;
const RECLAIM_MS = 500;
const RECLAIM_LIMIT = 100;

export interface RunOptions extends Omit<WorkerOptions, 'queue' | 'id'> {
  readonly job: Job;
  /** Where unit and machine are told, in the fleet. */
  readonly env: NodeJS.ProcessEnv;
}

/** A worker with what belongs to it: it tells the queue of itself, and tidies up after workers that died. */
export interface RunningWorker {
  /** Why no work can be done, in a sentence: the store that all it has claimed needs is away. Redis is not asked. */
  trouble(): string | null;
  /** As `Worker.run`. */
  run(signal: AbortSignal): Promise<WorkerOutcome>;
}

export function createRun({ job, env, ...options }: RunOptions): RunningWorker {
  const { queue, meter } = job;
  const { lane, clock, random, log } = options;
  const id = randomUUID();
  const self = { worker: id, lane, unit: env.CONVOY_UNIT ?? '', machine: env.CONVOY_MACHINE ?? '' };
  let wake = (): void => undefined;
  const worker: Worker = createWorker({ ...options, queue, id }, () => wake());
  workerMetrics(meter, worker);

  /** The worker's own claims tell of a queue that is away; here it would be said twice. */
  const quietly = async (call: Promise<unknown>): Promise<void> => {
    await call.catch((error: unknown) => log.debug({ kind: kindOf(error) }, messageOf(error)));
  };

  return {
    trouble() {
      const { state, since, detail } = worker.state;
      if (!state.endsWith('unreachable')) return null;
      return `${state} since ${new Date(since).toISOString()}: ${detail}`;
    },
    async run(signal) {
      const reports = startLoop({
        name: 'report',
        intervalMs: REPORT_MS,
        round: () => quietly(queue.report({ ...self, ...worker.state }, REPORT_TTL_MS)),
        ...{ clock, log },
      });
      wake = () => reports.wake();
      const reclaims = startLoop({
        name: 'reclaim',
        intervalMs: RECLAIM_MS,
        async round(stopped) {
          await clock.sleep(random() * RECLAIM_MS, stopped);
          await quietly(queue.reclaim(RECLAIM_LIMIT));
        },
        ...{ clock, log },
      });
      log.info({ worker: id, lane }, 'started');
      try {
        return await worker.run(signal);
      } finally {
        // They may wait for a Redis that is away, until the queue is closed.
        void Promise.all([reports.stop(), reclaims.stop()]);
        // A Redis that is away is not waited for: a stop takes 10 s at most.
        if (job.trouble() === null) await quietly(queue.report({ ...self, ...worker.state }, GONE_MS));
        log.info({ worker: id }, 'stopped');
      }
    },
  };
}

function workerMetrics(meter: Meter, worker: Worker): void {
  meter.reading(
    'gauge',
    {
      name: 'convoy_zh_in_flight_limit',
      help: 'How many objects may be in flight now: adapts to what the stores bear.',
    },
    () => [{ labels: {}, value: worker.state.limit }],
  );
  meter.reading(
    'gauge',
    {
      name: 'convoy_zh_store_away',
      help: '1 while a store that is worked with refuses everything; of several processes, how many wait.',
      labels: ['side'],
    },
    () => SIDES.map((side) => ({ labels: { side }, value: worker.state.state.startsWith(side) ? 1 : 0 })),
  );
}
