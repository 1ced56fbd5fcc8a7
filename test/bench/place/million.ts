/** A million units placed on 5,000 machines, by this process alone; prints what it took, as JSON. */

import { NO_ABSENCES, watchAbsences } from '../../../scheduler/absences.js';
import { apply } from '../../../scheduler/decision.js';
import { NO_MEMORY, place } from '../../../scheduler/place.js';
import { Planner } from '../../../scheduler/planner.js';
import { cluster, inZone, recordOf } from './clusters.js';

export interface Million {
  /** With the cluster alone. */
  readonly beforeMiB: number;
  readonly placeMs: number;
  /** Once all was placed. */
  readonly peakMiB: number;
  readonly applyMs: number;
  readonly idleMs: number;
  /** One unit more, once all are placed and the leader has looked before. */
  readonly next: { readonly compareMs: number; readonly placeMs: number; readonly absencesMs: number };
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
const idle = { snapshot: applied.result, ...timed(() => place(applied.result)) };
if (idle.result.decisions.length > 0) throw new Error('a second look decided something');
// A leader's next looks: each with one unit more. The first of them is where its indexes are made.
const planner = new Planner();
let now = idle.snapshot;
planner.place(now, NO_MEMORY);
const nexts = ['one', 'two'].map((which) => {
  const record = recordOf(`${which}.service`, inZone(0), new Map());
  now = { ...now, units: new Map(now.units).set(record.name, record) };
  const compared = timed(() => planner.isAsBefore(now));
  const placed = timed(() => planner.place(now, NO_MEMORY));
  const { decisions: made } = placed.result;
  if (made.length !== 1) throw new Error(`${made.length} decisions about one unit`);
  now = apply(now, made);
  return { compareMs: compared.ms, placeMs: placed.ms };
});
const next = nexts.at(-1)!;
const absences = timed(() => watchAbsences(now, NO_ABSENCES, 0, 5000));
const report: Million = {
  beforeMiB,
  placeMs: first.ms,
  peakMiB,
  applyMs: applied.ms,
  idleMs: idle.ms,
  next: { ...next, absencesMs: absences.ms },
};
console.log(JSON.stringify(report));

function timed<T>(run: () => T): { result: T; ms: number } {
  const start = performance.now();
  const result = run();
  return { result, ms: performance.now() - start };
}
