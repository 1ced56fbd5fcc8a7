import type { Checkpoint } from './work-queue.js';

/**
 * What is wrong with a checkpoint in itself, in words; null if nothing. Everything it settles must lie in
 * `[next - settled, next)`, its ranges apart from each other: a queue that stored anything else would lose count.
 */
export function checkpointProblem(point: Checkpoint): string | null {
  const named = [...point.failed, ...point.delayed].sort((a, b) => a.first - b.first);
  const numbers = [point.sequence, point.next, point.bytes, point.done, point.skipped];
  const all = [...numbers, ...named.flatMap(({ first, count }) => [first, count])];
  if (all.some((number) => !Number.isSafeInteger(number) || number < 0)) return 'a number is not whole';
  if (point.sequence === 0) return 'sequences begin with 1';
  if (!/^[0-9a-f]{32}$/.test(point.digest)) return 'the digest is not 32 hex digits';
  let free = point.next - settledBy(point);
  for (const { first, count } of named) {
    if (first < free || count === 0) return `tiles ${first}+${count} lie outside or twice`;
    free = first + count;
  }
  return free > point.next ? 'its ranges reach beyond next' : null;
}

/** How many tiles it settles: how far it moves the cursor. */
export function settledBy(point: Checkpoint): number {
  return [...point.failed, ...point.delayed].reduce(
    (sum, { count }) => sum + count,
    point.done + point.skipped,
  );
}
