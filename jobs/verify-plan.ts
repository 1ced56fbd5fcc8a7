import type { CheckedImage, Image } from './work-queue.js';

/** What a verifier does about one check of an image: a tile, or number `tiles`, the image as a whole. */
export type CheckPlan =
  /** Nothing to look at. `blind`: the digest of the image cannot be compared for it. */
  | { readonly kind: 'skip'; readonly blind: boolean }
  /** The digests gathered are not the image's. */
  | { readonly kind: 'differs' }
  | { readonly kind: 'descriptor' }
  /** `compare`: with the source, for no digest will tell. */
  | { readonly kind: 'tile'; readonly compare: boolean };

export function planCheck(check: CheckedImage, image: Image, index: number): CheckPlan {
  const { options, round, settled, published, failed, differs } = check;
  if (!settled) return { kind: 'skip', blind: true };
  if (index === image.tiles) {
    if (differs) return { kind: 'differs' };
    return published ? { kind: 'descriptor' } : { kind: 'skip', blind: false };
  }
  if (failed.some(({ first, count }) => index >= first && index < first + count))
    return { kind: 'skip', blind: false };
  if (options.sample === 1) return { kind: 'tile', compare: false };
  return isSampled(round, image.number, index, options.sample)
    ? { kind: 'tile', compare: true }
    : { kind: 'skip', blind: true };
}

/**
 * Whether a tile is in the sample of a round: as if by chance, but the same for every verifier, each round anew. Three
 * numbers are hashed one after the other by the finalizer of MurmurHash3 (Austin Appleby, public domain: fmix32).
 */
export function isSampled(round: number, image: number, index: number, share: number): boolean {
  return mix(mix(mix(round) ^ image) ^ index) / 2 ** 32 < share;
}

function mix(number: number): number {
  let h = (number + 0x9e3779b9) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
