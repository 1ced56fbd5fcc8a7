import type { Clock } from '../runtime/clock.js';
import { createLimiter, type Limiter } from '../stores/limiter.js';
import type { StoredObject } from '../stores/store.js';
import type { Limit } from './work-queue.js';

/** What a worker may use for one migration: its share of the migration's own limit, and of what the worker has for all. */
export interface MigrationLimits {
  /** A turn for each request to the source, retries included. */
  readonly requests: Limiter;
  /** Reads one object in its turn: the bytes that came put the next ones off. */
  carry<T extends Pick<StoredObject, 'bytes'>>(read: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  setShare(share: Limit): void;
  /** Whoever waits for a turn now is turned away, `aborted`: the migration is paused, or the worker stops. */
  dismiss(): void;
}

/** Each body counts this much in what the next is expected to weigh. */
const NEW_BODY = 0.2;

/** `whole`: the worker's own limiter of requests, of all its migrations. */
export function createLimits(whole: Limiter | null, clock: Clock): MigrationLimits {
  const share = createLimiter(null, clock);
  const bytes = createLimiter(null, clock);
  const waiting = new Set<AbortController>();
  let expected = 0;

  async function waitFor(signal: AbortSignal | undefined, wait: (until: AbortSignal) => Promise<void>) {
    const patience = new AbortController();
    const leave = (): void => patience.abort();
    if (signal?.aborted) leave();
    signal?.addEventListener('abort', leave, { once: true });
    waiting.add(patience);
    try {
      await wait(patience.signal);
    } finally {
      waiting.delete(patience);
      signal?.removeEventListener('abort', leave);
    }
  }

  async function inTurn<T extends Pick<StoredObject, 'bytes'>>(
    read: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const cost = expected;
    await waitFor(signal, (until) => bytes.turn(until, cost));
    const object = await read();
    bytes.charge(object.bytes.length - cost);
    expected += (object.bytes.length - expected) * NEW_BODY;
    return object;
  }

  return {
    requests: {
      turn(signal) {
        if (share.rate === null && whole === null) return undefined;
        return waitFor(signal, async (until) => {
          await share.turn(until);
          await whole?.turn(until);
        });
      },
    },
    carry(read, signal) {
      return bytes.rate === null ? read() : inTurn(read, signal);
    },
    setShare({ requestsPerSecond, bytesPerSecond }) {
      share.setRate(requestsPerSecond);
      bytes.setRate(bytesPerSecond);
    },
    dismiss() {
      for (const patience of waiting) patience.abort();
    },
  };
}
