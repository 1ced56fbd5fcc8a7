import { setMaxListeners } from 'node:events';
import { aborted, ConvoyError, messageOf } from '../runtime/errors.js';
import type { ReadableStore } from '../stores/store.js';
import { MAX_DESCRIPTOR_BYTES, readDescriptor } from './descriptor.js';
import { idOfLine, printableId, whyNotId } from './ids.js';
import { insist, type Patience } from './insist.js';
import type { Outage } from './outage.js';
import { descriptorKey } from './pyramid.js';
import type { ImageGeometry, PlanQueue } from './work-queue.js';

export interface PopulateOptions extends Patience {
  readonly migration: string;
  readonly queue: PlanQueue;
  /** The list of ids, from its first line, as often as asked. */
  readonly lines: () => AsyncIterable<string>;
  readonly source: ReadableStore;
  readonly outage: Pick<Outage, 'open' | 'blames' | 'served'>;
  /** Resolves as long as the migration runs, waits while it is paused. */
  readonly whileRunning: (signal: AbortSignal) => Promise<void>;
  /** Pauses the migration with this reason. */
  readonly pause: (reason: string) => Promise<void>;
}

export interface PlanSummary {
  readonly lines: number;
  /** Lines an earlier run had dealt with. */
  readonly skipped: number;
  readonly added: number;
  /** Ids that were there already. */
  readonly duplicates: number;
  readonly refused: number;
}

/** Descriptors read at once, and lines dealt with before the cursor moves. */
const BATCH = 64;
/** So many ids refused from the very first on, and none added: the list or the source is not the one meant. */
const HOPELESS = 100;
/** Redis syncs its file once a second: what it answered longer ago than this it has not lost. */
const SETTLED_MS = 2_000;
/** A descriptor whose own trouble does not pass in so many attempts is refused. */
const ATTEMPTS = 3;

type Reading =
  | { readonly id: string; readonly geometry: ImageGeometry }
  | { readonly id: string; readonly reason: string; readonly status: number; readonly detail: string };

/**
 * Plans a migration: each id's image is added with the geometry of its descriptor, in the order of the list; an
 * id that cannot be migrated is captured with its reason and stops nothing. Continues where an earlier run was
 * ended, or where a queue that lost its last moments stands; closes the plan at the end. Rejects `aborted` when the
 * signal fires.
 */
export async function populate(options: PopulateOptions, signal: AbortSignal): Promise<PlanSummary> {
  // A batch of descriptors is read at once, each listening.
  setMaxListeners(0, signal);
  for (;;) {
    try {
      return await planOnce(options, signal);
    } catch (error) {
      if (!(error instanceof ConvoyError) || error.code !== 'restarted') throw error;
      options.log.warn({}, `going back to where the queue stands: ${messageOf(error)}`);
    }
  }
}

async function planOnce(options: PopulateOptions, signal: AbortSignal): Promise<PlanSummary> {
  const { migration, queue, log } = options;
  const keep = <T>(call: () => Promise<T>): Promise<T> => insist(options, signal, call);
  const skipped = await keep(() => queue.planCursor(migration));
  const count = { lines: 0, added: 0, duplicates: 0, refused: 0 };
  let asked = false;
  if (skipped > 0) log.info({ skipped }, 'continuing where an earlier run ended');

  /** Asks the operator, once: whoever resumes means it. */
  async function pauseIfHopeless(last: Reading | undefined): Promise<void> {
    if (asked || last === undefined || !('reason' in last)) return;
    if (skipped + count.added + count.duplicates > 0 || count.refused < HOPELESS) return;
    asked = true;
    const reason = `none of the first ${count.refused} ids could be added, the last was ${last.reason}: are the source and the list of ids right?`;
    log.warn({}, `pausing the migration: ${reason}`);
    await keep(() => options.pause(reason));
  }

  async function capture(reading: Reading): Promise<void> {
    const { id } = reading;
    if ('reason' in reading) {
      count.refused++;
      log.warn({ id: printableId(id), reason: reading.reason }, reading.detail);
      await keep(() => queue.refuseImage(migration, printableId(id), reading.reason, reading.status));
      return;
    }
    const answer = await keep(() => queue.addImage(migration, id, reading.geometry));
    if (answer === 'added') count.added++;
    else count.duplicates++;
  }

  async function add(batch: readonly string[]): Promise<void> {
    await options.whileRunning(signal);
    const readings = await Promise.all(batch.map((id) => readImage(options, id, signal)));
    for (const reading of readings) await capture(reading);
    await keep(() => queue.movePlanCursor(migration, count.lines));
    await pauseIfHopeless(readings.at(-1));
  }

  let batch: string[] = [];
  for await (const line of options.lines()) {
    if (signal.aborted) throw aborted('told to stop');
    count.lines++;
    if (count.lines <= skipped) continue;
    const id = idOfLine(line);
    if (id !== null) batch.push(id);
    if (batch.length < BATCH) continue;
    await add(batch);
    batch = [];
  }
  await add(batch);
  await options.whileRunning(signal);
  await keep(() => queue.closePlan(migration));
  // Said twice, for a Redis that loses its last second between: it answers `restarted` then.
  await options.clock.sleep(SETTLED_MS, signal);
  await keep(() => queue.closePlan(migration));
  return { ...count, skipped: Math.min(skipped, count.lines) };
}

async function readImage(options: PopulateOptions, id: string, signal: AbortSignal): Promise<Reading> {
  const problem = whyNotId(id);
  if (problem !== null) return { id, reason: 'bad-id', status: 0, detail: problem };
  for (let attempt = 1; ; attempt++) {
    await options.outage.open(signal);
    try {
      const { bytes } = await options.source.read(descriptorKey(id), MAX_DESCRIPTOR_BYTES, signal);
      options.outage.served();
      const reading = readDescriptor(bytes);
      if ('geometry' in reading) return { id, geometry: reading.geometry };
      return { id, status: 0, ...reading.refusal };
    } catch (error) {
      if (!(error instanceof ConvoyError) || error.kind === 'aborted') throw error;
      if (await options.outage.blames('source', error)) attempt--;
      else if (error.kind === 'permanent' || attempt >= ATTEMPTS) {
        const { status = 0, code = 'unknown' } = error;
        return { id, reason: status === 0 ? code : `http-${status}`, status, detail: messageOf(error) };
      }
    }
  }
}
