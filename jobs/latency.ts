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
    .sort((a, b) => b.side.localeCompare(a.side) || a.kind.localeCompare(b.kind));
}

const NO_COUNTS: readonly number[] = Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, () => 0);
