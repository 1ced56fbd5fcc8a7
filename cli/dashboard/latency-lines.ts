import { quantile } from '../../jobs/latency.js';
import { grouped, latencyWords } from '../../jobs/quantities.js';
import type { StoreLatency } from '../../jobs/work-queue.js';
import type { Line } from './page.js';
import { dim, span } from './spans.js';

/** For each store how long its requests took, half of them at most and all but one in a hundred. */
export function latencyLines(latencies: readonly StoreLatency[]): Line[] {
  const rows = latencies.flatMap(({ side, kind, counts }) => {
    const [half, most] = [quantile(counts, 0.5), quantile(counts, 0.99)];
    if (half === null || most === null) return [];
    const requests = counts.reduce((sum, count) => sum + count, 0);
    return [[`${side} ${kind}`, latencyWords(half), latencyWords(most), grouped(requests)] as const];
  });
  if (rows.length === 0) return [[dim('no requests')]];
  const all = [['', 'p50', 'p99', 'requests'] as const, ...rows];
  const widest = (at: 0 | 1 | 2 | 3): number => Math.max(...all.map((row) => row[at].length));
  return all.map(([store, half, most, requests], at) => {
    const told = `  ${half.padStart(widest(1))}  ${most.padStart(widest(2))}  `;
    const text = `${store.padEnd(widest(0))}${told}`;
    const count = requests.padStart(widest(3));
    return at === 0 ? [dim(`${text}${count}`)] : [span(text), dim(count)];
  });
}
