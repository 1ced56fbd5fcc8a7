import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { adaptPace, NO_NAPS, napsFor, type Pace, startPace } from '../../../jobs/adapt.js';
import { seeded } from '../../support/seed.js';

/** Objects per second that a store gives with so many in flight, and which share of its answers is a refusal. */
type SimulatedStore = (limit: number) => { rate: number; throttled?: number };

/** 50 ms for each object, however many there are. */
const LATENCY = 20;
const latencyBound: SimulatedStore = (limit) => ({ rate: LATENCY * limit });
/** The same, but no more than so many at once gain anything. */
const bound = (knee: number): SimulatedStore => {
  return (limit) => ({ rate: LATENCY * Math.min(limit, knee) });
};
/** Refuses whatever is in flight beyond so many. */
const throttlingAbove = (most: number): SimulatedStore => {
  return (limit) => ({
    rate: LATENCY * Math.min(limit, most),
    throttled: limit > most ? (limit - most) / limit : 0,
  });
};

interface Conditions {
  readonly most: number;
  readonly noise: number;
  readonly random: () => number;
  readonly from: Pace;
}

/** The limits of so many windows. `noise` 0.1: each reading is up to a tenth more or less. */
function run(
  store: SimulatedStore,
  windows: number,
  { most = 256, noise = 0, random = () => 0.5, from = startPace(256) }: Partial<Conditions> = {},
): Pace[] {
  const paces: Pace[] = [];
  let pace = from;
  for (let i = 0; i < windows; i++) {
    const { rate, throttled = 0 } = store(pace.limit);
    const tilesPerSecond = rate * (1 + noise * (2 * random() - 1));
    pace = adaptPace(pace, { tilesPerSecond, throttled, saturated: true }, most);
    paces.push(pace);
  }
  return paces;
}

const limits = (paces: readonly Pace[]): number[] => paces.map(({ limit }) => limit);
const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
/** Of what the store gives at best, the share that these windows had on average. */
const share = (store: SimulatedStore, paces: readonly Pace[], best: number): number =>
  paces.reduce((sum, { limit }) => sum + store(limit).rate, 0) / paces.length / best;

function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** No knee: each doubling gives 2^rise times as much. */
const slowlyRising =
  (rise: number): SimulatedStore =>
  (limit) => ({ rate: 50 * limit ** rise });

describe('the limit', () => {
  test('reaches what latency allows within seconds, and no more than the most', () => {
    const paces = run(latencyBound, 60, { most: 200 });
    expect(Math.max(...limits(paces))).toBe(200);
    expect(share(latencyBound, paces.slice(10), latencyBound(200).rate)).toBeGreaterThan(0.9);
  });

  test.each([3, 20, 50, 100, 180])('settles where more gains nothing: at %i', (knee) => {
    const store = bound(knee);
    const paces = run(store, 300).slice(30);
    expect(share(store, paces, store(256).rate)).toBeGreaterThan(0.9);
    expect(median(limits(paces))).toBeLessThanOrEqual(Math.max(8, 1.6 * knee));
  });

  test('is never below what a near store gets done in 20 ms, and no more than the most', () => {
    const near: SimulatedStore = () => ({ rate: 3_000 });
    expect(Math.min(...limits(run(near, 200)))).toBe(60);
    expect(new Set(limits(run(near, 200, { most: 32 })))).toEqual(new Set([32]));
  });

  test('in noise of 15 % does neither starve nor climb away', () => {
    const { seed } = seeded();
    const settled: number[] = [];
    // Of 20 rounds the median was 204 with one seed of a hundred; of 100 it was 163 at most with 300 seeds.
    for (let i = 0; i < 100; i++) {
      const store = bound(50);
      const paces = run(store, 300, { noise: 0.15, random: randomOf(seed + i) }).slice(30);
      expect(share(store, paces, store(256).rate), `round ${i}`).toBeGreaterThan(0.8);
      settled.push(median(limits(paces)));
    }
    expect(median(settled)).toBeLessThan(200);
  });

  test.each([
    { gain: 'a fifth, as of Swift', rise: 0.26, noise: 0.15 },
    { gain: 'a twelfth, hardly less than its s3api', rise: 0.115, noise: 0.05 },
  ])('climbs where each doubling gives $gain, in noise of $noise', ({ rise, noise }) => {
    const { seed } = seeded();
    const store = slowlyRising(rise);
    for (let i = 0; i < 20; i++) {
      const paces = run(store, 300, { noise, random: randomOf(seed + i), most: 128 });
      expect(share(store, paces.slice(30), store(128).rate), `round ${i}`).toBeGreaterThan(0.85);
    }
  });

  test('is not held down for long by a reading that was luck', () => {
    const store = slowlyRising(0.26);
    let pace = startPace(128);
    for (let window = 0; window < 20; window++) {
      const luck = window === 1 ? 1.4 : 1;
      pace = adaptPace(
        pace,
        { tilesPerSecond: luck * store(pace.limit).rate, throttled: 0, saturated: true },
        128,
      );
    }
    expect(pace.limit).toBe(128);
  });

  test('stays below where a store begins to refuse', () => {
    const store = throttlingAbove(40);
    const paces = run(store, 300).slice(30);
    expect(limits(paces).filter((limit) => limit > 44).length / paces.length).toBeLessThan(0.1);
    expect(share(store, paces, store(40).rate)).toBeGreaterThan(0.75);
  });

  test('halves in each window of refusals, never below one, and comes back to where it was', () => {
    const before = run(latencyBound, 30).at(-1)!;
    const refusing: SimulatedStore = () => ({ rate: 0, throttled: 0.5 });
    const [first, ...rest] = limits(run(refusing, 12, { from: before }));
    expect(first).toBe(Math.floor(before.limit / 2));
    expect(rest.at(-1)).toBe(1);
    const low = run(refusing, 12, { from: before }).at(-1)!;
    expect(Math.max(...limits(run(latencyBound, 30, { from: low })))).toBeGreaterThan(before.limit * 0.85);
  });

  test('finds a change for the better', () => {
    const before = run(bound(10), 60).at(-1)!;
    expect(before.limit).toBeLessThan(20);
    expect(Math.max(...limits(run(bound(100), 90, { from: before })))).toBeGreaterThan(80);
  });

  test('is no more than the most, also when that becomes less', () => {
    const before = run(latencyBound, 30).at(-1)!;
    expect(Math.max(...limits(run(latencyBound, 10, { from: before, most: 20 })))).toBe(20);
    expect(limits(run(latencyBound, 20, { most: 1, from: startPace(1) })).every((limit) => limit === 1)).toBe(
      true,
    );
  });
});

