import { randomUUID } from 'node:crypto';
import { systemClock } from '../runtime/clock.js';
import { kindOf, messageOf } from '../runtime/errors.js';
import { createLog } from '../runtime/log.js';
import { startLoop } from '../runtime/loop.js';
import { parseInteger, parseNumber, parseProgram } from '../runtime/options.js';
import { createShutdown } from '../runtime/shutdown.js';
import { createLimiter } from '../stores/wrap.js';
import { openQueue } from './open-queue.js';
import { FINDING_REDIS, LOG_LEVEL, MIGRATION } from './options.js';
import { openRoute } from './route.js';
import type { Lane } from './work-queue.js';
import { createWorker, type Worker } from './worker.js';

export interface WorkerProgram {
  readonly name: string;
  readonly description: string;
  readonly lane: Lane;
}

const TABLE = {
  migration: MIGRATION,
  maxRps: {
    flag: '--max-rps <n>',
    env: 'ZH_MAX_RPS',
    help: 'at most this many requests to the source per second; without it, no limit',
    parse: parseNumber(0.1, 1_000_000),
  },
  concurrency: {
    flag: '--concurrency <n>',
    env: 'ZH_CONCURRENCY',
    help: 'at most this many objects in flight; how many really are adapts to what the stores bear',
    parse: parseInteger(1, 1024),
    default: 64,
  },
  logLevel: LOG_LEVEL,
};

const REPORT_MS = 5_000;
const REPORT_TTL_MS = 15_000;
const RECLAIM_MS = 500;
const RECLAIM_LIMIT = 100;

/** A copying program: serves its lane until told to stop, and tidies up after workers that died. */
export async function runWorkerProgram(
  program: WorkerProgram,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const { name, description, lane } = program;
  const options = parseProgram({ name, description, table: TABLE, epilogue: FINDING_REDIS }, argv, env);
  const id = randomUUID();
  const clock = systemClock();
  const random = Math.random;
  const log = createLog(name, options.logLevel);
  const shutdown = createShutdown(log);
  const queue = openQueue(env, { clock, log, shutdown });
  const { maxRps, concurrency, migration } = options;
  const limiter = maxRps === undefined ? {} : { limiter: createLimiter(maxRps, clock) };

  const worker: Worker = createWorker(
    {
      ...{ queue, lane, id, clock, random, log },
      ...(migration === undefined ? {} : { migration }),
      // What waits for its turn counts as in flight, and a pause lets it finish: no more than a second's worth.
      concurrency: maxRps === undefined ? concurrency : Math.min(concurrency, Math.max(1, Math.ceil(maxRps))),
      openRoute: (definition, hooks) =>
        openRoute(definition, { clock, random, log, env, ...limiter, ...hooks }),
    },
    () => reports.wake(),
  );
  /** The worker's own claims tell of a queue that is away; here it would be said twice. */
  const quietly = async (call: Promise<unknown>): Promise<void> => {
    await call.catch((error: unknown) => log.debug({ kind: kindOf(error) }, messageOf(error)));
  };
  const self = { worker: id, lane, unit: env.CONVOY_UNIT ?? '', machine: env.CONVOY_MACHINE ?? '' };
  const reports = startLoop({
    name: 'report',
    intervalMs: REPORT_MS,
    round: () => quietly(queue.report({ ...self, ...worker.state }, REPORT_TTL_MS)),
    ...{ clock, log },
  });
  const reclaims = startLoop({
    name: 'reclaim',
    intervalMs: RECLAIM_MS,
    async round(signal) {
      await clock.sleep(random() * RECLAIM_MS, signal);
      await quietly(queue.reclaim(RECLAIM_LIMIT));
    },
    ...{ clock, log },
  });

  log.info({ worker: id, lane }, 'started');
  await worker.run(shutdown.signal);
  void Promise.all([reports.stop(), reclaims.stop()]);
  await shutdown.close();
  log.info({ worker: id }, 'stopped');
  return 0;
}
