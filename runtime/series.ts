import type { Labels } from './meter.js';

/** The series of one metric, one for each set of label values that came. */
export interface SeriesOf<Label extends string, Series> {
  of(labels: Labels<Label>): Series;
  readonly all: readonly (readonly [Labels<Label>, Series])[];
}

/**
 * Finds a series by the values of its labels, one after the other: making a key of them costs several times as much as
 * all else about counting a tile. A metric without labels has its one series from the start.
 */
export function seriesOf<Label extends string, Series>(
  names: readonly Label[],
  make: () => Series,
): SeriesOf<Label, Series> {
  const all: (readonly [Labels<Label>, Series])[] = [];
  const root = new Map<string, unknown>();

  function add(labels: Labels<Label>): Series {
    const series = make();
    let at = root;
    for (const name of names.slice(0, -1)) {
      const next = (at.get(labels[name]) ?? new Map()) as Map<string, unknown>;
      at.set(labels[name], next);
      at = next;
    }
    const last = names.at(-1);
    at.set(last === undefined ? '' : labels[last], series);
    all.push([{ ...labels }, series]);
    return series;
  }

  if (names.length === 0) {
    const only = add({} as Labels<Label>);
    return { all, of: () => only };
  }
  return {
    all,
    of(labels) {
      let at: unknown = root;
      for (const name of names) {
        at = (at as Map<string, unknown>).get(labels[name]);
        if (at === undefined) return add(labels);
      }
      return at as Series;
    },
  };
}

/** Values counted by size. */
export interface Sizes {
  /** How many were at most each upper bound and above the one before; last, above all. */
  readonly counts: number[];
  sum: number;
}

export function noSizes(buckets: readonly number[]): Sizes {
  return { counts: new Array<number>(buckets.length + 1).fill(0), sum: 0 };
}

export function countSize(sizes: Sizes, buckets: readonly number[], value: number): void {
  const { counts } = sizes;
  let bucket = 0;
  while (bucket < buckets.length && value > (buckets[bucket] ?? 0)) bucket++;
  counts[bucket] = (counts[bucket] ?? 0) + 1;
  sizes.sum += value;
}
