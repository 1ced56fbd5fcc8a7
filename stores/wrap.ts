import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { ConvoyError, kindOf, messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import type { Limiter } from './limiter.js';
import { scrub } from './location.js';
import type { PartialWrite, Store, StoredObject } from './store.js';
import type { StoreCounts } from './store-metrics.js';

/**
 * The operations that are seen through, with the places of the key (or prefix), of the signal and of bytes to be written
 * among their arguments. What asks the store nothing is not among them.
 */
const OPERATIONS = {
  check: { key: null, signal: 0 },
  head: { key: 0, signal: 1 },
  read: { key: 0, signal: 2 },
  write: { key: 0, signal: 3, bytes: 1 },
  remove: { key: 0, signal: 1 },
  createContainer: { key: null, signal: 0 },
  listPage: { key: 0, signal: 2 },
  listFolder: { key: 0, signal: 2 },
  readStream: { key: 0, signal: 2 },
  beginParts: { key: 0, signal: 3 },
  writeStream: { key: 0, signal: 4 },
  copyAddress: { key: 0, signal: 1 },
  readStart: { key: 0, signal: 2 },
  copyFrom: { key: 1, signal: 3 },
} as const satisfies Record<
  Exclude<keyof Store, 'traits' | 'name' | 'close' | 'partBytes' | 'canCopyFrom'>,
  Places
>;
interface Places {
  readonly key: number | null;
  readonly signal: number;
  readonly bytes?: number;
}
type StoreOperation = keyof typeof OPERATIONS;

/** The same of a write in parts, whose key is known. */
const STEPS = {
  writePart: { key: null, signal: 3, bytes: 1 },
  complete: { key: null, signal: 1 },
  abandon: { key: null, signal: 0 },
} as const satisfies Record<keyof PartialWrite, Places>;

type Method = (...args: unknown[]) => Promise<unknown>;

export interface RetryOptions {
  readonly clock: Clock;
  /** A number in [0, 1) per call. */
  readonly random: () => number;
  /** Hears each transient error, also those that a retry heals: what adapts to a store's load listens here. */
  readonly onError?: (error: ConvoyError) => void;
  /** Asked with an operation's signal before it is repeated: throws if it must not be any more. */
  readonly beforeRepeat?: (signal: AbortSignal | undefined) => void;
}

const ATTEMPTS = 4;
const BACKOFF: BackoffPolicy = { firstMs: 200, factor: 3, maxMs: 3_000 };
/** Waiting longer than this is the work queue's business. */
const MAX_WAIT_MS = 5_000;

/** What is done about each operation of a store; whatever is absent is not done. */
export interface Care {
  /**
   * Repeats an operation that failed `transient`, for seconds: the first level of retry. A store that asks for more
   * patience than that gets its error handed on at once, with what it asked for. Of `readStream` only the opening is
   * repeated, and nothing of `writeStream`: a body is good for one reading (`copyLarge` goes on where one broke).
   */
  readonly retry?: RetryOptions;
  /** Each attempt waits for its turn. One limiter may stand before many stores. */
  readonly limiter?: Limiter;
  /**
   * Counts and times each attempt, without the wait for its turn, and the bytes of objects that are read or written whole
   * or in parts. Of a stream the opening is timed, and its bytes are not counted.
   */
  readonly meter?: { readonly counts: StoreCounts; readonly clock: Pick<Clock, 'steady'> };
  /** Each attempt that failed as a line of level debug; who decides what it means logs it once more, louder. */
  readonly log?: Log;
}

/** The same store, with care taken of each of its operations. Everything else of it stays as it is. */
export function withCare<S extends Store>(store: S, care: Care): S {
  const careful: S = { ...store };
  const methods = careful as Record<string, unknown>;
  for (const [operation, places] of Object.entries(OPERATIONS) as [StoreOperation, Places][]) {
    const method = store[operation] as Method | undefined;
    if (method !== undefined) methods[operation] = seeThrough({ store, operation, places, care }, method);
  }
  const { beginParts } = careful;
  if (beginParts !== undefined)
    methods.beginParts = async (...args: Parameters<typeof beginParts>): Promise<PartialWrite> =>
      carefulParts(store, args[0], await beginParts(...args), care);
  return careful;
}

function carefulParts(store: Store, key: string, parts: PartialWrite, care: Care): PartialWrite {
  const careful: Partial<Record<keyof PartialWrite, Method>> = {};
  for (const [operation, places] of Object.entries(STEPS) as [keyof PartialWrite, Places][])
    careful[operation] = seeThrough(
      { store, operation, key, places, care },
      (parts[operation] as Method).bind(parts),
    );
  return careful as unknown as PartialWrite;
}

interface Through {
  readonly store: Store;
  readonly operation: StoreOperation | keyof PartialWrite;
  readonly places: Places;
  /** Where it is not among the arguments. */
  readonly key?: string;
  readonly care: Care;
}

/** One function for all of it: with every tile it is gone through twice. */
function seeThrough({ store, operation, places, key = '', care }: Through, method: Method): Method {
  const { retry, limiter, meter, log } = care;

  /** An error of an SDK may quote the URL it asked, signature and all. */
  function tell(error: unknown, args: readonly unknown[]): void {
    if (log === undefined) return;
    const { code, status } = error instanceof ConvoyError ? error : {};
    const asked = places.key === null ? key : args[places.key];
    const what = { store: store.name, operation, key: asked, kind: kindOf(error), code, status };
    log.debug(what, scrub(messageOf(error)));
  }

  return async (...args) => {
    const signal = args[places.signal] as AbortSignal | undefined;
    for (let attempt = 1; ; attempt++) {
      const turn = limiter?.turn(signal);
      if (turn !== undefined) await turn;
      const began = meter === undefined ? 0 : meter.clock.steady();
      try {
        const result = await method(...args);
        if (meter !== undefined) {
          meter.counts.seconds(operation, 'ok', (meter.clock.steady() - began) / 1000);
          const sent = places.bytes === undefined ? 0 : (args[places.bytes] as Uint8Array).length;
          const bytes = sent + bytesIn(result);
          if (bytes > 0) meter.counts.bytes(operation, bytes);
        }
        return result;
      } catch (error) {
        tell(error, args);
        meter?.counts.seconds(operation, outcomeOf(error), (meter.clock.steady() - began) / 1000);
        if (retry === undefined || !isTransient(error)) throw error;
        const isLast = attempt === ATTEMPTS || operation === 'writeStream';
        await untilRepeat(error, isLast ? null : attempt, retry, signal);
      }
    }
  };
}

/** Rejects, mostly with the error itself, if it is not to be repeated; attempt null: because it was the last. */
async function untilRepeat(
  error: ConvoyError,
  attempt: number | null,
  { clock, random, onError, beforeRepeat }: RetryOptions,
  signal: AbortSignal | undefined,
): Promise<void> {
  beforeRepeat?.(signal);
  onError?.(error);
  if (attempt === null) throw error;
  const waitMs = Math.max(error.retryAfterMs ?? 0, backoffMs(attempt, BACKOFF, random()));
  if (waitMs > MAX_WAIT_MS) throw error;
  await clock.sleep(waitMs, signal);
  // Of a process that was frozen meanwhile, no other timer may have fired yet.
  beforeRepeat?.(signal);
}

function isTransient(error: unknown): error is ConvoyError {
  return error instanceof ConvoyError && error.kind === 'transient';
}

function outcomeOf(error: unknown): Parameters<StoreCounts['seconds']>[1] {
  const kind = kindOf(error);
  return kind === 'conflict' ? 'permanent' : kind;
}

/** Of what `read` and `readStart` answer; 0 of anything else. */
function bytesIn(result: unknown): number {
  const bytes = (result as Partial<StoredObject> | null | undefined)?.bytes;
  return bytes === undefined ? 0 : bytes.length;
}
