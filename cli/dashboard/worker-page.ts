import { duration, grouped, size } from '../../jobs/quantities.js';
import type { WorkerReport } from '../../jobs/work-queue.js';
import { stamp } from '../times.js';
import type { Detail } from './detail.js';
import { type Fact, factLines, textBlock } from './facts.js';
import { keysOf } from './keys.js';
import { latencyLines } from './latency-lines.js';
import { logBlock, logLines } from './log-block.js';
import { cargoAlarms } from './migration-alarms.js';
import { openedFor } from './opened-for.js';
import type { Line, Page } from './page.js';
import type { Snapshot } from './snapshot.js';
import { bad, dim, span, strong } from './spans.js';
import type { State } from './state.js';
import { doingLine, doingSpan, troublesOf, workerName } from './worker-rows.js';

/** One worker from near: what it says of itself, how long its stores take, and the end of its log. */
export function workerPage(
  snapshot: Snapshot,
  _state: State,
  detail: Extract<Detail, { kind: 'worker' }>,
): Page {
  const { worker: id } = detail;
  const looked = openedFor(snapshot, detail);
  const { value: cargo, trouble } = snapshot.cargo;
  const live = cargo?.workers.find(({ worker }) => worker === id);
  const report = live ?? looked?.report ?? null;
  const isGone = cargo !== null && trouble === null && live === undefined;
  const facts =
    report === null
      ? [[isGone ? bad(GONE) : dim('asking for it')]]
      : factLines(factsOf(report, snapshot.now, isGone));
  const log = {
    lines: looked?.log ?? [],
    trouble: looked?.trouble ?? null,
    empty: emptyLog(report, looked !== null),
  };
  return {
    title: titleOf(id, report, isGone),
    alarms: cargoAlarms(snapshot.cargo, null),
    blocks: [
      textBlock(FACTS, facts),
      textBlock(LATENCY, latencyLines(report?.latency ?? [])),
      logBlock(log, { title: 'Log', band: 1, spare: 1 }),
    ],
    about: aboutOf(report),
    keys: keysOf('worker'),
    brief: [...facts, ...logLines(log).slice(-5)],
  };
}

function emptyLog(report: WorkerReport | null, isRead: boolean): string {
  if (report?.unit === '') return 'it runs outside the fleet: its log is where it was started';
  return isRead ? 'it has written nothing' : 'asking for it';
}

const FACTS = {
  id: 'facts',
  title: 'Worker',
  band: 0,
  grow: { width: 3, height: 8 },
  least: { width: 50, height: 5 },
  spare: 0,
} as const;

const LATENCY = {
  id: 'latency',
  title: 'Latency, last minute',
  band: 0,
  grow: { width: 0, height: 0 },
  least: { width: 46, height: 4 },
  spare: 2,
} as const;

const GONE = 'it has not told of itself lately: it has ended, or it is cut off';

function titleOf(id: string, report: WorkerReport | null, isGone: boolean): Line {
  const doing =
    report === null ? [] : [span('  '), ...(isGone ? [bad('ended, or cut off')] : doingLine(report))];
  return [strong('worker'), span(`  ${report === null ? id : workerName(report)}`), ...doing];
}

function aboutOf(report: WorkerReport | null): Page['about'] {
  const { unit = '', machine = '' } = report ?? {};
  return { ...(unit === '' ? {} : { unit }), ...(machine === '' ? {} : { machine }) };
}

function factsOf(report: WorkerReport, now: number, isGone: boolean): readonly Fact[] {
  const { worker, unit, machine, since, done, skipped, failed, bytes, rate, limit } = report;
  return [
    ['Id', [span(worker)]],
    ['Unit', [unit === '' ? dim('none: it runs outside the fleet') : span(unit)]],
    ['Machine', machine === '' ? null : [span(machine)]],
    ['State', isGone ? [bad(GONE)] : [doingSpan(report)]],
    ...troublesOf(report).map((words): Fact => ['', [bad(words)]]),
    ['Since', [span(stamp(since)), dim(`, ${duration(Math.max(0, now - since))}`)]],
    [
      'Settled',
      [
        span(`${grouped(done)} done, ${grouped(skipped)} skipped, `),
        span(`${grouped(failed)} failed`, failed > 0 ? 'bad' : 'plain'),
      ],
    ],
    ['Stored', [span(grouped(size(bytes)))]],
    ['Rate', [span(`${grouped(rate.toFixed(1))} items/s`)]],
    ['Limit', [span(`${grouped(limit)} objects in flight`)]],
  ];
}
