/** One reading of a migration's counters. */
export interface Sample {
  /** ms, of a clock that never goes back. */
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
  /** Over the last 10 s, the last minute, and the whole run; null until two samples tell. */
  readonly last10s: Rate | null;
  readonly lastMinute: Rate | null;
  readonly whole: Rate | null;
  /** From 0 to 1; null while nothing is planned. */
  readonly share: number | null;
  /** ms until everything planned is settled, at the last minute's rate; null while that is not known. */
  readonly leftMs: number | null;
}

const MINUTE_MS = 60_000;

/**
 * Adds a sample to those kept: the first for the whole run's rate, and what the last minute needs. A total that
 * went back (Redis lost its last second, or failures were retried) is a sample like any other.
 */
export function keepSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const [first, ...later] = [...samples, sample];
  // The youngest sample that is at least a minute old still bounds the last minute.
  const bound = later.findLastIndex(({ at }) => at <= sample.at - MINUTE_MS);
  return first === undefined ? [] : [first, ...later.slice(Math.max(0, bound))];
}

/** What the samples say of `total` tiles. Rates are never negative. */
export function progressOf(samples: readonly Sample[], total: number): Progress {
  const now = samples.at(-1);
  const lastMinute = rateOver(samples, MINUTE_MS);
  const left = now === undefined ? total : Math.max(0, total - now.settled);
  return {
    last10s: rateOver(samples, 10_000),
    lastMinute,
    whole: rateOver(samples, Number.POSITIVE_INFINITY),
    share: now === undefined || total <= 0 ? null : Math.min(1, Math.max(0, now.settled / total)),
    leftMs: timeLeft(left, lastMinute),
  };
}

function timeLeft(left: number, rate: Rate | null): number | null {
  if (left === 0) return 0;
  return rate === null || rate.tilesPerSecond === 0 ? null : (left / rate.tilesPerSecond) * 1000;
}

function rateOver(samples: readonly Sample[], windowMs: number): Rate | null {
  const now = samples.at(-1);
  if (now === undefined) return null;
  const from = samples.findLast(({ at }) => at <= now.at - windowMs) ?? samples[0];
  if (from === undefined || from.at >= now.at) return null;
  const seconds = (now.at - from.at) / 1000;
  return {
    tilesPerSecond: Math.max(0, now.settled - from.settled) / seconds,
    bytesPerSecond: Math.max(0, now.bytes - from.bytes) / seconds,
  };
}
