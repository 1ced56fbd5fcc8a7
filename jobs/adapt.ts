/**
 * How many objects a worker has in flight: as many as gain something, and half as many when a store asks for mercy.
 *
 * It doubles as long as that pays, or did so little before, then rests at what paid and now and then tries twice as many or a few
 * less for a window (hill climbing). More must gain a fair part of what it adds, less may lose no more than that: so in the
 * noise of a real store it stays about where the gain ends. The nearer the store, the less it goes down.
 */
export interface Pace {
  readonly limit: number;
  readonly doing: 'doubling' | 'resting' | 'trying-less';
  /** The limit that the present one is compared with (when resting, itself), and its objects per second; 0 = not known. */
  readonly base: number;
  readonly rate: number;
  /** When resting: windows until the next try, how many there are between tries, and what is tried then. */
  readonly wait: number;
  readonly patience: number;
  readonly next: 'doubling' | 'trying-less';
  /** What the first of a step's two windows gave; null before. A poor one may be the machine's, a good one luck. */
  readonly doubt: number | null;
  /** A little below where a store asked for mercy; fades. */
  readonly ceiling: number;
  /** It asked for mercy in the last window. */
  readonly begging: boolean;
}

/** One window: long enough for each place to be used more than once. */
export interface PaceSample {
  readonly tilesPerSecond: number;
  /** The share of requests answered 429 or 503, from 0 to 1. */
  readonly throttled: number;
  /** There was more to do than the limit let through. */
  readonly saturated: boolean;
}

/** Fewer refusals than this are single objects in trouble, not a store that asks for mercy. */
export const MERCY = 0.1;
const START = 8;
/**
 * More places must gain this part of what they would if the store had no end, on a scale on which each doubling counts as much:
 * 5 % for twice as many, 10 % for four times. Swift gives 17 to 20 % for twice as many from 12 up to 96, its s3api some 10 %, and no knee.
 */
const WORTH_IT = 0.07;
/** Doubling goes on past limits that gained too little and lost nearly nothing, to so many times the last that paid. */
const FARTHEST = 4;
const NEARLY = 0.95;
const LESS = 0.8;
/** Windows between tries: after one that helped, and at most. */
const PATIENCE = 3;
const MOST_PATIENCE = 24;
/** After a plea, and how a window without one forgets it. */
const BELOW = 0.9;
const FORGET = 1.005;
/**
 * Never fewer in flight than are done in this time, in s: fewer would spare so near a store nothing, and requests that go to it
 * together cost both sides less.
 */
const LEAST_S = 0.02;
/** What a new reading counts in the rate of the limit that rests. */
const NEW_READING = 0.4;
/** Of the time that the stores take for an object, a worker may sleep this part, with as many more in flight as that takes ... */
const NAP = 1 / 2;
/** ... this part where no more may be in flight, and so much more of what it waits there behind others. */
const NAP_AT_MOST = 1 / 40;
const NAP_IN_QUEUE = 1 / 8;
/** With more objects a second, several answers are there at a time by themselves, and the worker is too busy to sleep. */
const BUSY = 1_000;
/** In ms. A shorter one gains nothing; a longer one keeps timers and the queue waiting. */
const SHORTEST_NAP_MS = 4;
const LONGEST_NAP_MS = 100;

export function startPace(most: number): Pace {
  const limit = Math.min(START, most);
  return {
    ...{ limit, doing: 'doubling', base: limit, rate: 0, wait: 0, patience: PATIENCE, next: 'doubling' },
    ...{ doubt: null, ceiling: Number.POSITIVE_INFINITY, begging: false },
  };
}

/** The pace for the next window. The limit stays within 1 and `most`. */
export function adaptPace(pace: Pace, sample: PaceSample, most: number): Pace {
  if (sample.throttled > MERCY) return halve(pace);
  const ceiling = pace.ceiling * FORGET;
  const top = Math.max(1, Math.min(most, Math.floor(ceiling)));
  const calm: Pace = { ...pace, ceiling, begging: false };
  if (pace.limit > most) return rest({ ...calm, patience: PATIENCE }, most, 0);
  if (!sample.saturated) return calm;
  const next = climb(calm, sample.tilesPerSecond, top);
  const least = Math.min(top, Math.floor(sample.tilesPerSecond * LEAST_S));
  return next.limit < least ? rest(next, least, 0) : next;
}

/** How long a worker may sleep after an object, in ms, and how many objects more may be in flight as some wait for it meanwhile. */
export interface Naps {
  readonly ms: number;
  readonly more: number;
}

