import { joinDigests, NO_DIGEST, tileDigest } from './digest.js';
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
  /** From the first that was not told, with gaps. */
  const outcomes: (Settled | undefined)[] = [];
  let sequence = 0;
  let told = first;
  let edge = first;

  return {
    edge: () => edge,
    pending: () => edge - told,
    settle(index, outcome) {
      outcomes[index - told] = outcome;
      while (outcomes[edge - told] !== undefined) edge++;
    },
    cut(release, random) {
      const failures: TileFailure[] = [];
      const parts: string[] = [];
      let done = 0;
      let skipped = 0;
      let bytes = 0;
      let blind = false;
      let restart = false;
      for (let index = told; index < edge; index++) {
        const outcome = outcomes[index - told]!;
        if (outcome.kind === 'failed') {
          const { kind: _, restart: wrong, ...failure } = outcome;
          failures.push({ index, ...failure });
          restart ||= wrong === true;
          continue;
        }
        if (outcome.kind === 'done') {
          done++;
          bytes += outcome.bytes;
        } else skipped++;
        blind ||= outcome.blind === true;
        if (outcome.md5 !== null && lane !== 'descriptors') parts.push(tileDigest(index, outcome.md5));
      }
      outcomes.splice(0, edge - told);
      told = edge;
      return {
        sequence: ++sequence,
        next: edge,
        bytes,
        done,
        skipped,
        ...sortFailures(failures, retry, random),
        digest: parts.length === 0 ? NO_DIGEST : joinDigests(parts),
        release,
        found: lane === 'checks' ? { blind, restart } : null,
      };
    },
  };
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
