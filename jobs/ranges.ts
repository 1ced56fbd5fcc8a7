/** One tile that was not copied: why, and how often it has been tried. */
export interface TileFailure {
  readonly index: number;
  /** A short constant word, such as `http-404`. */
  readonly reason: string;
  /** HTTP status, 0 where there is none. */
  readonly status: number;
  /** Trying again cannot help. */
  readonly permanent: boolean;
  /** What the store asked for, in ms; 0 = nothing. */
  readonly retryAfterMs: number;
  /** Attempts made, this one included. */
  readonly attempt: number;
}

/** Neighbouring tiles that failed alike. */
export interface FailureRun extends Omit<TileFailure, 'index'> {
  readonly first: number;
  readonly count: number;
}

/**
 * Joins neighbours that failed alike, so that an hour of outage stays a handful of records. Decodes to the same
 * set of tiles. A run waits as long as the longest of its tiles was asked to.
 */
export function coalesce(failures: readonly TileFailure[]): readonly FailureRun[] {
  const runs: FailureRun[] = [];
  for (const { index, ...failure } of [...failures].sort((a, b) => a.index - b.index)) {
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.count === index && alike(last, failure))
      runs[runs.length - 1] = {
        ...last,
        count: last.count + 1,
        retryAfterMs: Math.max(last.retryAfterMs, failure.retryAfterMs),
      };
    else runs.push({ first: index, count: 1, ...failure });
  }
  return runs;
}

type Likeness = Omit<TileFailure, 'index' | 'retryAfterMs'>;

function alike(a: Likeness, b: Likeness): boolean {
  return (
    a.reason === b.reason && a.status === b.status && a.permanent === b.permanent && a.attempt === b.attempt
  );
}
