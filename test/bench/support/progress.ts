import type { RedisQueue } from '../../../jobs/redis-queue.js';
import { cpuUse, secondsInAll } from './processes.js';

const LOOK_MS = 50;

/** How far a migration was, and what its worker had used by then with all its children. */
export interface Mark {
  readonly done: number;
  /** By the steady clock. */
  readonly ms: number;
  readonly cpuSeconds: number;
}

/** Of what was done between two marks. */
export interface Pace {
  /** Tiles per second. */
  readonly rate: number;
  /** CPU seconds per 10,000 tiles. */
  readonly cpu: number;
}

/** Resolves when so many tiles are done, by what Redis says; rejects if one has failed. `pid`: of the worker, or of its parent. */
export async function reached(
  queue: RedisQueue,
  migration: string,
  pid: number,
  tiles: number,
): Promise<Mark> {
  for (;;) {
    const { done, failed } = (await queue.status(migration))!.tiles;
    if (failed > 0) throw new Error(`${migration}: ${failed} tiles have failed`);
    if (done >= tiles) return { done, ms: performance.now(), cpuSeconds: cpuSecondsOf([pid]) };
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

export function paceBetween(from: Mark, to: Mark): Pace {
  const done = to.done - from.done;
  return {
    rate: (done * 1000) / (to.ms - from.ms),
    cpu: ((to.cpuSeconds - from.cpuSeconds) / done) * 10_000,
  };
}

/** Of these processes with all their children, so far. */
export function cpuSecondsOf(pids: readonly number[]): number {
  return secondsInAll(cpuUse(pids));
}
