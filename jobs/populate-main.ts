#!/usr/bin/env node
import { type Clock, systemClock } from '../runtime/clock.js';
import { aborted, kindOf, messageOf, permanent, UsageError } from '../runtime/errors.js';
import { createLog, type Log } from '../runtime/log.js';
import { runMain } from '../runtime/main.js';
import { parseProgram, parseText } from '../runtime/options.js';
import { createShutdown } from '../runtime/shutdown.js';
import { openDestination, openSource } from '../stores/open.js';
import { openIdList } from './id-list.js';
import { insist } from './insist.js';
import { openQueue } from './open-queue.js';
import { FINDING_REDIS, LOG_LEVEL, MIGRATION } from './options.js';
import { createOutage } from './outage.js';
import { populate } from './populate.js';
import { opened, preflight, SOME_KEY } from './preflight.js';
import type { MigrationStatus, WorkQueue } from './work-queue.js';

const TABLE = {
  migration: {
    ...MIGRATION,
    help: 'the migration to plan, waited for if it is not there yet; may be left out if exactly one has an open plan',
  },
  ids: {
    flag: '--ids <list>',
    env: 'ZH_IDS',
    help: 'the ids, one `id` or `id:count` a line: - (stdin), a file (/... or ./...), the location of an object (azure://account/box/total.txt ...; with the credentials of the source), or the name of an object in the source',
    parse: parseText,
    default: 'total.txt',
  },
  logLevel: LOG_LEVEL,
};

const POLL_MS = 500;

async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const name = 'zh-populate';
  const description =
    'Plans a migration: adds each image of a list of ids. Ends when the plan is closed; started again it continues.';
  const options = parseProgram({ name, description, table: TABLE, epilogue: FINDING_REDIS }, argv, env);
  const clock = systemClock();
  const log = createLog(name, options.logLevel);
  const shutdown = createShutdown(log);
  const queue = openQueue(env, { clock, log, shutdown });
  const { signal } = shutdown;
  try {
    const found = await findMigration(queue, options.migration, { clock, log }, signal);
    if (found === null || found.planClosed) {
      log.info({ migration: found?.definition.name }, 'nothing to do: the plan is closed');
      return 0;
    }
    return await plan(found, options.ids);
  } catch (error) {
    if (kindOf(error) !== 'aborted') throw error;
    log.info({}, 'told to stop; started again it continues here');
    return 0;
  } finally {
    await shutdown.close();
  }

  /** Nothing is written there yet, so one that is away holds up no planning. */
  async function lookAtDestination(location: string): Promise<void> {
    const destination = await opened('destination', location, (at) => openDestination(at, { log, env }));
    try {
      await preflight('destination', destination, signal);
    } catch (error) {
      if (kindOf(error) !== 'transient') throw error;
      log.warn({}, `planning all the same: ${messageOf(error)}`);
    } finally {
      await destination.close();
    }
  }

  async function plan({ definition }: MigrationStatus, from: string): Promise<number> {
    const random = Math.random;
    const plain = await opened('source', definition.source, (at) => openSource(at, { log, env }));
    const source = await openSource(definition.source, { log, env, retry: { clock, random } });
    const outage = createOutage({
      ...{ clock, random, log },
      onChange: () => undefined,
      probes: { source: (probing) => plain.head(SOME_KEY, probing), destination: () => Promise.resolve() },
    });
    shutdown.onClose('source', async () => {
      await outage.stop();
      await Promise.all([plain.close(), source.close()]);
    });
    await insist({ clock, random, log }, signal, () => preflight('source', plain, signal));
    await lookAtDestination(definition.destination);
    const lines = await insist({ clock, random, log }, signal, () =>
      openIdList({ from, source, stdin: process.stdin, log, env }, signal),
    );
    const migration = definition.name;
    const whileRunning = (until: AbortSignal): Promise<void> => pausedOut(queue, migration, clock, until);
    const pause = (reason: string): Promise<void> => queue.pause(migration, reason);
    const settings = { migration, queue, lines, source, outage, whileRunning, pause, clock, random, log };
    const summary = await populate(settings, signal);
    log.info({ migration, ...summary }, 'plan closed');
    return 0;
  }
}

interface Waiting {
  readonly clock: Clock;
  readonly log: Log;
}

/** The migration to plan; null if all there are have been planned. Waits as long as there is none. */
async function findMigration(
  queue: WorkQueue,
  wanted: string | undefined,
  { clock, log }: Waiting,
  signal: AbortSignal,
): Promise<MigrationStatus | null> {
  let told = '';
  for (;;) {
    let waitingFor = wanted === undefined ? 'a migration' : `migration ${wanted}`;
    try {
      const names = wanted === undefined ? await queue.migrations() : [wanted];
      const found = (await Promise.all(names.map((name) => queue.status(name)))).filter(
        (one) => one !== null,
      );
      const open = found.filter(({ planClosed, state }) => !planClosed && state !== 'cancelled');
      if (open.length > 1)
        throw new UsageError(
          `--migration is needed: ${open.map(({ definition }) => definition.name).join(', ')} have open plans`,
        );
      if (open[0] !== undefined) return open[0];
      if (found.length > 0) return wanted === undefined ? null : (found[0] ?? null);
    } catch (error) {
      if (kindOf(error) !== 'transient') throw error;
      waitingFor = messageOf(error);
    }
    if (told !== waitingFor) log.info({}, `waiting: ${waitingFor}`);
    told = waitingFor;
    await clock.sleep(POLL_MS, signal);
  }
}

/** Resolves once the migration is running. */
async function pausedOut(queue: WorkQueue, name: string, clock: Clock, signal: AbortSignal): Promise<void> {
  for (;;) {
    const status = await queue.status(name).catch((error: unknown) => {
      if (kindOf(error) !== 'transient') throw error;
      return null;
    });
    if (status?.state === 'running') return;
    if (status?.state === 'cancelled') throw permanent(`migration ${name} was cancelled`);
    if (signal.aborted) throw aborted('told to stop');
    await clock.sleep(POLL_MS, signal);
  }
}

await runMain('zh-populate', () => main(process.argv.slice(2), process.env));
