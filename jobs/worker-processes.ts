import { fork } from 'node:child_process';
import { type Clock, systemClock } from '../runtime/clock.js';
import { UsageError } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { startLoop } from '../runtime/loop.js';
import { processMetrics } from '../runtime/process-metrics.js';
import { familiesText, prometheusMeter } from '../runtime/prometheus.js';
import { createShutdown } from '../runtime/shutdown.js';
import type { ListenAddress } from '../runtime/web-server.js';
import { childEnvironment, type Parent } from './child-process.js';
import { type Job, serveStatus } from './open-job.js';
import { createProcesses } from './processes.js';

export interface SeveralOptions {
  readonly count: number;
  readonly listen: ListenAddress | undefined;
  /** The command line, without node and program. */
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
}

/** The parent of several processes of this program: itself it does nothing but keep them running, and tell of them. */
export async function runSeveral({ count, listen, argv, env, log }: SeveralOptions): Promise<number> {
  const shutdown = createShutdown(log);
  const meter = prometheusMeter();
  processMetrics(meter);
  const deaths = meter.counter({
    name: 'convoy_zh_process_deaths_total',
    help: 'Processes of --processes that ended unexpectedly; each is followed by another.',
  });
  deaths({}, 0);
  const processes = createProcesses({
    count,
    start: () => fork(process.argv[1] ?? '', [...argv], { env: childEnvironment(env, count) }),
    onDeath: () => deaths({}),
    ...{ clock: systemClock(), random: Math.random, log },
  });
  const metrics = async (): Promise<string> =>
    familiesText([await meter.families(), ...(await processes.families())]);
  await serveStatus(listen, { metrics, health: () => processes.trouble() }, { log, shutdown });
  try {
    return await processes.run(shutdown.signal);
  } finally {
    await shutdown.close();
  }
}

const NUMBERS_MS = 1_000;

export interface ChildOptions {
  readonly parent: Parent;
  readonly job: Job;
  /** Why it can do nothing now, Redis apart. */
  readonly trouble: () => string | null;
  /** The work itself. Resolves with the exit code, and whether it ended by itself. */
  readonly run: () => Promise<{ readonly code: number; readonly byItself: boolean }>;
  readonly clock: Clock;
  readonly log: Log;
}

/** One of several: works like a program of its own, and tells its parent how it is. */
export async function runAsChild({ parent, job, trouble, run, clock, log }: ChildOptions): Promise<number> {
  const tellNumbers = async (): Promise<void> => {
    const families = await job.meter.families();
    await parent.tell({ kind: 'numbers', families, trouble: job.trouble() ?? trouble() });
  };
  const numbers = startLoop({
    ...{ name: 'numbers', intervalMs: NUMBERS_MS, clock, log },
    round: tellNumbers,
  });
  const { code, byItself } = await run();
  await numbers.stop();
  await tellNumbers();
  if (byItself) await parent.tell({ kind: 'ended', code, usage: null });
  return code;
}

/** What one of several says of how it was called, each of them would: the parent says it once. */
export async function sayToParent(parent: Parent, body: () => Promise<number>): Promise<number> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await parent.tell({ kind: 'ended', code: 2, usage: error.message });
    return 2;
  }
}
