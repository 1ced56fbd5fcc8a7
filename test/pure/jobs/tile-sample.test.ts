import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRandom, tileSampler } from '../../../jobs/tile-sample.js';
import { seeded } from '../../support/seed.js';

const geometry = { width: 1, height: 1, tileSize: 1, overlap: 0, format: 'jpg' };

function draw(size: number, counts: readonly number[], seed: number) {
  const sampler = tileSampler(size, seededRandom(seed));
  for (const [at, tiles] of counts.entries()) sampler.offer({ id: String(at), geometry }, tiles);
  return sampler.sample();
}

test('draws different tiles that are there, as many as asked for or all there are', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 30 }),
      fc.nat(),
      (size, counts, seed) => {
        const sample = draw(size, counts, seed);
        const total = counts.reduce((sum, count) => sum + count, 0);
        expect(sample.length).toBe(Math.min(size, total));
        expect(new Set(sample.map(({ id, index }) => `${id}/${index}`)).size).toBe(sample.length);
        for (const { id, index } of sample) {
          expect(index).toBeGreaterThanOrEqual(0);
          expect(index).toBeLessThan(counts[Number(id)]!);
        }
      },
    ),
    seeded(500),
  );
});

test('the same seed draws the same tiles, and images of a billion tiles in no time', () => {
  const counts = Array.from({ length: 50 }, (_, at) => 20_000_000 + at);
  const sample = draw(1_000, counts, 7);
  expect(sample).toEqual(draw(1_000, counts, 7));
  expect(sample).not.toEqual(draw(1_000, counts, 8));
  expect(new Set(sample.map(({ id }) => id)).size).toBe(50);
});

test('each tile is drawn as often as any other', () => {
  // 10 of 50 tiles, 20,000 times: each 4,000 times, give or take 57 (one standard deviation).
  const times = new Array<number>(50).fill(0);
  const random = seededRandom(99);
  for (let run = 0; run < 20_000; run++) {
    const sampler = tileSampler(10, random);
    for (const [at, tiles] of [1, 9, 25, 15].entries())
      sampler.offer({ id: String([0, 1, 10, 35][at]), geometry }, tiles);
    for (const { id, index } of sampler.sample()) times[Number(id) + index]!++;
  }
  expect(times.reduce((sum, count) => sum + count, 0)).toBe(200_000);
  for (const count of times) expect(Math.abs(count - 4_000)).toBeLessThan(5 * 57);
});
