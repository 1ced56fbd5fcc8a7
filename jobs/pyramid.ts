/**
 * Deep Zoom geometry in whole numbers. Level 0 is one pixel, each level doubles (rounding up) until the last is
 * the full image. Tiles are numbered 0 ... n-1 from level 0 upwards, row by row within a level, so any set of
 * neighbours is a range of numbers. Nothing here makes a table of tiles: every function is O(levels).
 */
export interface Extent {
  readonly width: number;
  readonly height: number;
  readonly tileSize: number;
}

export interface Tile {
  readonly level: number;
  readonly column: number;
  readonly row: number;
}

interface Grid {
  readonly columns: number;
  readonly rows: number;
}

export interface Level extends Grid {
  readonly level: number;
  readonly width: number;
  readonly height: number;
  readonly first: number;
}

/** The number of the level that is the full image. */
export function maxLevel(image: Extent): number {
  return 32 - Math.clz32(Math.max(image.width, image.height) - 1);
}

/** On a level where a pixel stands for `scale` by `scale`. */
function gridAt(image: Extent, scale: number): Grid {
  return {
    columns: Math.ceil(Math.ceil(image.width / scale) / image.tileSize),
    rows: Math.ceil(Math.ceil(image.height / scale) / image.tileSize),
  };
}

/** All levels, the smallest first: their size in pixels, their grid of tiles, and the number of the first. */
export function levelsOf(image: Extent): readonly Level[] {
  const levels: Level[] = [];
  let first = 0;
  for (let level = 0; level <= maxLevel(image); level++) {
    const scale = 2 ** (maxLevel(image) - level);
    const size = { width: Math.ceil(image.width / scale), height: Math.ceil(image.height / scale) };
    const grid = gridAt(image, scale);
    levels.push({ level, ...size, ...grid, first });
    first += grid.columns * grid.rows;
  }
  return levels;
}

/** How many tiles the image has on all levels together. Exact up to 2^53, monotonic beyond. */
export function tileCount(image: Extent): number {
  let count = 0;
  for (let scale = 2 ** maxLevel(image); scale >= 1; scale /= 2) {
    const { columns, rows } = gridAt(image, scale);
    count += columns * rows;
  }
  return count;
}

/** The tile with this number. Throws a RangeError for a number the image does not have. */
export function tileAt(image: Extent, index: number): Tile {
  let rest = Number.isInteger(index) && index >= 0 ? index : Number.POSITIVE_INFINITY;
  let level = 0;
  for (let scale = 2 ** maxLevel(image); scale >= 1; scale /= 2) {
    const { columns, rows } = gridAt(image, scale);
    if (rest < columns * rows) return { level, column: rest % columns, row: Math.floor(rest / columns) };
    rest -= columns * rows;
    level++;
  }
  throw new RangeError(`tile ${index} is outside the image's ${tileCount(image)} tiles`);
}

/** The number of a tile: the inverse of `tileAt`. Throws a RangeError for a tile the image does not have. */
export function indexOf(image: Extent, tile: Tile): number {
  let before = 0;
  const top = maxLevel(image);
  for (let level = 0; level <= top; level++) {
    const { columns, rows } = gridAt(image, 2 ** (top - level));
    if (level < tile.level) {
      before += columns * rows;
      continue;
    }
    if (level === tile.level && within(tile.column, columns) && within(tile.row, rows))
      return before + tile.row * columns + tile.column;
    break;
  }
  throw new RangeError(`no tile ${tile.column}_${tile.row} on level ${tile.level}`);
}

function within(value: number, bound: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < bound;
}

/** The key of an image's descriptor below the migration's source and destination. */
export function descriptorKey(id: string): string {
  return `${id}.dzi`;
}

/** The key of a tile. `format` is the descriptor's Format, verbatim. */
export function tileKey(id: string, tile: Tile, format: string): string {
  return `${id}_files/${tile.level}/${tile.column}_${tile.row}.${format}`;
}
