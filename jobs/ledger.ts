import { DigestSum } from './digest.js';
import { coalesce, type TileFailure } from './ranges.js';
import { decideRetry, type RetryPolicy } from './retry.js';
import type { Checkpoint, DelayedRange, Lane, RangeFailure } from './work-queue.js';

/** What became of one item of a claim: `CopyOutcome` says what each means. */
export type Settled =
  | {
      readonly kind: 'done';
      readonly bytes: number;
      readonly md5: string | null;
      readonly blind?: true;
    }
  | { readonly kind: 'skipped'; readonly md5: string | null; readonly blind?: true }
  | ({ readonly kind: 'failed'; readonly restart?: true } & Omit<TileFailure, 'index'>);

/**
 * The tiles of one claim that are settled, and what of them has been told to the queue. No getters: each object made with
 * some is of a shape of its own to V8, which then compiles whatever reads them anew with each claim.
 */
export interface Ledger {
  settle(index: number, outcome: Settled): void;
  /** Everything below is settled. */
  edge(): number;
  /** How many tiles the next checkpoint would settle. */
  pending(): number;
  /** The next checkpoint: all tiles up to the edge that no earlier one told. `random` as in jobs/retry.ts. */
  cut(release: boolean, random: () => number): Checkpoint;
}

export interface LedgerOptions {
  readonly first: number;
  readonly retry: RetryPolicy;
  /** Tiles move the image's digest, descriptors do not; only checks find anything out. */
  readonly lane: Lane;
}

export function createLedger({ first, retry, lane }: LedgerOptions): Ledger {
  /** From the edge on, with gaps. What is below is only a sum any more: few objects grow old with a claim. */
  const ahead: (Settled | undefined)[] = [];
  const digest = new DigestSum();
  let sequence = 0;
  let edge = first;
  let sums = newSums();

  function count(index: number, outcome: Settled): void {
    sums.tiles++;
    if (outcome.kind === 'failed') {
      const { kind: _, restart, ...failure } = outcome;
      sums.failures.push({ index, ...failure });
      sums.restart ||= restart === true;
      return;
    }
    if (outcome.kind === 'done') {
      sums.done++;
      sums.bytes += outcome.bytes;
    } else sums.skipped++;
    sums.blind ||= outcome.blind === true;
    if (outcome.md5 !== null && lane !== 'descriptors') digest.add(index, outcome.md5);
  }

  return {
    edge: () => edge,
    pending: () => sums.tiles,
    settle(index, outcome) {
      ahead[index - edge] = outcome;
      for (let next = ahead[0]; next !== undefined; next = ahead[0]) {
        count(edge++, next);
        ahead.shift();
      }
    },
    cut(release, random) {
      const { bytes, done, skipped, failures, blind, restart } = sums;
      sums = newSums();
      return {
        sequence: ++sequence,
        next: edge,
        bytes,
        done,
        skipped,
        ...sortFailures(failures, retry, random),
        digest: digest.cut(),
        release,
        found: lane === 'checks' ? { blind, restart } : null,
      };
    },
  };
}

/** Of the tiles that the next checkpoint settles. */
function newSums() {
  const failures: TileFailure[] = [];
  return { tiles: 0, done: 0, skipped: 0, bytes: 0, failures, blind: false, restart: false };
}

function sortFailures(
  failures: readonly TileFailure[],
  retry: RetryPolicy,
  random: () => number,
): Pick<Checkpoint, 'failed' | 'delayed'> {
  const failed: RangeFailure[] = [];
  const delayed: DelayedRange[] = [];
  for (const run of coalesce(failures)) {
    const { permanent: _, retryAfterMs: __, ...record } = run;
    const decision = decideRetry(run, retry, random());
    if (decision.kind === 'give-up') failed.push(record);
    else delayed.push({ ...record, delayMs: decision.afterMs });
  }
  return { failed, delayed };
}
