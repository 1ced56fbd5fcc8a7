import type { FailureFilter, FailureRecord, OperatorQueue } from '../../jobs/work-queue.js';

/** So many failures are read at most: nobody pages through more, and a million must not be read twice a second. */
const MOST = 1_000;

export interface SomeFailures {
  readonly failures: readonly FailureRecord[];
  /** How many items all that match make; null: more than those of `failures`, and nobody counted. */
  readonly matching: number | null;
}

/** `expected`: how many items all that match make, if that is known: what comes after the last of them is not waited for. */
export async function someFailures(
  queue: Pick<OperatorQueue, 'failures'>,
  migration: string,
  { filter, expected }: { readonly filter: FailureFilter; readonly expected: number | null },
  signal: AbortSignal,
): Promise<SomeFailures> {
  const failures: FailureRecord[] = [];
  let items = 0;
  if (expected === 0) return { failures, matching: 0 };
  for await (const record of queue.failures(migration, filter)) {
    if (signal.aborted) break;
    if (failures.length === MOST) return { failures, matching: expected };
    failures.push(record);
    items += record.count;
    if (expected !== null && items >= expected) break;
  }
  return { failures, matching: items };
}
