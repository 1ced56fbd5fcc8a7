import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { systemClock } from '../runtime/clock.js';
import { UsageError } from '../runtime/errors.js';
import { createLog, type Log } from '../runtime/log.js';
import { startLoop } from '../runtime/loop.js';
import {
  type OptionTable,
  type OptionValues,
  parseInteger,
  parseNumber,
  parseProgram,
  parseSwitch,
} from '../runtime/options.js';
import { processMetrics } from '../runtime/process-metrics.js';
import { familiesText, prometheusMeter } from '../runtime/prometheus.js';
import { createShutdown, type Shutdown } from '../runtime/shutdown.js';
import { childEnvironment, type Parent, parentOf } from './child-process.js';
import { type Job, type JobNeeds, openJob, serveStatus } from './open-job.js';
import { EXIT_CODES, FINDING_REDIS, LISTEN, LOG_LEVEL, MIGRATION } from './options.js';
import { createProcesses } from './processes.js';
import { openRoute } from './route.js';
import { createRun, type RunningWorker } from './run-worker.js';
import { workCounts } from './watch-queue.js';
import type { Lane } from './work-queue.js';

export interface WorkerProgram {
  readonly name: string;
  readonly description: string;
  readonly lane: Lane;
  readonly table: typeof WORKER_OPTIONS & { readonly skipExisting?: typeof SKIP_EXISTING };
}

const MOST_PROCESSES = 256;
const NUMBERS_MS = 1_000;

export const WORKER_OPTIONS = {
  migration: MIGRATION,
  processes: {
    flag: '--processes <n>',
    env: 'ZH_PROCESSES',
    help: 'run as this many processes, each a worker of its own on one core: a number, or auto = as many as this machine can run at once',
    parse: parseProcesses,
    default: 1,
  },
  maxRps: {
    flag: '--max-rps <n>',
    env: 'ZH_MAX_RPS',
    help: 'at most this many requests to the source per second, of all processes together; without it, no limit',
    parse: parseNumber(0.1, 1_000_000),
  },
  concurrency: {
    flag: '--concurrency <n>',
    env: 'ZH_CONCURRENCY',
    help: 'at most this many objects in flight in each process; how many really are adapts to what the stores bear',
    parse: parseInteger(1, 1024),
    default: 64,
  },
  untilEmpty: {
    flag: '--until-empty',
    env: 'ZH_UNTIL_EMPTY',
    help: 'end once nothing is left to do, with exit code 1 if something failed, instead of waiting for more',
    parse: parseSwitch,
    default: false,
  },
  listen: LISTEN,
  logLevel: LOG_LEVEL,
} satisfies OptionTable;

export const SKIP_EXISTING = {
  flag: '--skip-existing',
  env: 'ZH_SKIP_EXISTING',
  help: 'look before a tile is carried, and skip it if the destination tells the same length and MD5 as the source',
  parse: parseSwitch,
  default: false,
};

/** A program that serves a lane until told to stop: as one process, or as the parent of several like this one. */
export async function runWorkerProgram(
  program: WorkerProgram,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const { name, description, table } = program;
  const epilogue = `${FINDING_REDIS}\n${EXIT_CODES}`;
  const options: Options = parseProgram({ name, description, table, epilogue }, argv, env);
  const parent = parentOf(env);
  const log = createLog(name, options.logLevel);
  if (parent !== null) return runChild(program, options, env, parent, log.child({ pid: process.pid }));
  if (options.processes > 1) return runParent(options, argv, env, log);
  const shutdown = createShutdown(log);
  const { job, worker } = openWorker(program, options, env, { log, shutdown });
  await job.listen(options.listen, { trouble: () => worker.trouble() });
  const { failures } = await worker.run(shutdown.signal);
  const code = exitCode(failures, shutdown);
  await shutdown.close();
  return code;
}

type Options = OptionValues<typeof WORKER_OPTIONS> & { readonly skipExisting?: boolean };
type Needs = Pick<JobNeeds, 'log' | 'shutdown'>;

function openWorker(
  { lane }: WorkerProgram,
  { migration, maxRps, concurrency, untilEmpty, skipExisting = false }: Options,
  env: NodeJS.ProcessEnv,
  { log, shutdown }: Needs,
): { readonly job: Job; readonly worker: RunningWorker } {
  const [clock, random] = [systemClock(), Math.random];
  const job = openJob(env, { clock, log, shutdown, count: workCounts(lane) });
  const worker = createRun({
    ...{ job, lane, concurrency, skipExisting, untilEmpty, clock, random, log, env },
    ...(migration === undefined ? {} : { migration }),
    ...(maxRps === undefined ? {} : { maxRps }),
    openRoute: (definition, hooks) => openRoute(definition, { clock, random, log, env, ...hooks }),
  });
  return { job, worker };
}

/** Who was told to stop has not failed. */
function exitCode(failures: boolean, { signal }: Shutdown): number {
  return failures && !signal.aborted ? 1 : 0;
}

async function runChild(
  program: WorkerProgram,
  options: Options,
  env: NodeJS.ProcessEnv,
  parent: Parent,
  log: Log,
): Promise<number> {
  const shutdown = createShutdown(log);
  parent.onStop((why) => {
    log.debug({}, why);
    shutdown.begin();
  });
  const maxRps = options.maxRps === undefined ? undefined : options.maxRps / parent.processes;
  const { job, worker } = openWorker(program, { ...options, maxRps }, env, { log, shutdown });
  const numbers = startLoop({
    name: 'numbers',
    intervalMs: NUMBERS_MS,
    round: tellNumbers,
    ...{ clock: systemClock(), log },
  });
  async function tellNumbers(): Promise<void> {
    const trouble = job.trouble() ?? worker.trouble();
    await parent.tell({ kind: 'numbers', families: await job.meter.families(), trouble });
  }
  try {
    const { failures } = await worker.run(shutdown.signal);
    const code = exitCode(failures, shutdown);
    await numbers.stop();
    await tellNumbers();
    if (!shutdown.signal.aborted) await parent.tell({ kind: 'ended', code, usage: null });
    await shutdown.close();
    return code;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    // Each of the processes would say the same.
    await parent.tell({ kind: 'ended', code: 2, usage: error.message });
    return 2;
  }
}

async function runParent(
  { processes: count, listen }: Options,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  log: Log,
): Promise<number> {
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
  const code = await processes.run(shutdown.signal);
  await shutdown.close();
  return code;
}

function parseProcesses(text: string): number {
  if (text === 'auto') return Math.min(MOST_PROCESSES, availableParallelism());
  try {
    return parseInteger(1, MOST_PROCESSES)(text);
  } catch {
    throw new Error(`expected auto, or a whole number from 1 to ${MOST_PROCESSES}`);
  }
}
