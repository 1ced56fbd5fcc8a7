import { ConvoyError, messageOf } from '../runtime/errors.js';
import { createIdSet } from './id-set.js';
import { printableId } from './ids.js';
import type { ImageList, ListedImage } from './image-list.js';
import { inOrder } from './in-order.js';
import { insist, type Patience } from './insist.js';
import { type ImageReading, type PatientSource, readImage } from './read-image.js';
import type { PlannedImage, PlanQueue } from './work-queue.js';

export interface PopulateOptions extends Patience, PatientSource {
  readonly migration: string;
  readonly queue: PlanQueue;
  readonly list: ImageList;
  /** Resolves as long as the migration runs, waits while it is paused. */
  readonly whileRunning: (signal: AbortSignal) => Promise<void>;
  /** Pauses the migration with this reason. */
  readonly pause: (reason: string) => Promise<void>;
  /** Hears what became of each id, as it happens. */
  readonly onOutcome: (outcome: PlanOutcome) => void;
}

export const PLAN_OUTCOMES = ['known', 'added', 'duplicates', 'refused'] as const;
/** `known`: was in the migration already. `duplicates`: stood in this list before. */
export type PlanOutcome = (typeof PLAN_OUTCOMES)[number];

/** Each id listed is counted once. */
export interface PlanSummary extends Readonly<Record<PlanOutcome, number>> {
  readonly listed: number;
  /** Did not pass the filters. */
  readonly filtered: number;
}

/** Descriptors read at once. */
const AT_ONCE = 64;
/** Of some hundred bytes each: a descriptor that takes half a minute does not hold up the rest meanwhile. */
const AHEAD = 50_000;
/** Images added in one step, which nothing else comes between in Redis: some milliseconds. */
const ADD_AT_ONCE = 500;
/** So many ids refused from the very first on, and none added: the list or the source is not the one meant. */
const HOPELESS = 100;
/** How often the migration is asked whether it is paused. */
const LOOK_MS = 1_000;
/** Redis syncs its file once a second: what it answered longer ago than this it has not lost. */
const SETTLED_MS = 2_000;

interface Wanted extends ListedImage {
  /** Stood in the list before. */
  readonly again: boolean;
}

interface Found {
  readonly again: boolean;
  readonly reading: ImageReading;
}

/**
 * Plans a migration: each id's image is added with the geometry of its descriptor, in the order of the list; an
 * id that cannot be migrated is captured with its reason and stops nothing. What is there already is not read again, so
 * an earlier run is continued, and a queue that lost its last moments made whole; closes the list at the end. Rejects
 * `aborted` when the signal fires.
 */
export async function populate(options: PopulateOptions, signal: AbortSignal): Promise<PlanSummary> {
  for (;;) {
    try {
      return await planOnce(options, signal);
    } catch (error) {
      if (!(error instanceof ConvoyError) || error.code !== 'restarted') throw error;
      options.log.warn({}, `going through the list again: ${messageOf(error)}`);
    }
  }
}

async function planOnce(options: PopulateOptions, signal: AbortSignal): Promise<PlanSummary> {
  const { migration, queue, list, clock, log } = options;
  const keep = <T>(call: () => Promise<T>, until = signal): Promise<T> => insist(options, until, call);
  const count = { listed: 0, filtered: 0, known: 0, added: 0, duplicates: 0, refused: 0 };
  const seen = createIdSet();
  let looked = Number.NEGATIVE_INFINITY;
  let holding: Promise<void> | null = null;
  let asked = false;

  function tally(outcome: PlanOutcome): void {
    count[outcome]++;
    options.onOutcome(outcome);
  }

  /** Everything that asks the source waits here together. */
  function holdWhilePaused(until: AbortSignal): Promise<void> {
    if (holding === null && clock.steady() - looked < LOOK_MS) return Promise.resolve();
    holding ??= options.whileRunning(until).finally(() => {
      looked = clock.steady();
      holding = null;
    });
    return holding;
  }

  /** Asks the operator, once: whoever resumes means it. */
  async function pauseIfHopeless(reason: string): Promise<void> {
    if (asked || count.known + count.added > 0 || count.refused < HOPELESS) return;
    asked = true;
    const why = `none of the first ${count.refused} ids could be added, the last was ${reason}: are the source and the list of ids right?`;
    log.warn({}, `pausing the migration: ${why}`);
    await keep(() => options.pause(why));
    looked = Number.NEGATIVE_INFINITY;
  }

  async function* wanted(until: AbortSignal): AsyncGenerator<readonly Wanted[]> {
    for await (const { listed, images } of list.pages(until)) {
      await holdWhilePaused(until);
      count.listed += listed;
      count.filtered += listed - images.length;
      const page = images.map((image) => ({ ...image, again: !seen.add(image.id) }));
      const known = await keep(
        () =>
          queue.knownImages(
            migration,
            page.map(({ id }) => id),
          ),
        until,
      );
      for (const [at, { again }] of page.entries()) if (known[at]) tally(again ? 'duplicates' : 'known');
      yield page.filter((_, at) => !known[at]);
    }
  }

  async function look({ id, refusal, again }: Wanted, until: AbortSignal): Promise<Found> {
    if (refusal !== null) return { again, reading: { id, refusal } };
    await holdWhilePaused(until);
    return { again, reading: await readImage(options, id, until) };
  }

  async function add(batch: readonly Found[]): Promise<void> {
    const answers = await keep(() =>
      queue.addImages(
        migration,
        batch.map(({ reading }) => planned(reading)),
      ),
    );
    for (const [at, { again, reading }] of batch.entries()) {
      const answer = answers[at] ?? 'known';
      tally(again && answer !== 'added' ? 'duplicates' : answer);
      if (again || answer !== 'refused' || !('refusal' in reading)) continue;
      const { reason, detail } = reading.refusal;
      log.warn({ id: printableId(reading.id), reason }, detail);
      await pauseIfHopeless(reason);
    }
  }

  await keep(() => queue.beginPlan(migration, list.name));
  const window = { atOnce: AT_ONCE, ahead: AHEAD, most: ADD_AT_ONCE };
  for await (const batch of inOrder(wanted, look, window, signal)) await add(batch);
  await options.whileRunning(signal);
  await keep(() => queue.closePlan(migration, list.name));
  // Said twice, for a Redis that loses its last second between: it answers `restarted` then.
  await clock.sleep(SETTLED_MS, signal);
  await keep(() => queue.closePlan(migration, list.name));
  return count;
}

function planned(reading: ImageReading): PlannedImage {
  if ('geometry' in reading) return { id: reading.id, geometry: reading.geometry };
  const { reason, status } = reading.refusal;
  return { id: printableId(reading.id), reason, status };
}