export const NO_NAPS: Naps = { ms: 0, more: 0 };

/**
 * A worker that sleeps hears the answers of several objects at once, as a network card spares its host interrupts. Of a slow store
 * they come one by one, and each finds the processor's caches cold: 0.8 ms of CPU for an object of S3 at 120 a second, 0.4 if 6
 * are dealt with together, 0.13 at full speed. An object waits half a nap for each of its two answers: as many more are in
 * flight, or, with stores that have more to do than they can, as many fewer wait there. `eachMs`: what the stores take for an
 * object with about so many in flight; `leastMs`: with few.
 */
export function napsFor(limit: number, eachMs: number, leastMs: number, most: number): Naps {
  const room = most / limit - 1;
  const inQueue = 1 - leastMs / eachMs;
  const part = Math.min(NAP, NAP_AT_MOST + room + NAP_IN_QUEUE * inQueue);
  const ms = Math.min(LONGEST_NAP_MS, eachMs * part);
  const perMs = limit / eachMs;
  if (ms < SHORTEST_NAP_MS || perMs * ms < 1 || perMs * 1000 > BUSY) return NO_NAPS;
  return { ms, more: Math.min(most - limit, Math.round(perMs * ms)) };
}

/** One window of hill climbing; `pace` is that of the window. */
function climb(pace: Pace, rate: number, top: number): Pace {
  switch (pace.doing) {
    case 'doubling': {
      const mean = meanOf(pace, rate);
      if (!pays(pace, mean)) {
        if (pace.doubt === null) return { ...pace, doubt: rate };
        // It gets a second chance before less is tried: what it was compared with may have been luck.
        const isSecond = pace.patience > PATIENCE;
        return pace.limit < top && pace.limit < pace.base * FARTHEST && mean >= pace.rate * NEARLY
          ? { ...pace, limit: Math.min(top, pace.limit * 2), doubt: null }
          : rest(longer({ ...pace, next: isSecond ? 'trying-less' : 'doubling' }), pace.base, pace.rate);
      }
      const fresh: Pace = { ...pace, patience: PATIENCE };
      return pace.limit === top ? rest(fresh, top, mean) : go(fresh, 'doubling', pace.limit * 2, mean, top);
    }
    case 'trying-less': {
      const mean = meanOf(pace, rate);
      if (pace.doubt === null) return { ...pace, doubt: rate };
      return pays(pace, mean)
        ? rest({ ...pace, patience: PATIENCE, next: 'trying-less' }, pace.limit, mean)
        : rest(longer(pace), pace.base, pace.rate);
    }
    case 'resting': {
      const known = pace.rate === 0 ? rate : pace.rate + (rate - pace.rate) * NEW_READING;
      if (pace.wait > 1) return { ...pace, wait: pace.wait - 1, rate: known };
      const up = pace.next === 'doubling' && pace.limit < top;
      const turned: Pace = { ...pace, next: pace.next === 'doubling' ? 'trying-less' : 'doubling' };
      if (up) return go(turned, 'doubling', pace.limit * 2, known, top);
      return pace.limit > 1
        ? go(turned, 'trying-less', Math.min(pace.limit - 1, pace.limit * LESS), known, top)
        : { ...turned, wait: pace.patience, rate: known };
    }
  }
}

function halve(pace: Pace): Pace {
  const limit = Math.max(1, Math.floor(pace.limit / 2));
  const ceiling = pace.begging ? pace.ceiling : Math.max(1, pace.limit * BELOW);
  return { ...pace, limit, doing: 'doubling', base: limit, rate: 0, ceiling, begging: true, doubt: null };
}

function pays({ limit, base, rate }: Pace, now: number): boolean {
  return now >= rate * (limit / base) ** WORTH_IT;
}

function meanOf({ doubt }: Pace, rate: number): number {
  return doubt === null ? rate : (rate + doubt) / 2;
}

function go(pace: Pace, doing: Pace['doing'], to: number, rate: number, top: number): Pace {
  const limit = Math.max(1, Math.min(top, doing === 'trying-less' ? Math.floor(to) : Math.ceil(to)));
  return { ...pace, doing, base: pace.limit, rate, limit, doubt: null };
}

function rest(pace: Pace, limit: number, rate: number): Pace {
  return { ...pace, limit, doing: 'resting', base: limit, rate, wait: pace.patience, doubt: null };
}

function longer(pace: Pace): Pace {
  return { ...pace, patience: Math.min(MOST_PATIENCE, pace.patience * 2) };
}
