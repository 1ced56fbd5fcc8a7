import { silentMeter } from '../runtime/meter.js';
import { dryRun } from './dry-run.js';
import { dryRunText } from './dry-run-text.js';
import { existingMigration } from './find-migration.js';
import { openImageList } from './open-image-list.js';
import { openPatientSource } from './open-patient-source.js';
import { openQueue } from './open-queue.js';
import { imagesMeant, type PopulateNeeds } from './populate-options.js';

/** What `convoyctl migration create` takes where it is told nothing else. */
const RANGE_SIZE = 1000;
const RATES = [100, 1_000, 10_000];

/** Prints what a migration would take, of one that is created already or of its source alone. */
export async function dryRunProgram(needs: PopulateNeeds): Promise<number> {
  const { options, shutdown } = needs;
  const { signal } = shutdown;
  const { source: location, rangeSize } = await definition(needs);
  const patient = await openPatientSource(location, { ...needs, meter: silentMeter });
  const list = await openImageList({ ...needs, ...imagesMeant(options), source: patient.source }, signal);
  const rates = options.rate === undefined ? RATES : [options.rate];
  const run = await dryRun({ ...needs, ...patient, list, rangeSize, rates }, signal);
  const { name } = patient.source;
  process.stdout.write(
    options.output === 'json'
      ? `${JSON.stringify({ source: name, ...run }, null, 2)}\n`
      : dryRunText(name, run),
  );
  return 0;
}

async function definition(needs: PopulateNeeds): Promise<{ source: string; rangeSize: number }> {
  const { options, shutdown, env } = needs;
  if (options.source !== undefined) return { source: options.source, rangeSize: RANGE_SIZE };
  const queue = openQueue(env, needs);
  return (await existingMigration(queue, options.migration, needs, shutdown.signal)).definition;
}
