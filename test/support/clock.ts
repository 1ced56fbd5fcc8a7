import type { Clock } from '../../runtime/clock.js';
import { aborted } from '../../runtime/errors.js';

interface Sleeper {
  readonly due: number;
  readonly wake: () => void;
}

/** A clock that stands still until told to advance. Wall and steady time move together. */
export interface ManualClock extends Clock {
  /** Moves time on and wakes whoever is due, in order, letting each run before the next. */
  advance(ms: number): Promise<void>;
  /** Resolves once somebody sleeps: a test waits for a loop to be at rest without sleeping itself. */
  sleeping(): Promise<void>;
}

export function manualClock(start = 1_000_000): ManualClock {
  let time = start;
  let sleepers: Sleeper[] = [];
  const watchers: (() => void)[] = [];

  function timer(ms: number, callback: () => void): () => void {
    const sleeper: Sleeper = { due: time + ms, wake: callback };
    sleepers.push(sleeper);
    for (const watcher of watchers.splice(0)) watcher();
    return () => {
      sleepers = sleepers.filter((other) => other !== sleeper);
    };
  }

  return {
    now: () => time,
    steady: () => time,
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        const stop = (): void => {
          cancel();
          reject(aborted('sleep ended early'));
        };
        if (signal?.aborted) return reject(aborted('sleep ended early'));
        const cancel = timer(ms, () => {
          signal?.removeEventListener('abort', stop);
          resolve();
        });
        signal?.addEventListener('abort', stop, { once: true });
      });
    },
    timer,
    async advance(ms) {
      const end = time + ms;
      for (;;) {
        const next = sleepers.filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0];
        if (next === undefined) break;
        time = next.due;
        sleepers = sleepers.filter((other) => other !== next);
        next.wake();
        await new Promise((resolve) => setImmediate(resolve));
      }
      time = end;
    },
    sleeping() {
      if (sleepers.length > 0) return Promise.resolve();
      return new Promise((resolve) => {
        watchers.push(resolve);
      });
    },
  };
}
