import { tileCount } from '../../../jobs/pyramid.js';
import type { ImageGeometry } from '../../../jobs/work-queue.js';

/**
 * The images of a site like zoom.it, made up from their number: short ids, and descriptors of 3,844 kinds, as many as
 * there are pairs of letters and digits. An image is of the kind that its id ends with, so that a web server finds
 * its descriptor without a file for each id. Sides are from 2,500 px on with a long tail, one kind has 54,000 x 27,000; a
 * million images have about 1,000 million tiles.
 */
export function imageId(number: number): string {
  // Letters and digits of either case, in no order, each once: 62^5 is more than there are images.
  let rest = (number * 387_420_489 + 74_207_281) % 62 ** 5;
  let id = '';
  for (let place = 0; place < 5; place++) {
    id += DIGITS[rest % 62];
    rest = Math.floor(rest / 62);
  }
  return id;
}

const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** The kind of an image. */
export function kindOf(id: string): string {
  return id.slice(-2);
}

export const KINDS: readonly string[] = [...DIGITS].flatMap((a) => [...DIGITS].map((b) => a + b));

export function descriptorOf(kind: string): string {
  const { width, height } = geometryOf(kind);
  return `<?xml version="1.0" encoding="utf-8"?><Image TileSize="254" Overlap="1" Format="jpg" xmlns="http://schemas.microsoft.com/deepzoom/2009"><Size Width="${width}" Height="${height}" /></Image>`;
}

/** Tiles of an image of each kind. */
export const TILES: ReadonlyMap<string, number> = new Map(
  KINDS.map((kind) => [kind, tileCount(geometryOf(kind))]),
);

function geometryOf(kind: string): ImageGeometry {
  const hash = spread(kind);
  const side = (part: number): number => Math.round(2_500 + 12_500 * ((part % 10_000) / 10_000) ** 2);
  const huge = kind === 'zz';
  return {
    width: huge ? 54_000 : side(hash),
    height: huge ? 27_000 : side(Math.floor(hash / 10_007)),
    tileSize: 254,
    overlap: 1,
    format: 'jpg',
  };
}

/** FNV-1a, and two more rounds so that near texts lie far apart. */
function spread(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
  return (hash ^ (hash >>> 13)) >>> 0;
}
