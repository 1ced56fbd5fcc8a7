import { systemClock } from '../runtime/clock.js';
import { aborted, kindOf, permanent, UsageError } from '../runtime/errors.js';
import { createLog } from '../runtime/log.js';
import { createNap } from '../runtime/nap.js';
import {
  type OptionTable,
  parseInteger,
  parseNumber,
  parseProgram,
  parseSwitch,
  parseText,
} from '../runtime/options.js';
import { createShutdown } from '../runtime/shutdown.js';
import { workCounts } from './counted-queue.js';
import { insist } from './insist.js';
import { leftToDo } from './left-to-do.js';
import { openJob } from './open-job.js';
import { FINDING_REDIS, LISTEN, LOG_LEVEL } from './options.js';
import { createRun, type RunningWorker } from './run-worker.js';
import { checkKey } from './verify-item.js';
import { type Findings, isClean, manner, reportLines } from './verify-report.js';
import { openVerifyRoute } from './verify-route.js';
import type { MigrationStatus, OperatorQueue, VerifyOptions, WorkQueue } from './work-queue.js';

const NAME = 'zh-verify';
const DESCRIPTION =
  "Looks at the destination of a finished migration: every tile by what the store tells of it, or by reading it, and each image's digest against what was stored. What is missing or different is listed, and copied again by the migration's workers. Several at once, on any machines, share one round; one that is started again goes on with it.";

const TABLE = {
  migration: {
    flag: '--migration <name>',
    env: 'ZH_MIGRATION',
    help: 'which one; without it, the one that is finished',
    parse: parseText,
  },
  sample: {
    flag: '--sample <share>',
    env: 'ZH_SAMPLE',
    help: 'look only at a share of the tiles, such as 1%, chosen anew each round, and compare them with the source itself',
    parse: parseShare,
    default: 1,
    defaultText: '100%',
  },
  read: {
    flag: '--read',
    env: 'ZH_READ',
    help: 'read the objects and hash them, instead of taking what the store tells of them',
    parse: parseSwitch,
    default: false,
  },
  unpublish: {
    flag: '--unpublish',
    env: 'ZH_UNPUBLISH',
    help: 'take the descriptor of an image that is found wrong away from the destination until the image is whole again',
    parse: parseSwitch,
    default: false,
  },
  concurrency: {
    flag: '--concurrency <n>',
    env: 'ZH_CONCURRENCY',
    help: 'at most this many objects in flight; how many really are adapts to what the stores bear',
    parse: parseInteger(1, 1024),
    default: 128,
  },
  maxRps: {
    flag: '--max-rps <n>',
    env: 'ZH_MAX_RPS',
    help: 'at most this many requests to both stores per second; without it, no limit',
    parse: parseNumber(0.1, 1_000_000),
  },
  listen: LISTEN,
  logLevel: LOG_LEVEL,
} satisfies OptionTable;

const EPILOGUE = `${FINDING_REDIS}
Exit codes: 0 nothing is missing or different, 1 something is, or it was stopped before the end, 2 wrong usage.`;

/** How many failures are named. */
const NAMED = 10;

/** Begins a round of verification or joins the one under way, works on it to its end, and prints what was found. */
export async function runVerifyProgram(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const program = { name: NAME, description: DESCRIPTION, table: TABLE, epilogue: EPILOGUE };
  const options = parseProgram(program, argv, env);
  const [clock, random] = [systemClock(), Math.random];
  const log = createLog(NAME, options.logLevel);
  const shutdown = createShutdown(log);
  const job = openJob(env, { clock, log, shutdown, count: workCounts('checks') });
  const { queue } = job;
  const ask = <T>(call: () => Promise<T>): Promise<T> =>
    insist({ clock, random, log }, shutdown.signal, call);
  let worker: RunningWorker | null = null;
  try {
    await job.listen(options.listen, { trouble: () => worker?.trouble() ?? null });
    const { sample, read, unpublish, concurrency, maxRps } = options;
    const wanted = { sample, read, unpublish };
    const migration = options.migration ?? (await ask(() => onlyMigration(queue)));
    const answer = await ask(() => begin(queue, migration, wanted));
    log.info({ migration }, `a round of verification is ${answer}: ${manner(wanted)}`);
    worker = createRun({
      ...{ job, lane: 'checks', migration, concurrency, skipExisting: false, untilEmpty: true },
      ...{ clock, random, log, env, nap: createNap() },
      ...(maxRps === undefined ? {} : { maxRps }),
      openRoute: (definition, hooks) =>
        openVerifyRoute(definition, {
          ...{ clock, random, log, env, meter: job.meter, compares: sample < 1 },
          ...hooks,
        }),
    });
    await worker.run(shutdown.signal);
    if (shutdown.signal.aborted) throw aborted('told to stop');
    return await ask(() => report(queue, migration));
  } catch (error) {
    if (kindOf(error) !== 'aborted') throw error;
    log.warn({}, 'stopped before the end of the round: started again, it goes on');
    return 1;
  } finally {
    await shutdown.close();
  }
}

