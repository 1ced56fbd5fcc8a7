import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { ConvoyError, kindOf, messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import type { Limiter } from './limiter.js';
import { scrub } from './location.js';
import type { PartialWrite, Store, StoredObject } from './store.js';
import type { StoreCounts } from './store-metrics.js';

/**
 * The operations a wrapper stands around, with the places of the key (or prefix), of the signal and of bytes to be
 * written among their arguments. What asks the store nothing is not among them.
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

interface Call {
  readonly operation: StoreOperation | keyof PartialWrite;
  /** The key, or the prefix of a listing; '' where there is none. */
  readonly key: string;
  readonly signal: AbortSignal | undefined;
  /** Of a write: as many bytes. Else 0. */
  readonly sent: number;
}
type Around = <T>(call: Call, make: () => Promise<T>) => Promise<T>;
type Method = (...args: unknown[]) => Promise<unknown>;

/** The same store with something around each of its operations. Everything else of it stays as it is. */
function wrap<S extends Store>(store: S, around: Around): S {
  const wrapped: S = { ...store };
  const methods = wrapped as Record<string, unknown>;
  for (const [operation, places] of Object.entries(OPERATIONS) as [StoreOperation, Places][]) {
    const method = store[operation] as Method | undefined;
    if (method !== undefined) methods[operation] = wrapMethod(operation, places, method, around);
  }
  const { beginParts } = wrapped;
  if (beginParts !== undefined)
    methods.beginParts = async (...args: Parameters<typeof beginParts>): Promise<PartialWrite> =>
      wrapParts(args[0], await beginParts(...args), around);
  return wrapped;
}

function wrapMethod(operation: StoreOperation, places: Places, method: Method, around: Around): Method {
  return (...args) => {
    const key = places.key === null ? '' : (args[places.key] as string);
    const signal = args[places.signal] as AbortSignal | undefined;
    const sent = places.bytes === undefined ? 0 : (args[places.bytes] as Uint8Array).length;
    return around({ operation, key, signal, sent }, () => method(...args));
  };
}

function wrapParts(key: string, parts: PartialWrite, around: Around): PartialWrite {
  return {
    writePart: (index, bytes, md5, signal) =>
      around({ operation: 'writePart', key, signal, sent: bytes.length }, () =>
        parts.writePart(index, bytes, md5, signal),
      ),
    complete: (md5, signal) =>
      around({ operation: 'complete', key, signal, sent: 0 }, () => parts.complete(md5, signal)),
    abandon: (signal) => around({ operation: 'abandon', key, signal, sent: 0 }, () => parts.abandon(signal)),
  };
}

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

/**
 * Repeats an operation that failed `transient`, for seconds: the first level of retry. A store that asks for more
 * patience than that gets its error handed on at once, with what it asked for. Of `readStream` only the opening is
 * repeated, and nothing of `writeStream`: a body is good for one reading (`copyLarge` goes on where one broke).
 */
export function withRetry<S extends Store>(store: S, options: RetryOptions): S {
  return wrap(store, async ({ operation, signal }, make) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await make();
      } catch (error) {
        if (!(error instanceof ConvoyError) || error.kind !== 'transient') throw error;
        options.beforeRepeat?.(signal);
        options.onError?.(error);
        if (attempt === ATTEMPTS || operation === 'writeStream') throw error;
        const waitMs = Math.max(error.retryAfterMs ?? 0, backoffMs(attempt, BACKOFF, options.random()));
        if (waitMs > MAX_WAIT_MS) throw error;
        await options.clock.sleep(waitMs, signal);
        // Of a process that was frozen meanwhile, no other timer may have fired yet.
        options.beforeRepeat?.(signal);
      }
    }
  });
}

/** Each operation, retries included, waits for its turn. One limiter may stand before many stores. */
export function withLimit<S extends Store>(store: S, limiter: Limiter): S {
  return wrap(store, ({ signal }, make) => limiter.turn(signal).then(make));
}

/**
 * Counts and times each attempt of each operation, and the bytes of objects that are read or written whole or in
 * parts. Of a stream the opening is timed, and its bytes are not counted.
 */
export function withMeter<S extends Store>(store: S, counts: StoreCounts, clock: Pick<Clock, 'steady'>): S {
  return wrap(store, async ({ operation, sent }, make) => {
    const began = clock.steady();
    try {
      const result = await make();
      counts.seconds(operation, 'ok', (clock.steady() - began) / 1000);
      const bytes = sent + bytesIn(result);
      if (bytes > 0) counts.bytes(operation, bytes);
      return result;
    } catch (error) {
      const kind = kindOf(error);
      const outcome = kind === 'conflict' ? 'permanent' : kind;
      counts.seconds(operation, outcome, (clock.steady() - began) / 1000);
      throw error;
    }
  });
}

/** Of what `read` and `readStart` answer; 0 of anything else. */
function bytesIn(result: unknown): number {
  const bytes = (result as Partial<StoredObject> | null | undefined)?.bytes;
  return bytes === undefined ? 0 : bytes.length;
}

/** Each failed operation as a line of level debug; who decides what it means logs it once more, louder. */
export function withLog<S extends Store>(store: S, log: Log): S {
  return wrap(store, async ({ operation, key }, make) => {
    try {
      return await make();
    } catch (error) {
      const { code, status } = error instanceof ConvoyError ? error : {};
      // An error of an SDK may quote the URL it asked, signature and all.
      const message = scrub(messageOf(error));
      log.debug({ store: store.name, operation, key, kind: kindOf(error), code, status }, message);
      throw error;
    }
  });
}
