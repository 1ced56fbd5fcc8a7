import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Extent,
  indexOf,
  maxLevel,
  type Tile,
  tileAt,
  tileCount,
  tileKey,
} from '../../../jobs/pyramid.js';

const seed = Number(process.env.TEST_SEED ?? 1);
const small = fc
  .record({
    width: fc.integer({ min: 1, max: 700 }),
    height: fc.integer({ min: 1, max: 700 }),
    tileSize: fc.integer({ min: 1, max: 300 }),
  })
  .filter(({ width, height, tileSize }) => (width / tileSize) * (height / tileSize) < 5_000);
const large = fc.record({
  width: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  height: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  tileSize: fc.integer({ min: 1024, max: 65_536 }),
});

/** The dumb twin: halve from the full image down, then nest loops. */
function allTiles({ width, height, tileSize }: Extent): Tile[] {
  const sizes = [{ width, height }];
  while (sizes[0]!.width > 1 || sizes[0]!.height > 1)
    sizes.unshift({
      width: Math.floor((sizes[0]!.width + 1) / 2),
      height: Math.floor((sizes[0]!.height + 1) / 2),
    });
  const tiles: Tile[] = [];
  for (const [level, size] of sizes.entries())
    for (let row = 0; row * tileSize < size.height; row++)
      for (let column = 0; column * tileSize < size.width; column++) tiles.push({ level, column, row });
  return tiles;
}

describe('pyramid', () => {
  test('numbers the tiles as nested loops would', () => {
    fc.assert(
      fc.property(small, (image) => {
        const tiles = allTiles(image);
        expect(tileCount(image)).toBe(tiles.length);
        for (const [index, tile] of tiles.entries()) {
          expect(tileAt(image, index)).toEqual(tile);
          expect(indexOf(image, tile)).toBe(index);
        }
      }),
      { seed, verbose: true, numRuns: 200 },
    );
  });

  test('number and tile are inverse in images of any size', () => {
    fc.assert(
      fc.property(large, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (image, share) => {
        const index = Math.floor(share * tileCount(image));
        expect(indexOf(image, tileAt(image, index))).toBe(index);
      }),
      { seed, verbose: true },
    );
  });

  test.each([
    [{ width: 1, height: 1, tileSize: 254 }, 0, 1],
    [{ width: 2, height: 1, tileSize: 254 }, 1, 2],
    [{ width: 254, height: 254, tileSize: 254 }, 8, 9],
    [{ width: 256, height: 257, tileSize: 254 }, 9, 13],
    [{ width: 4032, height: 6048, tileSize: 254 }, 13, 521],
    [{ width: 54_000, height: 27_000, tileSize: 254 }, 16, 30_550],
  ])('%j has levels to %i and %i tiles', (image, level, tiles) => {
    expect(maxLevel(image)).toBe(level);
    expect(allTiles(image)).toHaveLength(tileCount(image));
    expect(tileCount(image)).toBe(tiles);
  });

  test('a tile that is not there is a RangeError', () => {
    const image = { width: 300, height: 200, tileSize: 254 };
    for (const index of [-1, 0.5, Number.NaN, tileCount(image)])
      expect(() => tileAt(image, index)).toThrow(RangeError);
    for (const tile of [
      { level: 10, column: 0, row: 0 },
      { level: -1, column: 0, row: 0 },
      { level: 9, column: 2, row: 0 },
      { level: 9, column: 0, row: 1 },
    ])
      expect(() => indexOf(image, tile)).toThrow(RangeError);
  });

  test('keys are as zoom.it had them', () => {
    expect(tileKey('Mk0E', { level: 12, column: 3, row: 14 }, 'jpg')).toBe('Mk0E_files/12/3_14.jpg');
  });
});