/** The migration that can be verified, if there is only one. */
async function onlyMigration(queue: OperatorQueue): Promise<string> {
  const found = await Promise.all((await queue.migrations()).map((name) => queue.status(name)));
  const all = found.filter((status): status is MigrationStatus => status !== null);
  const [first, ...others] = all.filter(canBeVerified).map(({ definition }) => definition.name);
  if (others.length > 0)
    throw new UsageError(`--migration is needed: ${[first, ...others].join(', ')} can be verified`);
  if (first !== undefined) return first;
  const open = all.find(({ state }) => state !== 'cancelled');
  if (open === undefined) throw permanent('there is no migration to verify');
  throw permanent(notYet(open));
}

function canBeVerified({ state, finished, verification }: MigrationStatus): boolean {
  return state !== 'cancelled' && (finished || verification?.finished === false);
}

function notYet(status: MigrationStatus): string {
  const why = leftToDo(status, 'tiles') ?? leftToDo(status, 'descriptors') ?? 'it was not a moment ago';
  return `migration ${status.definition.name} is not finished, and cannot be verified before: ${why}`;
}

async function begin(queue: WorkQueue, migration: string, wanted: VerifyOptions): Promise<string> {
  try {
    return await queue.beginVerification(migration, wanted);
  } catch (error) {
    if (kindOf(error) !== 'conflict') throw error;
    const status = (await queue.status(migration))!;
    const { verification } = status;
    if (verification === null || verification.finished) throw permanent(notYet(status));
    throw permanent(
      `migration ${migration} is being verified in another way (${manner(verification.options)}): join with the same options, or wait for its end`,
    );
  }
}

/** Prints what the round found; answers the exit code. */
async function report(queue: OperatorQueue, migration: string): Promise<number> {
  const status = await queue.status(migration);
  if (status?.state === 'cancelled') throw permanent(`migration ${migration} was cancelled`);
  const verification = status?.verification;
  if (verification == null) throw permanent(`Redis lost the round of verification: run ${NAME} again`);
  const lines = reportLines(migration, verification, await findingsOf(queue, migration));
  process.stdout.write(`${lines.join('\n')}\n`);
  return isClean(verification) ? 0 : 1;
}

async function findingsOf(queue: OperatorQueue, migration: string): Promise<Findings> {
  const reasons = new Map<string, number>();
  const first: { key: string; reason: string }[] = [];
  for await (const { image: id, first: from, count, reason } of queue.failures(migration, {
    lane: 'checks',
  })) {
    reasons.set(reason, (reasons.get(reason) ?? 0) + count);
    if (first.length === NAMED) continue;
    const found = await queue.image(migration, id);
    for (let index = from; index < from + count && first.length < NAMED; index++)
      if (found !== null) first.push({ key: checkKey(found.image, index), reason });
  }
  return { reasons, first };
}

/** `1%`, `0.5%`: above 0 to 100. */
function parseShare(text: string): number {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text);
  const share = Number(match?.[1]) / 100;
  if (!(share > 0 && share <= 1)) throw new Error('expected a percentage above 0 to 100, such as 1%');
  return share;
}
