import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { ConvoyError, kindOf, messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import type { ReadableStore, WritableStore } from './store.js';

type Around = <T>(
  operation: 'head' | 'read' | 'write' | 'remove',
  key: string,
  signal: AbortSignal | undefined,
  call: () => Promise<T>,
) => Promise<T>;

/** The same store with something around each of its operations. Everything else of it stays as it is. */
function wrap<S extends ReadableStore>(store: S, around: Around): S {
  const wrapped: S = {
    ...store,
    head: (key, signal) => around('head', key, signal, () => store.head(key, signal)),
    read: (key, limit, signal) => around('read', key, signal, () => store.read(key, limit, signal)),
  };
  return isWritable(store) ? { ...wrapped, ...wrappedWrites(store, around) } : wrapped;
}

function wrappedWrites(store: WritableStore, around: Around): Pick<WritableStore, 'write' | 'remove'> {
  return {
    write: (key, bytes, metadata, signal) =>
      around('write', key, signal, () => store.write(key, bytes, metadata, signal)),
    remove: (key, signal) => around('remove', key, signal, () => store.remove(key, signal)),
  };
}

function isWritable(store: ReadableStore): store is WritableStore {
  return 'write' in store;
}

export interface RetryOptions {
  readonly clock: Clock;
  /** A number in [0, 1) per call. */
  readonly random: () => number;
  /** Hears each transient error, also those that a retry heals: what adapts to a store's load listens here. */
  readonly onError?: (error: ConvoyError) => void;
}

const ATTEMPTS = 4;
const BACKOFF: BackoffPolicy = { firstMs: 200, factor: 3, maxMs: 3_000 };
/** Waiting longer than this is the work queue's business. */
const MAX_WAIT_MS = 5_000;

/**
 * Repeats an operation that failed `transient`, for seconds: the first level of retry. A store that asks for more
 * patience than that gets its error handed on at once, with what it asked for.
 */
export function withRetry<S extends ReadableStore>(store: S, options: RetryOptions): S {
  return wrap(store, async (_operation, _key, signal, call) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof ConvoyError) || error.kind !== 'transient') throw error;
        options.onError?.(error);
        const waitMs = Math.max(error.retryAfterMs ?? 0, backoffMs(attempt, BACKOFF, options.random()));
        if (attempt === ATTEMPTS || waitMs > MAX_WAIT_MS) throw error;
        await options.clock.sleep(waitMs, signal);
      }
    }
  });
}

/** Hands out turns at a steady rate. Time that nobody used is gone: there are no bursts after a rest. */
export interface Limiter {
  turn(signal?: AbortSignal): Promise<void>;
}

export function createLimiter(perSecond: number, clock: Clock): Limiter {
  const intervalMs = 1000 / perSecond;
  let free = clock.steady();
  return {
    async turn(signal) {
      const now = clock.steady();
      const mine = Math.max(now, free);
      free = mine + intervalMs;
      if (mine > now) await clock.sleep(mine - now, signal);
    },
  };
}

/** Each operation, retries included, waits for its turn. One limiter may stand before many stores. */
export function withLimit<S extends ReadableStore>(store: S, limiter: Limiter): S {
  return wrap(store, async (_operation, _key, signal, call) => {
    await limiter.turn(signal);
    return call();
  });
}

/** Each failed operation as a line of level debug; who decides what it means logs it once more, louder. */
export function withLog<S extends ReadableStore>(store: S, log: Log): S {
  return wrap(store, async (operation, key, _signal, call) => {
    try {
      return await call();
    } catch (error) {
      const { code, status } = error instanceof ConvoyError ? error : {};
      log.debug({ store: store.name, operation, key, kind: kindOf(error), code, status }, messageOf(error));
      throw error;
    }
  });
}
