/** What a migration will take, reckoned before it begins. */

export interface SizeEstimate {
  /** Expected bytes of all tiles. */
  readonly bytes: number;
  /** The true sum is nearer than this in 95 of 100 samples. */
  readonly plusMinus: number;
}

/**
 * From the sizes of tiles drawn at random, each tile with the same chance: their mean times all tiles, and 1.96 standard
 * errors with the correction for a finite population (W. G. Cochran, Sampling Techniques, 3rd ed., section 2.6). A tile
 * that is missing has 0 bytes. null without any size.
 */
export function estimateBytes(sizes: readonly number[], tiles: number): SizeEstimate | null {
  const drawn = sizes.length;
  if (drawn === 0) return null;
  const mean = sizes.reduce((sum, size) => sum + size, 0) / drawn;
  const squares = sizes.reduce((sum, size) => sum + (size - mean) ** 2, 0);
  const variance = drawn === 1 ? 0 : squares / (drawn - 1);
  const left = tiles <= 1 ? 0 : (tiles - drawn) / (tiles - 1);
  return {
    bytes: Math.round(mean * tiles),
    plusMinus: Math.round(1.96 * Math.sqrt((variance / drawn) * Math.max(0, left)) * tiles),
  };
}

const BYTES_PER_IMAGE = 150;

export function redisBytes(images: number): number {
  return images * BYTES_PER_IMAGE;
}