test('one object in trouble is no plea for mercy; an idle pool learns nothing', () => {
  const pace = run(bound(16), 30).at(-1)!;
  const sample = { tilesPerSecond: 5000, throttled: 0.05, saturated: false };
  expect(adaptPace(pace, sample, 64)).toEqual(pace);
});

describe('naps', () => {
  test('of a slow store gather several objects, and as many more are in flight', () => {
    expect(napsFor(8, 80, 80, 128)).toEqual({ ms: 40, more: 4 });
    expect(napsFor(16, 40, 40, 128)).toEqual({ ms: 20, more: 8 });
    expect(napsFor(64, 640, 640, 128)).toEqual({ ms: 100, more: 10 });
  });

  test('are short where no more may be in flight', () => {
    expect(napsFor(64, 400, 400, 64)).toEqual({ ms: 10, more: 0 });
    expect(napsFor(64, 100, 100, 64)).toEqual(NO_NAPS);
  });

  test('are longer there if an object waits in the store behind others', () => {
    expect(napsFor(64, 400, 100, 64)).toEqual({ ms: 47.5, more: 0 });
    expect(napsFor(128, 900, 90, 128)).toEqual({ ms: 100, more: 0 });
  });

  test('gain nothing of near stores, of single objects, nor of many at once', () => {
    expect(napsFor(16, 4, 4, 128)).toEqual(NO_NAPS);
    expect(napsFor(1, 50, 50, 128)).toEqual(NO_NAPS);
    expect(napsFor(160, 20, 20, 512)).toEqual(NO_NAPS);
    expect(napsFor(8, Number.POSITIVE_INFINITY, 50, 128)).toEqual(NO_NAPS);
  });

  test('never ask for more in flight than there may be, nor cost more of the time than more in flight make up for', () => {
    const cases = fc.tuple(
      fc.integer({ min: 1, max: 200 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 1, max: 10_000, noNaN: true }),
    );
    fc.assert(
      fc.property(cases, ([most, part, eachMs]) => {
        const limit = Math.max(1, Math.floor(part * most));
        const { ms, more } = napsFor(limit, eachMs, eachMs, most);
        expect(limit + more).toBeLessThanOrEqual(most);
        // What an object takes with its naps, for so many more: at most a fortieth is lost, and the half of a place.
        const lost = (eachMs + ms) / (limit + more) / (eachMs / limit) - 1;
        expect(lost).toBeLessThanOrEqual(1 / 40 + 0.5 / limit + 1e-9);
      }),
      seeded(1000),
    );
  });
});
