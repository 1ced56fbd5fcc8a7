import { aborted, kindOf, messageOf, permanent, UsageError } from '../runtime/errors.js';
import { insist, type Patience } from './insist.js';
import type { MigrationStatus, OperatorQueue } from './work-queue.js';

type Queue = Pick<OperatorQueue, 'migrations' | 'status'>;

const POLL_MS = 500;

/** The migration to plan; null if all there are have been planned. Waits as long as there is none. */
export async function findMigration(
  queue: Queue,
  wanted: string | undefined,
  { clock, log }: Patience,
  signal: AbortSignal,
): Promise<MigrationStatus | null> {
  let told = '';
  for (;;) {
    let waitingFor = wanted === undefined ? 'a migration' : `migration ${wanted}`;
    try {
      const found = await chosen(queue, wanted);
      if (found !== 'none') return found;
    } catch (error) {
      if (kindOf(error) !== 'transient') throw error;
      waitingFor = messageOf(error);
    }
    if (told !== waitingFor) log.info({}, `waiting: ${waitingFor}`);
    told = waitingFor;
    await clock.sleep(POLL_MS, signal);
  }
}

/** The migration whose planning is to be tried: waits for Redis, but not for the migration. */
export async function existingMigration(
  queue: Queue,
  wanted: string | undefined,
  patience: Patience,
  signal: AbortSignal,
): Promise<MigrationStatus> {
  const found = await insist(patience, signal, () => chosen(queue, wanted));
  if (found !== null && found !== 'none') return found;
  const which = wanted === undefined ? 'no migration whose plan is open' : `no migration ${wanted}`;
  throw permanent(`there is ${which}: name one with --migration, or the source with --source LOCATION`);
}

/** A migration that is named is taken whether its plan is closed or not: its list is gone over again. */
async function chosen(queue: Queue, wanted: string | undefined): Promise<MigrationStatus | null | 'none'> {
  const names = wanted === undefined ? await queue.migrations() : [wanted];
  const found = (await Promise.all(names.map((name) => queue.status(name)))).filter((one) => one !== null);
  const [first, ...others] =
    wanted === undefined
      ? found.filter(({ planClosed, state }) => !planClosed && state !== 'cancelled')
      : found;
  if (others.length > 0)
    throw new UsageError(
      `--migration is needed: ${found
        .filter((one) => one === first || others.includes(one))
        .map(({ definition }) => definition.name)
        .join(', ')} have open plans`,
    );
  if (first !== undefined) return first;
  return found.length > 0 ? null : 'none';
}

/** Resolves once the migration is running. */
export async function whileRunning(
  queue: Queue,
  name: string,
  { clock, log }: Patience,
  signal: AbortSignal,
): Promise<void> {
  let told = false;
  for (;;) {
    const status = await queue.status(name).catch((error: unknown) => {
      if (kindOf(error) !== 'transient') throw error;
      return null;
    });
    if (status?.state === 'running') return;
    if (status?.state === 'cancelled') throw permanent(`migration ${name} was cancelled`);
    if (signal.aborted) throw aborted('told to stop');
    if (status?.state === 'paused' && !told) {
      told = true;
      log.info({}, `holding the planning: the migration is paused (${status.reason})`);
    }
    await clock.sleep(POLL_MS, signal);
  }
}
