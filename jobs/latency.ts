import type { StoreLatency } from './work-queue.js';

/** Upper bounds of the counts in `StoreLatency`, in ms: six to a decade, from a near disk to a store that times out. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  ...[0.1, 0.15, 0.2, 0.3, 0.5, 0.7],
  ...[1, 1.5, 2, 3, 5, 7],
  ...[10, 15, 20, 30, 50, 70],
  ...[100, 150, 200, 300, 500, 700],
  ...[1_000, 1_500, 2_000, 3_000, 5_000, 7_000],
  ...[10_000, 15_000, 20_000, 30_000, 60_000],
];

/**
 * How many ms at most a share `q` (0 to 1) of the requests took; null if there were none. Inside a bucket requests are
 * taken as spread evenly, as Prometheus's histogram_quantile takes them; of those beyond the last bound that bound is
 * told.
 */
export function quantile(counts: readonly number[], q: number): number | null {
  const rank = q * counts.reduce((sum, count) => sum + count, 0);
  let below = 0;
  let low = 0;
  for (const [place, high] of LATENCY_BOUNDS_MS.entries()) {
    const count = counts[place] ?? 0;
    if (count > 0 && below + count >= rank) return low + ((high - low) * (rank - below)) / count;
    below += count;
    low = high;
  }
  return (counts[LATENCY_BOUNDS_MS.length] ?? 0) > 0 ? low : null;
}

/** Of several workers: the counts of equal side and kind added up. Sources first, kinds by name. */
export function sumOf(latencies: Iterable<StoreLatency>): readonly StoreLatency[] {
  const sums = new Map<string, { readonly of: StoreLatency; readonly counts: number[] }>();
  for (const latency of latencies) {
    const name = `${latency.side} ${latency.kind}`;
    const sum = sums.get(name) ?? { of: latency, counts: NO_COUNTS.slice() };
    for (const [place, count] of latency.counts.entries())
      if (place < sum.counts.length) sum.counts[place]! += count;
    sums.set(name, sum);
  }
  return [...sums.values()]
    .map(({ of: { side, kind }, counts }) => ({ side, kind, counts }))
    .sort((a, b) => inOrder(b.side, a.side) || inOrder(a.kind, b.kind));
}

/** By code units: to compare as people do, Node reads 2 MB of its tables of languages. */
function inOrder(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

const NO_COUNTS: readonly number[] = Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, () => 0);

/** How long requests took lately; of each store counted by itself, those with equal side and kind together. */
export interface RecentLatency {
  /** Counts a request that took so many ms. Called with every tile: it allocates nothing. `now`: ms of a steady clock. */
  of(side: StoreLatency['side'], kind: string): (ms: number, now: number) => void;
  /** Of the last minute (the last 55 to 60 s): each store that was asked anything. */
  told(now: number): readonly StoreLatency[];
}

const SLOT_MS = 5_000;
const SLOTS = 12;

export function createRecentLatency(): RecentLatency {
  const rings = new Map<string, { readonly of: Omit<StoreLatency, 'counts'>; readonly ring: Ring }>();
  return {
    of(side, kind) {
      const name = `${side} ${kind}`;
      const { ring } = rings.get(name) ?? { ring: createRing() };
      rings.set(name, { of: { side, kind }, ring });
      return ring.add;
    },
    told(now) {
      const all = [...rings.values()].map(({ of, ring }) => ({ ...of, counts: ring.counts(now) }));
      return sumOf(all.filter(({ counts }) => counts.some((count) => count > 0)));
    },
  };
}

type Ring = ReturnType<typeof createRing>;

/** Counts of the last SLOTS times SLOT_MS, each slot written anew when its time comes round again. */
function createRing() {
  const size = NO_COUNTS.length;
  const slots = new Uint32Array(SLOTS * size);
  let newest = 0;

  function turnTo(now: number): void {
    const slot = Math.floor(now / SLOT_MS);
    for (let next = Math.max(newest + 1, slot - SLOTS + 1); next <= slot; next++)
      slots.fill(0, (next % SLOTS) * size, ((next % SLOTS) + 1) * size);
    newest = slot;
  }

  return {
    add(ms: number, now: number): void {
      turnTo(now);
      slots[(newest % SLOTS) * size + bucketOf(ms)]! += 1;
    },
    counts(now: number): number[] {
      turnTo(now);
      const sums = NO_COUNTS.slice();
      for (let at = 0; at < slots.length; at++) sums[at % size]! += slots[at]!;
      return sums;
    },
  };
}

/** The first whose bound is not below. */
function bucketOf(ms: number): number {
  let low = 0;
  let high = LATENCY_BOUNDS_MS.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (LATENCY_BOUNDS_MS[middle]! < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}
