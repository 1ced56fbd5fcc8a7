import type { Checkpoint, WorkerReport } from './work-queue.js';

export type Totals = Pick<WorkerReport, 'done' | 'skipped' | 'failed' | 'bytes' | 'rate'>;

/** What a worker has settled since it started: only what the queue has confirmed, so its numbers are the queue's. */
export interface Tally {
  /** `now` and all other times: ms of a steady clock. */
  add(point: Checkpoint, now: number): void;
  totals(now: number): Totals;
}

/** `rate` looks back so far, or to the start. */
const WINDOW_MS = 10_000;
/** What comes within this time is remembered as one. */
const STEP_MS = 100;

export function createTally(start: number): Tally {
  const sums = { done: 0, skipped: 0, failed: 0, bytes: 0 };
  let recent: { readonly at: number; settled: number }[] = [];
  const forget = (now: number): void => {
    const first = recent.findIndex(({ at }) => at > now - WINDOW_MS);
    if (first !== 0) recent = first === -1 ? [] : recent.slice(first);
  };

  return {
    add({ done, skipped, failed, bytes }, now) {
      const lost = failed.reduce((sum, { count }) => sum + count, 0);
      sums.done += done;
      sums.skipped += skipped;
      sums.failed += lost;
      sums.bytes += bytes;
      const settled = done + skipped + lost;
      const last = recent.at(-1);
      if (last !== undefined && now - last.at < STEP_MS) last.settled += settled;
      else if (settled > 0) recent.push({ at: now, settled });
      forget(now);
    },
    totals(now) {
      forget(now);
      const settled = recent.reduce((sum, one) => sum + one.settled, 0);
      const seconds = Math.max(1, Math.min(WINDOW_MS, now - start) / 1000);
      return { ...sums, rate: settled / seconds };
    },
  };
}
