import { sumOf } from '../../jobs/latency.js';
import { type Progress, progressOf, settledOf } from '../../jobs/progress.js';
import { duration, grouped, rateWords } from '../../jobs/quantities.js';
import type { MigrationStatus, StateCounts, WorkerReport } from '../../jobs/work-queue.js';
import { limitWords } from '../limit-text.js';
import { leftWords, verificationWords } from '../stats-text.js';
import { latencyLines } from './latency-lines.js';
import type { Block, Line, Tone } from './page.js';
import { dim, good, span, strong, warn } from './spans.js';

/** How far a migration is. */

export function progressBlock(status: MigrationStatus, band: number): Block {
  const progress = progressOf(status);
  const { tiles, limit, verification, now } = status;
  const limited = limit.requestsPerSecond !== null || limit.bytesPerSecond !== null;
  const lines: Line[] = [
    leftLine(status, progress),
    [span(tilesWords(tiles))],
    ...rateLines(progress),
    ...(limited ? [[dim('limit: '), span(grouped(limitWords(limit)))]] : []),
    ...(verification === null ? [] : [[span(grouped(verificationWords(verification, now)))]]),
  ];
  return {
    ...{ id: 'progress', title: 'Progress', band },
    ...{ grow: { width: 4, height: 0 }, least: { width: 28, height: 5 }, most: { height: lines.length + 3 } },
    ...{ spare: 0, body: { kind: 'gauge', share: progress.share ?? 0, lines } },
  };
}

/** `1,100,000,000 of 1,200,000,000 tiles` */
export function tilesWords(tiles: StateCounts): string {
  return `${grouped(settledOf(tiles))} of ${grouped(tiles.total)} ${tiles.total === 1 ? 'tile' : 'tiles'}`;
}

/** How long it will yet take, or why that is not known; of one that is over, how long it took. */
export function leftLine(status: MigrationStatus, progress: Progress): Line {
  const { state, finished, planClosed, startedAt, finishedAt, now, tiles } = status;
  if (state === 'cancelled') return [dim('the rest is given up')];
  if (finished)
    return startedAt === null
      ? [dim('there was nothing to do')]
      : [good(`took ${duration((finishedAt ?? now) - startedAt)}`)];
  if (state === 'paused') return [warn('time left not known: it is paused')];
  if (!planClosed)
    return [dim(tiles.total === 0 ? 'nothing planned yet' : 'time left not known: images may still come')];
  const [left = '', how = ''] = grouped(leftWords(status, progress)).split(/(?= at the rate)/);
  return [strong(left), dim(how)];
}

/** Under one another: tiles and bytes a second over the last 10 s, the last minute and the whole run. */
function rateLines({ last10s, lastMinute, whole }: Progress): Line[] {
  const rates = [
    ['10 s', last10s],
    ['1 min', lastMinute],
    ['whole run', whole],
  ] as const;
  const told = rates.flatMap(([name, rate]) => {
    if (rate === null) return [];
    const [tiles = '', bytes = ''] = grouped(rateWords(rate)).split(', ');
    return [{ name, tiles, bytes }];
  });
  const widest = (of: (one: (typeof told)[number]) => string): number =>
    Math.max(...told.map((one) => of(one).length));
  return told.map(
    ({ name, tiles, bytes }): Line => [
      span(`${tiles.padStart(widest((one) => one.tiles))}  ${bytes.padStart(widest((one) => one.bytes))}`),
      dim(`  ${name}`),
    ],
  );
}

const STATES = ['ready', 'claimed', 'delayed', 'done', 'skipped', 'failed', 'total'] as const;
const TONES: Readonly<Record<(typeof STATES)[number], Tone>> = {
  ...{ ready: 'plain', claimed: 'plain', delayed: 'warn', done: 'good', skipped: 'plain' },
  ...{ failed: 'bad', total: 'strong' },
};

/** The six states of tiles, descriptors and, once there is a verification, checks: exact, and what they add up to. */
export function statesBlock({ tiles, descriptors, verification }: MigrationStatus, band: number): Block {
  const lanes = [
    { name: 'tiles', counts: tiles },
    { name: 'descriptors', counts: descriptors },
    ...(verification === null ? [] : [{ name: 'checks', counts: verification.checks }]),
  ].map(({ name, counts }) => {
    const widest = Math.max(...STATES.map((state) => grouped(counts[state]).length), name.length);
    return { name, counts, cells: widest + 2 };
  });
  const lines: Line[] = [
    [dim(' '.repeat(LABEL)), ...lanes.map(({ name, cells }) => dim(name.padStart(cells)))],
    ...STATES.map(
      (state): Line => [
        state === 'total' ? strong(state.padEnd(LABEL)) : span(state.padEnd(LABEL)),
        ...lanes.map(({ counts, cells }) =>
          span(grouped(counts[state]).padStart(cells), counts[state] === 0 ? 'dim' : TONES[state]),
        ),
      ],
    ),
  ];
  const height = lines.length + 2;
  const width = LABEL + lanes.reduce((sum, { cells }) => sum + cells, 0) + 2;
  return {
    ...{ id: 'states', title: 'States', band },
    ...{ grow: { width: 0, height: 0 }, least: { width, height }, most: { height } },
    ...{ spare: 2, body: { kind: 'text', lines, from: 'top' } },
  };
}

const LABEL = 'claimed'.length;

/** How long requests took, as all workers together tell of the last minute. */
export function latencyBlock(workers: readonly WorkerReport[], band: number): Block {
  const lines = latencyLines(sumOf(workers.flatMap(({ latency }) => latency)));
  return {
    ...{ id: 'latency', title: 'Latency, last minute', band },
    ...{ grow: { width: 0, height: 0 }, least: { width: 46, height: 4 } },
    ...{ spare: 5, body: { kind: 'text', lines, from: 'top' } },
  };
}
