import { expect } from 'vitest';
import type * as q from '../../jobs/work-queue.js';
import { kindOf } from '../../runtime/errors.js';

/** A queue to test, and the faults its contract speaks of. */
export interface QueueHarness {
  readonly queue: q.WorkQueue;
  /** Lets every lease and every delay of up to `ms` run out on the queue's clock. */
  pass(ms: number): Promise<void>;
  /** Empties the store behind the queue. */
  flush(): Promise<void>;
  /** Stops what is behind the queue and starts it again with what it has; absent where nothing is behind it. */
  restart?(): Promise<void>;
}

export type OpenQueue = () => Promise<QueueHarness>;

/** One tile of 254 px: its levels 0..8 have a tile each, so 9 tiles. */
export const SMALL: q.ImageGeometry = { width: 254, height: 254, tileSize: 254, overlap: 1, format: 'jpg' };
/** Levels 0..8 with a tile each, then 4 and 12: 25 tiles. */
export const LARGE: q.ImageGeometry = { width: 1000, height: 700, tileSize: 254, overlap: 1, format: 'jpg' };

export const LONG = 1_000_000;
export const SHORT = 20;
/** Longer than a worker that says nothing still counts for a share. */
export const GONE = 5_500;
export const ZERO = '0'.repeat(32);
export const CANCELLED = { kind: 'permanent', code: 'cancelled' };

export function definition(change: Partial<q.MigrationDefinition> = {}): q.MigrationDefinition {
  return {
    name: 'm',
    source: 'http://source/',
    destination: 'file:///destination',
    rangeSize: 10,
    maxAttempts: 3,
    stopAfterFailures: 0.01,
    stopAfterTiles: 10_000,
    serverSide: 'auto',
    incomplete: 'withhold',
    ...change,
  };
}

export function point(sequence: number, next: number, change: Partial<q.Checkpoint> = {}): q.Checkpoint {
  return {
    ...{ sequence, next, bytes: 0, done: 0, skipped: 0, failed: [], delayed: [], digest: ZERO },
    ...{ release: false, found: null },
    ...change,
  };
}

export const failure = (
  first: number,
  count: number,
  change: Partial<q.RangeFailure> = {},
): q.RangeFailure => ({
  ...{ first, count, reason: 'http-404', status: 404, attempt: 1 },
  ...change,
});

let tokens = 0;
/** A claim of worker `w`, with a token of its own. */
export const request = (change: Partial<q.ClaimRequest> = {}): q.ClaimRequest => ({
  token: `w-${++tokens}`,
  lane: 'tiles',
  leaseMs: LONG,
  ...change,
});

export async function claim(queue: q.WorkerQueue, change: Partial<q.ClaimRequest> = {}): Promise<q.Claim> {
  const answer = await queue.claim(request(change));
  if ('kind' in answer) throw new Error(`nothing to claim: ${answer.why}`);
  return answer;
}

export const tell = async (
  queue: q.WorkerQueue,
  token: string,
  checkpoint: q.Checkpoint,
): Promise<q.CheckpointAnswer> => (await queue.checkpoint(token, 'm', checkpoint)).answer;

export async function add(
  queue: q.PlanQueue,
  id: string,
  geometry: q.ImageGeometry,
  migration = 'm',
): Promise<'added' | 'known' | 'refused'> {
  return (await queue.addImages(migration, [{ id, geometry }]))[0]!;
}

export const status = async (queue: q.OperatorQueue, name = 'm'): Promise<q.MigrationStatus> =>
  (await queue.status(name))!;

export async function all(queue: q.OperatorQueue, filter: q.FailureFilter = {}): Promise<q.FailureRecord[]> {
  const records: q.FailureRecord[] = [];
  for await (const record of queue.failures('m', filter)) records.push(record);
  return records.sort((a, b) => a.image.localeCompare(b.image) || a.first - b.first);
}

export async function imagesOf(queue: q.OperatorQueue): Promise<q.ImageStatus[]> {
  const images: q.ImageStatus[] = [];
  for await (const image of queue.images('m')) images.push(image);
  return images;
}

export async function rejection(promise: Promise<unknown>): Promise<{ kind: string; code: unknown }> {
  const error = await promise.then(
    () => new Error('it did not reject'),
    (reason: unknown) => reason,
  );
  return { kind: kindOf(error), code: (error as { code?: unknown }).code };
}

/** Asks again where no answer came: after a restart the first call finds the connection gone. */
export async function insistent<T>(ask: () => Promise<T>): Promise<T> {
  for (;;)
    try {
      return await ask();
    } catch (error) {
      if (kindOf(error) !== 'transient') throw error;
    }
}

/** A migration with one small image, `a`. */
export async function small(
  open: OpenQueue,
  change: Partial<q.MigrationDefinition> = {},
): Promise<QueueHarness> {
  const harness = await open();
  await harness.queue.createMigration(definition(change));
  await add(harness.queue, 'a', SMALL);
  return harness;
}

/** Claims what is ready and settles it as done, with this digest per claim, until nothing is; answers how many. */
export async function drain(queue: q.WorkerQueue, lane: q.Lane, digest = ZERO): Promise<number> {
  const found = lane === 'checks' ? { blind: false, restart: false } : null;
  let settled = 0;
  for (;;) {
    const answer = await queue.claim(request({ lane }));
    if ('kind' in answer) return settled;
    const done = answer.end - answer.first;
    expect(await tell(queue, answer.token, point(1, answer.end, { done, digest, found }))).toBe('ended');
    settled += done;
  }
}
