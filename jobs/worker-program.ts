import { systemClock } from '../runtime/clock.js';
import { createLog } from '../runtime/log.js';
import { createNap } from '../runtime/nap.js';
import { parseProgram } from '../runtime/options.js';
import { createShutdown } from '../runtime/shutdown.js';
import { type Parent, parentOf } from './child-process.js';
import { workCounts } from './counted-queue.js';
import { openJob } from './open-job.js';
import { EXIT_CODES, FINDING_REDIS } from './options.js';
import { openRoute } from './route.js';
import { createRun } from './run-worker.js';
import type { Lane } from './work-queue.js';
import type { SKIP_EXISTING, WORKER_OPTIONS, WorkerOptionValues } from './worker-options.js';
import { runAsChild, runSeveral, sayToParent } from './worker-processes.js';

export interface WorkerProgram {
  readonly name: string;
  readonly description: string;
  readonly lane: Lane;
  readonly table: typeof WORKER_OPTIONS & { readonly skipExisting?: typeof SKIP_EXISTING };
}

/** A program that serves a lane until told to stop: as one process, or as the parent of several like this one. */
export async function runWorkerProgram(
  program: WorkerProgram,
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const { name, description, table } = program;
  const epilogue = `${FINDING_REDIS}\n${EXIT_CODES}`;
  const options: WorkerOptionValues = parseProgram({ name, description, table, epilogue }, argv, env);
  const parent = parentOf(env);
  if (parent === null && options.processes > 1) {
    const { processes: count, listen, logLevel } = options;
    return runSeveral({ count, listen, argv, env, log: createLog(name, logLevel) });
  }
  const one = (): Promise<number> => runOne(program, options, env, parent);
  return parent === null ? one() : sayToParent(parent, one);
}

async function runOne(
  { name, lane }: WorkerProgram,
  { migration, maxRps, concurrency, untilEmpty, skipExisting = false, listen, logLevel }: WorkerOptionValues,
  env: NodeJS.ProcessEnv,
  parent: Parent | null,
): Promise<number> {
  const [clock, random] = [systemClock(), Math.random];
  const plain = createLog(name, logLevel);
  const log = parent === null ? plain : plain.child({ pid: process.pid });
  const shutdown = createShutdown(log);
  const job = openJob(env, { clock, log, shutdown, count: workCounts(lane) });
  const worker = createRun({
    ...{ job, lane, concurrency, skipExisting, untilEmpty, clock, random, log, env },
    nap: createNap(),
    ...(migration === undefined ? {} : { migration }),
    ...(maxRps === undefined ? {} : { maxRps: maxRps / (parent?.processes ?? 1) }),
    openRoute: (definition, hooks) =>
      openRoute(definition, { clock, random, log, env, meter: job.meter, ...hooks }),
  });

  /** Who was told to stop has not failed. */
  async function run(): Promise<{ code: number; byItself: boolean }> {
    const { failures } = await worker.run(shutdown.signal);
    const byItself = !shutdown.signal.aborted;
    return { code: byItself && failures ? 1 : 0, byItself };
  }

  const trouble = (): string | null => worker.trouble();
  try {
    if (parent === null) {
      await job.listen(listen, { trouble });
      return (await run()).code;
    }
    parent.onStop((why) => {
      if (!shutdown.signal.aborted) log.info({}, why);
      shutdown.begin();
    });
    return await runAsChild({ parent, job, trouble, run, clock, log });
  } finally {
    await shutdown.close();
  }
}
