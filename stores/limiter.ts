import type { Clock } from '../runtime/clock.js';
import { aborted } from '../runtime/errors.js';

/**
 * Hands out turns at a steady rate, in the order asked for. Time that nobody used is gone: there are no bursts after a
 * rest.
 */
export interface Limiter {
  /** Resolves when it is the caller's turn (undefined: at once); rejects `aborted`, and costs nothing, if the signal fires before. */
  turn(signal?: AbortSignal, cost?: number): Promise<void> | undefined;
}

export interface SettableLimiter extends Limiter {
  turn(signal?: AbortSignal, cost?: number): Promise<void>;
  /** Units per second; null = no limit. Who waits already waits by the new rate. */
  readonly rate: number | null;
  setRate(perSecond: number | null): void;
  /** Puts the next turn off by what this costs: for costs known only afterwards. Below 0: a turn had cost too much. */
  charge(cost: number): void;
}

/** Longer behind its own schedule than this (a frozen process, not a late timer), a limiter does not catch up. */
const LATE_MS = 50;

interface Waiter {
  readonly cost: number;
  readonly go: () => void;
}

export function createLimiter(perSecond: number | null, clock: Clock): SettableLimiter {
  let rate = perSecond;
  /** When the next turn is due, on the steady clock. */
  let free = clock.steady();
  let waiters: Waiter[] = [];
  let nap = new AbortController();
  let serving = false;

  const spend = (cost: number): void => {
    if (rate !== null) free += (cost * 1000) / rate;
  };
  const pay = (cost: number): void => {
    free = Math.max(free, clock.steady() - LATE_MS);
    spend(cost);
  };

  async function serve(): Promise<void> {
    serving = true;
    for (let next = waiters[0]; next !== undefined; next = waiters[0]) {
      const waitMs = free - clock.steady();
      if (rate !== null && waitMs > 0) {
        nap = new AbortController();
        await clock.sleep(waitMs, nap.signal).catch(() => undefined);
        continue;
      }
      waiters.shift();
      pay(next.cost);
      next.go();
    }
    serving = false;
  }

  return {
    get rate() {
      return rate;
    },
    setRate(next) {
      if (next === rate) return;
      const now = clock.steady();
      const ahead = rate === null || next === null ? 0 : (Math.max(0, free - now) * rate) / next;
      free = now + ahead;
      rate = next;
      nap.abort();
    },
    charge(cost) {
      if (cost > 0) free = Math.max(free, clock.steady());
      spend(cost);
    },
    turn(signal, cost = 1) {
      if (signal?.aborted) return Promise.reject(aborted('gave up waiting for its turn'));
      if (waiters.length === 0 && (rate === null || free <= clock.steady())) {
        free = Math.max(free, clock.steady());
        spend(cost);
        return Promise.resolve();
      }
      return new Promise((resolve, reject) => {
        const waiter: Waiter = {
          cost,
          go() {
            signal?.removeEventListener('abort', leave);
            resolve();
          },
        };
        const leave = (): void => {
          waiters = waiters.filter((other) => other !== waiter);
          if (waiters.length === 0) nap.abort();
          reject(aborted('gave up waiting for its turn'));
        };
        signal?.addEventListener('abort', leave, { once: true });
        waiters.push(waiter);
        if (!serving) void serve();
      });
    },
  };
}
