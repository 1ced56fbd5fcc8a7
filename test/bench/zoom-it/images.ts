import { tileCount } from '../../../jobs/pyramid.js';
import type { ImageGeometry } from '../../../jobs/work-queue.js';

/**
 * The images of a site like zoom.it, made up from their number: short ids, sides from 2,500 px on with a long tail, and
 * one in ten thousand of 54,000 x 27,000. A million of them have about 1,000 tiles each.
 */
export function imageId(number: number): string {
  // Letters and digits of either case, in no order, each once: 62^5 is more than there are images.
  let rest = (number * 387_420_489 + 74_207_281) % 62 ** 5;
  let id = '';
  for (let place = 0; place < 5; place++) {
    id += DIGITS[rest % 62];
    rest = Math.floor(rest / 62);
  }
  return id.replace(/0+$/, '') || '0';
}

export function geometryOf(id: string): ImageGeometry {
  const hash = spread(id);
  const side = (part: number): number => Math.round(2_500 + 13_400 * ((part % 10_000) / 10_000) ** 2);
  const huge = hash % 10_000 === 0;
  return {
    width: huge ? 54_000 : side(hash),
    height: huge ? 27_000 : side(Math.floor(hash / 10_007)),
    tileSize: 254,
    overlap: 1,
    format: 'jpg',
  };
}

export function tilesOf(id: string): number {
  return tileCount(geometryOf(id));
}

const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

function spread(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
  return (hash ^ (hash >>> 13)) >>> 0;
}
