import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { ConvoyError, kindOf, messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import type { PartialWrite, Store } from './store.js';

/** The operations a wrapper stands around: all that ask the store something and may be asked again. */
const OPERATIONS = [
  'check',
  'head',
  'read',
  'write',
  'remove',
  'createContainer',
  'listPage',
  'readStream',
  'beginParts',
  'copyAddress',
  'readStart',
  'copyFrom',
] as const satisfies readonly (keyof Store)[];
type Operation = (typeof OPERATIONS)[number] | keyof PartialWrite | 'writeStream';

interface Call {
  readonly operation: Operation;
  /** The key, or the prefix of a listing; '' where there is none. */
  readonly key: string;
  readonly signal: AbortSignal | undefined;
  /** Whether it may be made again. */
  readonly repeatable: boolean;
}
type Around = <T>(call: Call, make: () => Promise<T>) => Promise<T>;
type Method = (...args: unknown[]) => Promise<unknown>;

/** The same store with something around each of its operations. Everything else of it stays as it is. */
function wrap<S extends Store>(store: S, around: Around): S {
  const wrapped: S = { ...store };
  const methods = wrapped as Record<string, unknown>;
  for (const operation of OPERATIONS) {
    const method = store[operation] as Method | undefined;
    if (method !== undefined) methods[operation] = wrapMethod(operation, method.bind(store), around);
  }
  const { beginParts, writeStream } = store;
  if (writeStream !== undefined)
    methods.writeStream = wrapMethod('writeStream', (writeStream as Method).bind(store), around);
  if (beginParts !== undefined) {
    const begin = methods.beginParts as NonNullable<Store['beginParts']>;
    methods.beginParts = async (...args: Parameters<typeof begin>) =>
      wrapParts(args[0], await begin(...args), around);
  }
  return wrapped;
}

function wrapParts(key: string, parts: PartialWrite, around: Around): PartialWrite {
  const call = (operation: Operation, signal: AbortSignal | undefined): Call => ({
    ...{ operation, key, signal, repeatable: true },
  });
  return {
    writePart: (index, bytes, md5, signal) =>
      around(call('writePart', signal), () => parts.writePart(index, bytes, md5, signal)),
    complete: (md5, signal) => around(call('complete', signal), () => parts.complete(md5, signal)),
    abandon: (signal) => around(call('abandon', signal), () => parts.abandon(signal)),
  };
}

/** The key is the first string among the arguments, the signal is the last. */
function wrapMethod(operation: Operation, method: Method, around: Around): Method {
  return (...args) => {
    const key = args.find((arg): arg is string => typeof arg === 'string') ?? '';
    const last = args.at(-1);
    const signal = last instanceof AbortSignal ? last : undefined;
    return around({ operation, key, signal, repeatable: operation !== 'writeStream' }, () => method(...args));
  };
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
export function withRetry<S extends Store>(store: S, options: RetryOptions): S {
  return wrap(store, async ({ signal, repeatable }, call) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof ConvoyError) || error.kind !== 'transient' || !repeatable) throw error;
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
export function withLimit<S extends Store>(store: S, limiter: Limiter): S {
  return wrap(store, async ({ signal }, call) => {
    await limiter.turn(signal);
    return call();
  });
}

/** Each failed operation as a line of level debug; who decides what it means logs it once more, louder. */
export function withLog<S extends Store>(store: S, log: Log): S {
  return wrap(store, async ({ operation, key }, call) => {
    try {
      return await call();
    } catch (error) {
      const { code, status } = error instanceof ConvoyError ? error : {};
      log.debug({ store: store.name, operation, key, kind: kindOf(error), code, status }, messageOf(error));
      throw error;
    }
  });
}
