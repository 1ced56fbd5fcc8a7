import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { progressOf, type Sample, verificationProgress } from '../../../jobs/progress.js';

const seed = Number(process.env.TEST_SEED ?? 4);
const COUNTS = { total: 0, ready: 0, claimed: 0, delayed: 0, done: 0, skipped: 0, failed: 0 };
const START = 1_700_000_000_000;

/** A migration of `total` tiles, `seconds` after its first claim. */
function reading(seconds: number, settled: number, total: number, samples: readonly Sample[] = []) {
  return {
    ...{ samples, tiles: { ...COUNTS, total, done: settled }, bytes: settled * 100 },
    ...{ startedAt: START, finishedAt: null, now: START + seconds * 1000 },
    ...{ planClosed: true, finished: false, state: 'running' as const },
  };
}

/** One sample a second from second `from` to `to`, of a migration that settled `of(second)` by then. */
function samplesFrom(from: number, to: number, of: (second: number) => number): Sample[] {
  return Array.from({ length: to - from + 1 }, (_, index) => {
    const settled = of(from + index);
    return { at: START + (from + index) * 1000, settled, bytes: settled * 100 };
  });
}

describe('progress', () => {
  /** 10 tiles/s for two minutes, then 20/s. */
  const faster = (second: number): number => second * 10 + Math.max(0, second - 120) * 10;

  test('rates over 10 s, a minute and the whole run; time left at the last minute’s rate', () => {
    const progress = progressOf(reading(130, 1400, 4000, samplesFrom(68, 129, faster)));
    expect(progress.last10s).toEqual({ tilesPerSecond: 20, bytesPerSecond: 2000 });
    expect(progress.lastMinute?.tilesPerSecond).toBeCloseTo(700 / 60);
    expect(progress.whole?.tilesPerSecond).toBeCloseTo(1400 / 130);
    expect(progress.share).toBe(0.35);
    expect(progress.leftMs).toBeCloseTo((2600 / (700 / 60)) * 1000);
    expect(progress.leftBy).toBe('last minute');
  });

  test('a run younger than the window is measured from its start', () => {
    const { last10s, lastMinute } = progressOf(reading(4, 40, 100, samplesFrom(1, 3, faster)));
    expect([last10s?.tilesPerSecond, lastMinute?.tilesPerSecond]).toEqual([10, 10]);
  });

  test('after a rest only what was settled since counts, over the whole window', () => {
    // 600 by second 60 and 650 by the end of that second; nothing for 15 minutes; then 50 within two seconds.
    const samples = [...samplesFrom(40, 60, faster), { at: START + 999_000, settled: 650, bytes: 65_000 }];
    const { last10s, lastMinute } = progressOf(reading(1_000, 700, 1_000, samples));
    expect(last10s?.tilesPerSecond).toBe(5);
    expect(lastMinute?.tilesPerSecond).toBeCloseTo(50 / 60);
  });

  test('at rest the rate is 0, though the last sample lacks what its own second settled', () => {
    const { last10s, lastMinute } = progressOf(reading(200, 650, 1_000, samplesFrom(40, 60, faster)));
    expect([last10s?.tilesPerSecond, lastMinute?.bytesPerSecond]).toEqual([0, 0]);
  });

  test('a minute in which nothing was settled leaves the whole run to reckon with', () => {
    const progress = progressOf(reading(200, 600, 1_000, samplesFrom(0, 60, faster)));
    expect(progress.lastMinute?.tilesPerSecond).toBe(0);
    expect(progress).toMatchObject({ leftMs: (400 / 3) * 1000, leftBy: 'whole run' });
  });

  test.each([
    ['not begun', { startedAt: null }],
    ['open', { planClosed: false }],
    ['paused', { state: 'paused' as const }],
    ['cancelled', { state: 'cancelled' as const }],
    ['without a tile settled', { tiles: { ...COUNTS, total: 100 }, bytes: 0 }],
    ['with descriptors left alone', { tiles: { ...COUNTS, total: 100, done: 100 } }],
  ])('of a migration %s the time left is not known', (_, change) => {
    expect(progressOf({ ...reading(4, 0, 100), ...change })).toMatchObject({ leftMs: null, leftBy: null });
  });

  test('of a finished one only the whole run has a rate, until its end', () => {
    const done = { ...reading(1_000, 100, 100), finished: true, finishedAt: START + 50_000 };
    expect(progressOf(done)).toEqual({
      ...{ last10s: null, lastMinute: null, share: 1, leftMs: 0, leftBy: null },
      whole: { tilesPerSecond: 2, bytesPerSecond: 200 },
    });
  });

  test('a round of verification has the rate of the whole round', () => {
    const verification = {
      options: { sample: 1, read: false, unpublish: false },
      ...{ round: 1, checks: { ...COUNTS, total: 200, done: 40, skipped: 10 } },
      images: { matched: 0, restarted: 0, unproven: 0 },
      ...{ finished: false, startedAt: START, finishedAt: null },
    };
    expect(verificationProgress(verification, START + 100_000)).toEqual({
      ...{ last10s: null, lastMinute: null, share: 0.25, leftMs: 300_000, leftBy: 'whole run' },
      whole: { tilesPerSecond: 0.5, bytesPerSecond: 0 },
    });
  });

  test('nothing is ever negative, above 1 or no number, whatever counters do', () => {
    const sample = fc.record({ at: fc.nat(200_000), settled: fc.nat(100), bytes: fc.nat(100) });
    const status = fc.record({
      samples: fc.array(sample),
      tiles: fc
        .record({ done: fc.nat(50), skipped: fc.nat(50), failed: fc.nat(50), total: fc.nat(80) })
        .map((counts) => ({ ...COUNTS, ...counts })),
      ...{
        bytes: fc.nat(100),
        startedAt: fc.option(fc.nat(200_000)),
        finishedAt: fc.option(fc.nat(200_000)),
      },
      ...{ now: fc.nat(200_000), planClosed: fc.boolean(), finished: fc.boolean() },
      state: fc.constantFrom('running' as const, 'paused' as const, 'cancelled' as const),
    });
    fc.assert(
      fc.property(status, (one) => {
        const { leftMs, leftBy: _, share, ...rates } = progressOf(one);
        if (leftMs !== null) expect(Number.isFinite(leftMs) && leftMs >= 0).toBe(true);
        if (share !== null) expect(share >= 0 && share <= 1).toBe(true);
        for (const rate of Object.values(rates))
          for (const value of Object.values(rate ?? {}))
            expect(Number.isFinite(value) && value >= 0, JSON.stringify(rates)).toBe(true);
      }),
      { seed, verbose: true },
    );
  });

  test('says nothing it does not know', () => {
    expect(progressOf({ ...reading(0, 0, 0), startedAt: null })).toEqual({
      ...{ last10s: null, lastMinute: null, whole: null, share: null, leftMs: null, leftBy: null },
    });
  });
});
