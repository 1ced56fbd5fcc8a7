import { settledOf } from '../../jobs/progress.js';
import { grouped, size } from '../../jobs/quantities.js';
import type { WorkerReport } from '../../jobs/work-queue.js';
import { COPYING } from '../migration-text.js';
import { counted } from '../table.js';
import { timeOfDay } from '../times.js';
import type { Block, Line, Span, Table, Tone } from './page.js';
import { type Listing, tableOf } from './rows.js';
import { bad, dim, span } from './spans.js';
import type { State } from './state.js';

/** All workers there are, in the order that was asked for; of equals by name. */
export function workersBlock(workers: readonly WorkerReport[], state: State, band: number): Block {
  const rows = named(workers).sort(ORDERS[state.workersBy]).map(rowOf);
  const empty = 'no worker has told of itself: start zh-import-blobs';
  return {
    ...{ id: 'workers', title: titleOf(workers, state), band },
    ...{ grow: { width: 1, height: 2 }, least: { width: 36, height: 5 }, most: { height: rows.length + 3 } },
    ...{ spare: 1, body: tableOf(state, 'workers', { columns: COLUMNS, rows, empty }) },
  };
}

const COLUMNS: Table['columns'] = [
  { head: 'WORKER', align: 'left', spare: 0 },
  { head: 'MACHINE', align: 'left', spare: 4 },
  { head: 'ITEMS/S', align: 'right', spare: 1 },
  { head: 'SETTLED', align: 'right', spare: 2 },
  { head: 'FAILED', align: 'right', spare: 1 },
  { head: 'LIMIT', align: 'right', spare: 6 },
  { head: 'STORED', align: 'right', spare: 5 },
  { head: 'DOING', align: 'left', spare: 3 },
];

interface Named {
  readonly name: string;
  readonly report: WorkerReport;
}

/**
 * `zh-import-blobs@1`, and where a unit has several workers on a machine (`--processes`) the beginning of the worker's id
 * besides; outside the fleet that alone.
 */
function named(workers: readonly WorkerReport[]): Named[] {
  const count = new Map<string, number>();
  const place = ({ unit, machine }: WorkerReport): string => `${unit} ${machine}`;
  for (const report of workers) count.set(place(report), (count.get(place(report)) ?? 0) + 1);
  return workers.map((report) => {
    const { unit, worker } = report;
    const several = unit !== '' && (count.get(place(report)) ?? 0) > 1;
    return { name: `${workerName(report)}${several ? ` ${worker.slice(0, 4)}` : ''}`, report };
  });
}

/** The name of a worker by its id; of one that is not known any more the beginning of its id. */
export function workerNames(workers: readonly WorkerReport[]): (id: string) => string {
  const names = new Map(named(workers).map(({ name, report }) => [report.worker, name]));
  return (id) => names.get(id) ?? id.slice(0, 8);
}

/** `zh-import-blobs@1`; outside the fleet the beginning of its id. */
export function workerName({ unit, worker }: Pick<WorkerReport, 'unit' | 'worker'>): string {
  return unit === '' ? worker.slice(0, 8) : unit.replace(/\.service$/, '');
}

const collator = new Intl.Collator('en', { numeric: true });
const byName = (a: Named, b: Named): number =>
  collator.compare(a.name, b.name) || collator.compare(a.report.machine, b.report.machine);
const ORDERS: Readonly<Record<State['workersBy'], (a: Named, b: Named) => number>> = {
  name: byName,
  rate: (a, b) => b.report.rate - a.report.rate || byName(a, b),
  failures: (a, b) => b.report.failed - a.report.failed || byName(a, b),
};

/** `Workers: 64, 2 away, by rate` */
function titleOf(workers: readonly WorkerReport[], { workersBy }: State): string {
  const away = workers.filter(isAway).length;
  const parts = [
    grouped(workers.length),
    ...(away === 0 ? [] : [`${grouped(away)} away`]),
    `by ${workersBy}`,
  ];
  return workers.length === 0 ? 'Workers' : `Workers: ${parts.join(', ')}`;
}

function isAway({ state }: WorkerReport): boolean {
  return state.endsWith('unreachable');
}

function rowOf({ name, report }: Named): Listing['rows'][number] {
  const { worker, unit, machine, rate, failed, limit, bytes } = report;
  return {
    key: worker,
    cells: [
      [isAway(report) ? bad(name) : span(name)],
      [dim(machine === '' ? '-' : machine.slice(0, 8))],
      [span(grouped(rate.toFixed(1)), rate > 0 ? 'plain' : 'dim')],
      [span(grouped(settledOf(report)))],
      [countSpan(failed, 'bad')],
      [dim(grouped(limit))],
      [dim(grouped(size(bytes)))],
      doingLine(report),
    ],
    opens: { kind: 'worker', worker },
    about: { ...(unit === '' ? {} : { unit }), ...(machine === '' ? {} : { machine }) },
  };
}

/** A count that is of interest when it is not 0. */
export function countSpan(count: number, tone: Tone): Span {
  return span(grouped(count), count === 0 ? 'dim' : tone);
}

/** `copying tiles`, `idle: paused`, `source unreachable since 12:00:07Z`, without what it has trouble with. */
export function doingSpan(report: WorkerReport): Span {
  const { lane, state, since, detail } = report;
  if (isAway(report)) return bad(`${state} since ${timeOfDay(since)}`);
  const [doing = ''] = detail.split('; ', 1);
  const words = state === 'copying' ? COPYING[lane] : doing === '' || doing === 'copying' ? state : doing;
  const isTroubled = doing.startsWith('waiting') || troublesOf(report).length > 0;
  return span(words, isTroubled ? 'warn' : state === 'idle' ? 'dim' : 'plain');
}

/** What a worker has trouble with, apart: of one that goes on it is told after what it does. */
export function troublesOf(report: WorkerReport): readonly string[] {
  const parts = report.detail === '' ? [] : report.detail.split('; ');
  return isAway(report) ? parts : parts.slice(1);
}

/** Both in one line: `source unreachable since 12:00:07Z: no answer`. */
export function doingLine(report: WorkerReport): Line {
  const doing = doingSpan(report);
  const troubles = troublesOf(report).join('; ');
  return troubles === '' ? [doing] : [doing, span(`${isAway(report) ? ': ' : '; '}${troubles}`, doing.tone)];
}

/**
 * What workers that go on with other migrations say of this one, each with how many of them do:
 * `destination unreachable: no answer (3 of 8 workers)`.
 */
export function troubleOf(migration: string, workers: readonly WorkerReport[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const report of workers) {
    for (const part of isAway(report) ? [] : troublesOf(report)) {
      const words = [`migration ${migration}: `, `migration ${migration} is `].find((it) =>
        part.startsWith(it),
      );
      if (words !== undefined)
        counts.set(part.slice(words.length), (counts.get(part.slice(words.length)) ?? 0) + 1);
    }
  }
  return [...counts].map(([words, count]) => `${words} (${count} of ${counted(workers.length, 'worker')})`);
}
