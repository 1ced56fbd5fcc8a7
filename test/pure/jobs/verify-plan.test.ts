import { describe, expect, it } from 'vitest';
import { isSampled, planCheck } from '../../../jobs/verify-plan.js';
import type { CheckedImage, Image } from '../../../jobs/work-queue.js';
import { SMALL } from '../../contracts/queue-cases.js';

const IMAGE: Image = { ...SMALL, number: 4, id: 'a', tiles: 9 };
const CHECK: CheckedImage = {
  options: { sample: 1, read: false, unpublish: false },
  round: 1,
  ...{ settled: true, published: true, failed: [], differs: false },
};

describe('planCheck', () => {
  const plan = (change: Partial<CheckedImage>, index: number) =>
    planCheck({ ...CHECK, ...change }, IMAGE, index);
  const failed = [
    { first: 2, count: 2 },
    { first: 8, count: 1 },
  ];
  const sampling = { ...CHECK.options, sample: 0.5 };
  const [chosen, left] = [0, 1, 2, 3, 4, 5, 6, 7]
    .sort((a, b) => Number(isSampled(1, 4, b, 0.5)) - Number(isSampled(1, 4, a, 0.5)))
    .filter((_, place) => place === 0 || place === 7) as [number, number];

  it.each([
    ['a tile', {}, 0, { kind: 'tile', compare: false }],
    ['the image as a whole', {}, 9, { kind: 'descriptor' }],
    ['the image as a whole, not published', { published: false }, 9, { kind: 'skip', blind: false }],
    ['the image as a whole, come back', { differs: true }, 9, { kind: 'differs' }],
    ['a tile of an image being copied', { settled: false }, 0, { kind: 'skip', blind: true }],
    ['an image being copied', { settled: false, differs: true }, 9, { kind: 'skip', blind: true }],
    ['before the tiles that failed', { failed }, 1, { kind: 'tile', compare: false }],
    ['the first tile that failed', { failed }, 2, { kind: 'skip', blind: false }],
    ['the last of them', { failed }, 3, { kind: 'skip', blind: false }],
    ['past them', { failed }, 4, { kind: 'tile', compare: false }],
    ['the last tile, failed', { failed }, 8, { kind: 'skip', blind: false }],
    ['a tile of the sample', { options: sampling }, chosen, { kind: 'tile', compare: true }],
    ['a tile that is not', { options: sampling }, left, { kind: 'skip', blind: true }],
    ['the image as a whole, always', { options: sampling }, 9, { kind: 'descriptor' }],
  ] as const)('%s', (_, change, index, expected) => {
    expect(plan(change, index)).toEqual(expected);
  });
});

describe('isSampled', () => {
  const indices = Array.from({ length: 20_000 }, (_, index) => index);
  const sample = (round: number, image: number, share: number) =>
    indices.filter((index) => isSampled(round, image, index, share));

  it.each([0.001, 0.01, 0.3, 0.9])('takes about %d of the tiles of any image', (share) => {
    for (const image of [0, 1, 1_199_999]) {
      const deviation = Math.sqrt(20_000 * share * (1 - share));
      expect(Math.abs(sample(1, image, share).length - 20_000 * share)).toBeLessThan(5 * deviation);
    }
  });

  it('takes others in another round, and of another image', () => {
    const one = new Set(sample(1, 0, 0.1));
    for (const others of [sample(2, 0, 0.1), sample(1, 1, 0.1)]) {
      const shared = others.filter((index) => one.has(index)).length;
      expect(shared / others.length).toBeLessThan(0.2);
    }
  });

  it('takes all of a whole, and the tiles of a smaller sample again in a larger', () => {
    expect(sample(1, 0, 1)).toHaveLength(20_000);
    const larger = new Set(sample(3, 7, 0.2));
    expect(sample(3, 7, 0.05).every((index) => larger.has(index))).toBe(true);
  });

  it('takes single tiles of small images as well', () => {
    const images = Array.from({ length: 5_000 }, (_, image) => image);
    const taken = images.filter((image) => isSampled(1, image, 0, 0.1)).length;
    expect(Math.abs(taken - 500)).toBeLessThan(110);
  });
});
