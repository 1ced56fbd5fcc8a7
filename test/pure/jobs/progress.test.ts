import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keepSample, progressOf, type Sample } from '../../../jobs/progress.js';

const seed = Number(process.env.TEST_SEED ?? 4);

describe('progress', () => {
  test('rates over 10 s, a minute and the whole run; time left at the last minute’s rate', () => {
    // 10 tiles/s for two minutes, then 20/s for the last ten seconds.
    let samples: readonly Sample[] = [];
    let settled = 0;
    for (let second = 0; second <= 130; second++) {
      samples = keepSample(samples, { at: second * 1000, settled, bytes: settled * 100 });
      settled += second < 120 ? 10 : 20;
    }
    const progress = progressOf(samples, 4000);
    expect(progress.last10s).toEqual({ tilesPerSecond: 20, bytesPerSecond: 2000 });
    expect(progress.lastMinute?.tilesPerSecond).toBeCloseTo(700 / 60);
    expect(progress.whole?.tilesPerSecond).toBeCloseTo(1400 / 130);
    expect(progress.share).toBe(0.35);
    expect(progress.leftMs).toBeCloseTo((2600 / (700 / 60)) * 1000);
    expect(samples.length).toBeLessThan(64);
  });

  test('keeps what it needs and no more: the same answers as with all samples', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(20_000), fc.nat(50)), { maxLength: 60 }), (steps) => {
        let at = 0;
        let settled = 0;
        const all: Sample[] = [];
        let kept: readonly Sample[] = [];
        for (const [wait, more] of steps) {
          at += wait;
          settled += more;
          all.push({ at, settled, bytes: settled });
          kept = keepSample(kept, { at, settled, bytes: settled });
        }
        expect(progressOf(kept, 1000)).toEqual(progressOf(all, 1000));
      }),
      { seed, verbose: true },
    );
  });

  test('nothing is ever negative or above 1, whatever counters do', () => {
    const sample = fc.record({ at: fc.nat(100_000), settled: fc.nat(100), bytes: fc.nat(100) });
    fc.assert(
      fc.property(fc.array(sample), fc.nat(80), (samples, total) => {
        const { leftMs, share, ...rates } = progressOf(
          [...samples].sort((a, b) => a.at - b.at),
          total,
        );
        if (leftMs !== null) expect(leftMs).toBeGreaterThanOrEqual(0);
        if (share !== null) expect(share >= 0 && share <= 1).toBe(true);
        for (const rate of Object.values(rates))
          if (rate !== null) expect(rate.tilesPerSecond >= 0 && rate.bytesPerSecond >= 0).toBe(true);
      }),
      { seed, verbose: true },
    );
  });

  test('says nothing it does not know', () => {
    expect(progressOf([], 10)).toEqual({
      ...{ last10s: null, lastMinute: null, whole: null, share: null, leftMs: null },
    });
  });
});
