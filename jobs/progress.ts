import type { MigrationStatus, StateCounts, VerificationStatus } from './work-queue.js';

/** One reading of a migration's counters. */
export interface Sample {
  /** ms since the epoch, on the queue's clock. */
  readonly at: number;
  /** Tiles settled: done, skipped and failed. */
  readonly settled: number;
  /** Bytes done. */
  readonly bytes: number;
}

export interface Rate {
  readonly tilesPerSecond: number;
  readonly bytesPerSecond: number;
}

export interface Progress {
  /** Over the last 10 s and the last minute; null of a migration that is finished, and until two readings tell. */
  readonly last10s: Rate | null;
  readonly lastMinute: Rate | null;
  /** From the first claim to the end or until now, pauses included; null before. */
  readonly whole: Rate | null;
  /** Of the tiles planned so far, from 0 to 1; null while nothing is planned. */
  readonly share: number | null;
  /**
   * ms until all tiles are settled; 0 = finished. null while that is not known: the plan is open, it does not run, no tile
   * has been settled yet, or only descriptors are left.
   */
  readonly leftMs: number | null;
  /** The rate that `leftMs` is reckoned with: the whole run's where nothing was settled in the last minute. */
  readonly leftBy: 'last minute' | 'whole run' | null;
}

/** What the rates are made of. */
type Readings = Pick<
  MigrationStatus,
  'samples' | 'tiles' | 'bytes' | 'startedAt' | 'finishedAt' | 'now' | 'planClosed' | 'finished' | 'state'
>;

const MINUTE_MS = 60_000;
/** Samples come about one a second while there is work: where they are further apart nothing was settled. */
const DENSE_MS = 3_000;

export function settledOf({
  done,
  skipped,
  failed,
}: Pick<StateCounts, 'done' | 'skipped' | 'failed'>): number {
  return done + skipped + failed;
}

/** How fast a migration goes and how long it will yet take. Rates are never negative, though totals may go back. */
export function progressOf(status: Readings): Progress {
  const { tiles, bytes, startedAt, finishedAt, finished, now, state, planClosed } = status;
  const settled = settledOf(tiles);
  const reading = { at: finishedAt ?? now, settled, bytes };
  const start = startedAt === null ? null : { at: startedAt, settled: 0, bytes: 0 };
  const lastMinute = finished ? null : rateOver(MINUTE_MS, status.samples, start, reading);
  const whole = start === null ? null : rateBetween(start, reading);
  const isKnown = planClosed && state === 'running' && settled < tiles.total;
  return {
    last10s: finished ? null : rateOver(10_000, status.samples, start, reading),
    lastMinute,
    whole,
    share: shareOf(tiles),
    ...timeLeft(finished, isKnown ? tiles.total - settled : null, lastMinute, whole),
  };
}

/** Of a round of verification: its checks for tiles. It has no samples, and carries no bytes. */
export function verificationProgress(verification: VerificationStatus, now: number): Progress {
  return progressOf({
    ...verification,
    ...{ tiles: verification.checks, samples: [], bytes: 0, now, planClosed: true, state: 'running' },
  });
}

function shareOf(tiles: StateCounts): number | null {
  return tiles.total <= 0 ? null : Math.min(1, Math.max(0, settledOf(tiles) / tiles.total));
}

function timeLeft(
  finished: boolean,
  left: number | null,
  lastMinute: Rate | null,
  whole: Rate | null,
): Pick<Progress, 'leftMs' | 'leftBy'> {
  if (finished) return { leftMs: 0, leftBy: null };
  const rates = [
    { rate: lastMinute, leftBy: 'last minute' },
    { rate: whole, leftBy: 'whole run' },
  ] as const;
  for (const { rate, leftBy } of rates)
    if (left !== null && rate !== null && rate.tilesPerSecond > 0)
      return { leftMs: (left / rate.tilesPerSecond) * 1000, leftBy };
  return { leftMs: null, leftBy: null };
}

/** From the youngest sample that is as old as the window; where none is, from the start of the run or the oldest. */
function rateOver(windowMs: number, samples: readonly Sample[], start: Sample | null, now: Sample) {
  const edge = now.at - windowMs;
  const at = samples.findLastIndex((sample) => sample.at <= edge);
  const old = samples[at];
  if (old !== undefined) {
    // After a rest it is much older than the window, and lacks what its own second settled; the next reading does not.
    const rested = { ...(samples[at + 1] ?? now), at: edge };
    return rateBetween(old.at < edge - DENSE_MS ? rested : old, now);
  }
  const first = start !== null && start.at >= edge ? start : samples[0];
  return first === undefined ? null : rateBetween(first, now);
}

function rateBetween(from: Sample, now: Sample): Rate | null {
  if (from.at >= now.at) return null;
  const seconds = (now.at - from.at) / 1000;
  return {
    tilesPerSecond: Math.max(0, now.settled - from.settled) / seconds,
    bytesPerSecond: Math.max(0, now.bytes - from.bytes) / seconds,
  };
}
