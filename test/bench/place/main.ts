/**
 * The scheduler alone, in memory: the first look at a cluster in which nothing is placed, and the look at what that has
 * made. Some of the clusters are those the original fleet was measured with.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { apply } from '../../../scheduler/decision.js';
import { place } from '../../../scheduler/place.js';
import type { Figure, Target } from '../support/figures.js';
import { inWords, median } from '../support/figures.js';
import { RUNS, section } from '../support/section.js';
import { type ClusterShape, cluster, fleetOption, inZone, plain } from './clusters.js';
import type { Million } from './million.js';

interface Case extends ClusterShape {
  readonly what: string;
  /** fleet 1.0, placements a second. */
  readonly fleet: number | null;
  readonly rate?: Target;
  readonly idleMs?: Target;
}

const inGroupsOf50 = (index: number) => [fleetOption('Conflicts', `g${index % 20}-*`)];
const CASES: readonly Case[] = [
  {
    ...{ machines: 100, units: 1000, what: 'units with metadata', options: inZone, fleet: 2004 },
    rate: { atLeast: 100_000 },
  },
  {
    ...{ machines: 100, units: 1000, globals: 10, what: 'units with metadata and 10 global ones' },
    ...{ options: inZone, fleet: 50, rate: { atLeast: 100_000 }, idleMs: { atMost: 5 } },
  },
  { machines: 10, units: 100, what: 'plain units', options: plain, fleet: 8516 },
  { machines: 100, units: 3000, what: 'plain units', options: plain, fleet: 1285 },
  { machines: 1000, units: 1000, what: 'plain units', options: plain, fleet: 506 },
  {
    ...{ machines: 100, units: 1000, what: 'units in conflict, 50 each' },
    ...{ options: inGroupsOf50, fleet: 4419 },
  },
  { machines: 1000, units: 10_000, what: 'plain units', options: plain, fleet: null },
];

/** Looks of this many other clusters come before the measured ones: a leader has looked before, too. */
const WARMING = 20;

await section('place', async () => {
  for (let at = 0; at < WARMING; at += 1)
    look({ machines: 50 + at, units: 2000, globals: 5, options: at % 2 === 0 ? inZone : inGroupsOf50 });
  const figures = CASES.flatMap(measure);
  const millions = Array.from({ length: RUNS }, million);
  return {
    figures: [...figures, ...ofMillion(millions)],
    notes: [
      `Each look is at a cluster of its own, with all decisions made and all refusals worded; the process has looked at ${WARMING} other clusters before. A rate counts the units that are not global. What a look has decided is then laid into the snapshot, which is not part of it; the next look, at the snapshot as a whole, is the idle one.`,
      'The million is placed by a process of its own with no flags for its heap, after one look at 1,000 machines and 10,000 units; its peak is that of its resident set, the snapshot and the decisions included.',
    ],
  };
});

interface Look {
  readonly firstMs: number;
  readonly idleMs: number;
  readonly decisions: number;
}

function look(shape: ClusterShape): Look {
  const empty = cluster(shape);
  const first = timed(() => place(empty));
  const { decisions } = first.result;
  const placed = apply(empty, decisions);
  const idle = timed(() => place(placed));
  if (idle.result.decisions.length > 0) throw new Error('a second look decided something');
  return { firstMs: first.ms, idleMs: idle.ms, decisions: decisions.length };
}

function measure(each: Case): Figure[] {
  const looks = Array.from({ length: RUNS }, () => look(each));
  const { machines, units, what, fleet, rate = null, idleMs = null } = each;
  const of = `${inWords(machines)} machines, ${inWords(units)} ${what}`;
  const rates = looks.map(({ firstMs }) => units / (firstMs / 1000));
  const idle = looks.map(({ idleMs: ms }) => ms);
  const { decisions } = looks[0]!;
  const firstMs = median(looks.map(({ firstMs: ms }) => ms));
  const beside = `${inWords(decisions)} decisions in ${inWords(firstMs)} ms`;
  const ratio =
    fleet === null ? '' : `; fleet 1.0: ${inWords(fleet)} /s, ${inWords(median(rates) / fleet)} x`;
  return [
    { what: `${of}: placed`, values: rates, unit: '/s', target: rate, beside: `${beside}${ratio}` },
    {
      ...{ what: `${of}: nothing to decide`, values: idle, unit: 'ms', target: idleMs },
      beside: fleet === 50 ? 'fleet 1.0: 25 s' : '',
    },
  ];
}

function million(): Million {
  const script = join(import.meta.dirname, 'million.ts');
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--import', 'tsx', script], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`placing a million failed: ${stderr}`);
  return JSON.parse(stdout);
}

function ofMillion(runs: readonly Million[]): Figure[] {
  const what = '5,000 machines, 1,000,000 units with metadata';
  const values = (of: (run: Million) => number): number[] => runs.map(of);
  return [
    {
      ...{ what: `${what}: everything placed`, values: values(({ placeMs }) => placeMs / 1000), unit: 's' },
      target: { atMost: 20 },
      beside: `Nomad’s C1M: 3,750 /s on 5 servers; here ${inWords(1e6 / (median(values(({ placeMs }) => placeMs)) / 1000))} /s`,
    },
    {
      ...{ what: `${what}: peak memory of the process`, values: values(({ peakMiB }) => peakMiB) },
      ...{ unit: 'MiB', target: { atMost: 4096 } },
      beside: `${inWords(median(values(({ beforeMiB }) => beforeMiB)))} MiB of it before the look`,
    },
    {
      ...{ what: `${what}: all laid into the snapshot`, values: values(({ applyMs }) => applyMs / 1000) },
      ...{ unit: 's', target: null, beside: 'once, when nothing was placed before' },
    },
    {
      ...{ what: `${what}: look at all of it, nothing to decide`, unit: 's', target: null },
      ...{ values: values(({ idleMs }) => idleMs / 1000), beside: 'as a new leader does' },
    },
    {
      ...{ what: `${what}: one more is submitted, and placed`, unit: 'ms', target: null },
      values: values(({ next }) => next.compareMs + next.placeMs + next.absencesMs),
      beside: `${inWords(median(values(({ next }) => next.placeMs)))} ms of it to place it; ${inWords(median(values(({ next }) => next.compareMs)))} ms to find what has changed, ${inWords(median(values(({ next }) => next.absencesMs)))} ms to look for units of missing machines`,
    },
  ];
}

function timed<T>(run: () => T): { result: T; ms: number } {
  const start = performance.now();
  const result = run();
  return { result, ms: performance.now() - start };
}
