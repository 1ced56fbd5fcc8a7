/** A million units placed on 5,000 machines, by this process alone; prints what it took, as JSON. */
import { apply } from '../../../scheduler/decision.js';
import { place } from '../../../scheduler/place.js';
import { cluster, inZone } from './clusters.js';

export interface Million {
  /** With the cluster alone. */
  readonly beforeMiB: number;
  readonly placeMs: number;
  /** Once all was placed. */
  readonly peakMiB: number;
  readonly applyMs: number;
  readonly idleMs: number;
}

const UNITS = 1_000_000;

place(cluster({ machines: 1000, units: 10_000, options: inZone }));
const empty = cluster({ machines: 5000, units: UNITS, options: inZone });
const beforeMiB = process.resourceUsage().maxRSS / 1024;
const first = timed(() => place(empty));
const { decisions } = first.result;
if (decisions.length !== UNITS) throw new Error(`${decisions.length} were placed`);
const peakMiB = process.resourceUsage().maxRSS / 1024;
const applied = timed(() => apply(empty, decisions));
const idle = timed(() => place(applied.result));
if (idle.result.decisions.length > 0) throw new Error('a second look decided something');
const report: Million = { beforeMiB, placeMs: first.ms, peakMiB, applyMs: applied.ms, idleMs: idle.ms };
console.log(JSON.stringify(report));

function timed<T>(run: () => T): { result: T; ms: number } {
  const start = performance.now();
  const result = run();
  return { result, ms: performance.now() - start };
}
