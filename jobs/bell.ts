import type { Clock } from '../runtime/clock.js';

/** Ends a wait early. A ring that nobody waits for is kept for the next who does. */
export interface Bell {
  ring(): void;
  /** Resolves at the ring, after `ms`, or when the signal fires. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Made once: an error made anew each time costs more than all else about a ring. */
const RUNG = new Error('rung');

export function createBell(clock: Clock): Bell {
  let rung = false;
  let nap: AbortController | undefined;
  return {
    ring() {
      rung = true;
      nap?.abort(RUNG);
    },
    async wait(ms, signal) {
      if (!rung && ms > 0 && !signal?.aborted) {
        const waiting = new AbortController();
        const end = (): void => waiting.abort();
        nap = waiting;
        signal?.addEventListener('abort', end, { once: true });
        await clock.sleep(ms, waiting.signal).catch(() => undefined);
        signal?.removeEventListener('abort', end);
      }
      rung = false;
    },
  };
}
