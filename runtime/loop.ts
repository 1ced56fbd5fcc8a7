import type { Clock } from './clock.js';
import { kindOf, messageOf } from './errors.js';
import type { Log } from './log.js';

export interface LoopOptions {
  readonly name: string;
  /** Longest time between two rounds, in ms, when nothing wakes the loop. A function is asked after each round. */
  readonly intervalMs: number | (() => number);
  /**
   * How long what wakes the loop is gathered before a round looks at all of it, in ms, given how long the last round took.
   * Absent: not at all.
   */
  readonly gatherMs?: (tookMs: number) => number;
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

/** A reason of its own: a signal that fires without one makes an error with a stack each time. */
const WOKEN = 'woken';

/** Runs `round` now, then on each wake-up or after the interval; rounds never overlap. */
export function startLoop(options: LoopOptions): Loop {
  const { clock, log, intervalMs } = options;
  const stopping = new AbortController();
  let wanted = false;
  let nap = new AbortController();

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      wanted = false;
      nap = new AbortController();
      const beganAt = clock.steady();
      try {
        await options.round(stopping.signal);
      } catch (error) {
        if (kindOf(error) !== 'aborted') log.error({ loop: options.name }, messageOf(error));
      }
      const tookMs = clock.steady() - beganAt;
      if (!wanted) {
        const pause = typeof intervalMs === 'number' ? intervalMs : intervalMs();
        await clock.sleep(pause, nap.signal).catch(() => undefined);
      }
      const gatherMs = wanted ? (options.gatherMs?.(tookMs) ?? 0) : 0;
      if (gatherMs > 0) await clock.sleep(gatherMs, stopping.signal).catch(() => undefined);
    }
  }

  const done = run();
  return {
    wake() {
      wanted = true;
      nap.abort(WOKEN);
    },
    async stop() {
      stopping.abort();
      nap.abort(WOKEN);
      await done;
    },
  };
}
