import type { Clock } from '../runtime/clock.js';

/** Ends a wait early. A ring that nobody waits for is kept for the next who does. */
export interface Bell {
  ring(): void;
  /** Resolves at the ring, after `ms`, or when the signal fires. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
}

export function createBell(clock: Clock): Bell {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    ring() {
      rung = true;
      wake?.();
    },
    async wait(ms, signal) {
      if (!rung && ms > 0 && !signal?.aborted)
        await new Promise<void>((resolve) => {
          const end = (): void => {
            wake = undefined;
            cancel();
            signal?.removeEventListener('abort', end);
            resolve();
          };
          // An AbortController for each wait would cost more than all else about it.
          const cancel = clock.timer(ms, end);
          signal?.addEventListener('abort', end, { once: true });
          wake = end;
        });
      rung = false;
    },
  };
}
