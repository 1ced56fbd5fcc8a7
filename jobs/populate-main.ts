#!/usr/bin/env node
import { systemClock } from '../runtime/clock.js';
import { kindOf, messageOf } from '../runtime/errors.js';
import { createLog } from '../runtime/log.js';
import { runMain } from '../runtime/main.js';
import { parseProgram } from '../runtime/options.js';
import { createShutdown } from '../runtime/shutdown.js';
import { openDestination } from '../stores/open.js';
import { dryRunProgram } from './dry-run-program.js';
import { findMigration, whileRunning } from './find-migration.js';
import { insist } from './insist.js';
import { openImageList } from './open-image-list.js';
import { openJob, serveStatus } from './open-job.js';
import { openPatientSource } from './open-patient-source.js';
import { EXIT_CODES, FINDING_REDIS } from './options.js';
import { PLAN_OUTCOMES, populate } from './populate.js';
import { imagesMeant, POPULATE_OPTIONS, type PopulateNeeds, refuseClashes } from './populate-options.js';
import { opened, preflight } from './preflight.js';

async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const name = 'zh-populate';
  const options = parseProgram(
    {
      name,
      description:
        'Plans a migration: adds each image of a list of ids, or of those it discovers. Ends when the list is read to its end; started again it adds what is missing.',
      table: POPULATE_OPTIONS,
      epilogue: `${FINDING_REDIS}\n${EXIT_CODES}`,
    },
    argv,
    env,
  );
  refuseClashes(options);
  const log = createLog(name, options.logLevel);
  const shutdown = createShutdown(log);
  const needs = { options, clock: systemClock(), random: Math.random, log, shutdown, env };
  try {
    return await (options.dryRun ? dryRunProgram(needs) : planProgram(needs));
  } catch (error) {
    if (kindOf(error) !== 'aborted') throw error;
    log.info({}, options.dryRun ? 'told to stop' : 'told to stop; started again it continues here');
    return options.dryRun ? 1 : 0;
  } finally {
    await shutdown.close();
  }
}

async function planProgram(needs: PopulateNeeds): Promise<number> {
  const { options, log, shutdown, env } = needs;
  const { signal } = shutdown;
  const { queue, meter, trouble } = openJob(env, needs);
  await serveStatus(options.listen, { metrics: () => meter.text(), health: trouble }, { log, shutdown });
  const outcomes = meter.counter({
    name: 'convoy_zh_planned_images_total',
    help: 'Ids of the list dealt with: known = planned before, duplicates = listed before.',
    labels: ['outcome'],
  });
  for (const outcome of PLAN_OUTCOMES) outcomes({ outcome }, 0);

  const found = await findMigration(queue, options.migration, needs, signal);
  if (found === null) {
    log.info({}, 'nothing to do: no plan is open');
    return 0;
  }
  const { name: migration, source: location, destination } = found.definition;
  const patient = await openPatientSource(location, { ...needs, meter });
  await lookAtDestination(destination, needs);
  const list = await openImageList({ ...needs, ...imagesMeant(options), source: patient.source }, signal);
  const summary = await populate(
    {
      ...{ ...needs, ...patient, migration, queue, list },
      whileRunning: (until) => whileRunning(queue, migration, needs, until),
      pause: (reason) => queue.pause(migration, reason),
      onOutcome: (outcome) => outcomes({ outcome }),
    },
    signal,
  );
  const open = (await insist(needs, signal, () => queue.status(migration)))?.planOpen ?? [];
  if (open.length === 0) log.info({ migration, list: list.name, ...summary }, 'plan closed');
  else
    log.info(
      { migration, list: list.name, ...summary },
      `the list is read to its end; the plan stays open for ${open.join(', ')}, until that is read or given up (convoyctl migration close ${migration})`,
    );
  return 0;
}

/** Nothing is written there yet, so one that is away holds up no planning. */
async function lookAtDestination(location: string, { env, log, shutdown }: PopulateNeeds): Promise<void> {
  const destination = await opened('destination', location, (at) => openDestination(at, { log, env }));
  try {
    await preflight('destination', destination, shutdown.signal);
  } catch (error) {
    if (kindOf(error) !== 'transient') throw error;
    log.warn({}, `planning all the same: ${messageOf(error)}`);
  } finally {
    await destination.close();
  }
}

void runMain('zh-populate', () => main(process.argv.slice(2), process.env));
