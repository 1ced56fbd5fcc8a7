import type { Clock } from './clock.js';
import { kindOf, messageOf } from './errors.js';
import type { Log } from './log.js';

export interface LoopOptions {
  readonly name: string;
  /** Longest time between two rounds, in ms, when nothing wakes the loop. */
  readonly intervalMs: number;
  /** One round. An error is logged once, here, and the next round follows after the interval. */
  readonly round: (signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Loop {
  /** Ask for a round soon. Any number of calls during a round lead to exactly one more. */
  wake(): void;
  /** Let the round in hand see its signal fire, wait for it to end, start no other. */
  stop(): Promise<void>;
}

/** Runs `round` now, then on each wake-up or after the interval; rounds never overlap. */
export function startLoop(options: LoopOptions): Loop {
  const { clock, log } = options;
  const stopping = new AbortController();
  let wanted = false;
  let nap = new AbortController();

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      wanted = false;
      nap = new AbortController();
      try {
        await options.round(stopping.signal);
      } catch (error) {
        if (kindOf(error) !== 'aborted') log.error({ loop: options.name }, messageOf(error));
      }
      if (wanted || stopping.signal.aborted) continue;
      await clock.sleep(options.intervalMs, nap.signal).catch(() => undefined);
    }
  }

  const done = run();
  return {
    wake() {
      wanted = true;
      nap.abort();
    },
    async stop() {
      stopping.abort();
      nap.abort();
      await done;
    },
  };
}
