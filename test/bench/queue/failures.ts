import type { RangeFailure } from '../../../jobs/work-queue.js';

/** How a million failed tiles lie. */
export interface Spread {
  readonly what: string;
  readonly images: number;
  /** Failed tiles of each image. */
  readonly each: number;
}

export const SPREADS: readonly Spread[] = [
  { what: '10 in each of 100,000 images', images: 100_000, each: 10 },
  { what: '100 in each of 10,000 images', images: 10_000, each: 100 },
  { what: '400 in each of 2,500 images', images: 2_500, each: 400 },
  { what: 'one in each image (from 250,000)', images: 250_000, each: 1 },
];

/** Of ten: seven that are not there, two that timed out three times, one that the store refused three times. */
const KINDS = [
  ...Array.from({ length: 7 }, () => ({ reason: 'http-404', status: 404, attempt: 1 })),
  ...Array.from({ length: 2 }, () => ({ reason: 'timeout', status: 0, attempt: 3 })),
  { reason: 'http-503', status: 503, attempt: 3 },
];

/** Single tiles of an image, at places and with reasons that look random and are the same each time. */
export function failedTiles(image: number, each: number, tiles: number): RangeFailure[] {
  const random = mulberry32(image + 1);
  const places = new Set<number>();
  while (places.size < each) places.add(Math.floor(random() * tiles));
  return [...places]
    .sort((a, b) => a - b)
    .map((first) => ({ first, count: 1, ...KINDS[Math.floor(random() * KINDS.length)]! }));
}

/** Tommy Ettinger's generator of 32 bits: small, and good enough to spread. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
