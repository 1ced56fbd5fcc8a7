import type { ImageGeometry } from './work-queue.js';

/** An image whose tiles may be drawn. */
export interface SampledImage {
  readonly id: string;
  readonly geometry: ImageGeometry;
}

export interface SampledTile extends SampledImage {
  /** The tile's number in its image. */
  readonly index: number;
}

/** Draws tiles from images that come one by one, each tile of all of them with the same chance. */
export interface TileSampler {
  /** The next image, with its number of tiles. */
  offer(image: SampledImage, tiles: number): void;
  /** `size` different tiles, or all there are. */
  sample(): readonly SampledTile[];
}

/**
 * Reservoir sampling that skips ahead to the next tile drawn (algorithm L: K.-H. Li, "Reservoir-sampling algorithms of
 * time complexity O(n(1 + log(N/n)))", ACM TOMS 20(4), 1994): a billion tiles cost a few thousand draws. `random`
 * answers numbers in [0, 1).
 */
export function tileSampler(size: number, random: () => number): TileSampler {
  const drawn: SampledTile[] = [];
  let offered = 0;
  let weight = 1;
  let next = size - 1;

  function skip(): void {
    weight *= (1 - random()) ** (1 / size);
    next += 1 + Math.floor(Math.log(1 - random()) / Math.log1p(-weight));
  }
  skip();

  return {
    offer({ id, geometry }, tiles) {
      const end = offered + tiles;
      for (; drawn.length < size && offered < end; offered++)
        drawn.push({ id, geometry, index: tiles - (end - offered) });
      for (; next < end; skip())
        drawn[Math.floor(random() * size)] = { id, geometry, index: tiles - (end - next) };
      offered = end;
    },
    sample: () => drawn,
  };
}

/** Numbers in [0, 1) that look random and are the same for the same seed (mulberry32, T. Ettinger, public domain). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
