import type * as q from '../../jobs/work-queue.js';

/** A tile, a descriptor or a check, as the model of the queue keeps it. `dropped`: emptied by a cancel. */
export type Item =
  | Ready
  | { state: 'claimed'; token: string }
  | { state: 'delayed'; due: number; failure: Failure }
  | { state: 'failed'; failure: Failure }
  | { state: 'done' | 'skipped' | 'dropped' };

export interface Ready {
  state: 'ready';
  attempt: number;
  /** How many claims were lost at it; after three it goes out alone. */
  losses: number;
  alone: boolean;
}

export interface Failure {
  readonly reason: string;
  readonly status: number;
  readonly attempt: number;
}

export function fresh(): Ready {
  return { state: 'ready', attempt: 0, losses: 0, alone: false };
}

export function failureOf({ reason, status, attempt }: Failure): Failure {
  return { reason, status, attempt };
}

/** Whether an item may be claimed together with this one. */
export function alike(item: Item, head: Ready): boolean {
  return (
    item.state === 'ready' &&
    item.attempt === head.attempt &&
    item.losses === head.losses &&
    item.alone === head.alone
  );
}

export function isStored({ state }: Item): boolean {
  return state === 'done' || state === 'skipped';
}

export function isSettled(item: Item): boolean {
  return isStored(item) || item.state === 'failed';
}

export function countStates(items: readonly Item[]): q.StateCounts {
  const counts = { total: 0, ready: 0, claimed: 0, delayed: 0, done: 0, skipped: 0, failed: 0 };
  for (const { state } of items) {
    if (state === 'dropped') continue;
    counts.total++;
    counts[state]++;
  }
  return counts;
}

/** The failed items, neighbours that failed alike together. */
export function failedRuns(items: readonly Item[]): q.RangeFailure[] {
  const runs: q.RangeFailure[] = [];
  for (const [first, item] of items.entries()) {
    if (item.state !== 'failed') continue;
    const { reason, status, attempt } = item.failure;
    const last = runs.at(-1);
    const goesOn =
      last !== undefined &&
      last.first + last.count === first &&
      last.reason === reason &&
      last.status === status &&
      last.attempt === attempt;
    if (goesOn) runs[runs.length - 1] = { ...last, count: last.count + 1 };
    else runs.push({ first, count: 1, reason, status, attempt });
  }
  return runs;
}

export function indices(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, place) => first + place);
}

export function xor(a: string, b: string): string {
  return [...a]
    .map((digit, place) => (Number.parseInt(digit, 16) ^ Number.parseInt(b[place]!, 16)).toString(16))
    .join('');
}
