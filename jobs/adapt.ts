/** How many tiles a worker has in flight: rises while throughput rises, halves when a store asks for mercy. */
export interface Pace {
  readonly limit: number;
  /** Tiles per second that the best limit so far reached; fades, so that a change for the better is found. */
  readonly best: number;
}

export interface PaceSample {
  readonly tilesPerSecond: number;
  /** The share of requests answered 429 or 503, from 0 to 1. */
  readonly throttled: number;
  /** There was more to do than the limit let through. */
  readonly saturated: boolean;
}

/** Fewer refusals than this are single objects in trouble, not a store that asks for mercy. */
const MERCY = 0.1;
const START = 8;
const WORTH_IT = 1.05;
const FADE = 0.98;

export function startPace(most: number): Pace {
  return { limit: Math.min(START, most), best: 0 };
}

/** The pace for the next window. The limit stays within 1 and `most`. */
export function adaptPace(pace: Pace, sample: PaceSample, most: number): Pace {
  if (sample.throttled > MERCY) return { limit: Math.max(1, Math.floor(pace.limit / 2)), best: 0 };
  if (!sample.saturated) return pace;
  const best = Math.max(sample.tilesPerSecond, pace.best * FADE);
  if (sample.tilesPerSecond <= pace.best * WORTH_IT) return { limit: pace.limit, best };
  return { limit: Math.min(most, pace.limit + Math.max(1, Math.floor(pace.limit / 4))), best };
}
