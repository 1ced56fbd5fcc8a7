import { keepSample, type Progress, progressOf } from '../jobs/progress.js';
import type { MigrationStatus, StateCounts, WorkerReport } from '../jobs/work-queue.js';

/** How migrations are put in words. */

/** `running`, `finished`, or `paused (why)`. */
export function stateWords({ state, finished, reason }: MigrationStatus): string {
  if (finished) return 'finished';
  return reason === '' ? state : `${state} (${reason})`;
}

export function settledOf({ done, skipped, failed }: StateCounts): number {
  return done + skipped + failed;
}

/** Rates over the whole run, on the queue's own clock. */
export function wholeRun({ tiles, bytes, startedAt, finishedAt, now }: MigrationStatus): Progress {
  const at = finishedAt ?? now;
  const begin = keepSample([], { at: startedAt ?? at, settled: 0, bytes: 0 });
  return progressOf(keepSample(begin, { at, settled: settledOf(tiles), bytes }), tiles.total);
}

/** Everything `migration status` says of one. */
export function statusLines(status: MigrationStatus, workers: readonly WorkerReport[]): string[] {
  const { definition, images, tiles, descriptors, planClosed } = status;
  const plan = planClosed ? 'closed' : 'open, images may still come';
  const progress = wholeRun(status);
  const rows: [string, string][] = [
    ['Source', definition.source],
    ['Destination', definition.destination],
    ['Plan', `${images.total} images, ${tiles.total} tiles, ${plan}`],
    ['Images', `${images.published} published, ${images.withheld} withheld, ${images.refused} refused`],
    ['Tiles', countWords(tiles)],
    ['Descriptors', countWords(descriptors)],
    ['Stored', megabytes(status.bytes)],
    ['Rate', rateWords(progress)],
  ];
  if (!status.finished && progress.leftMs !== null && tiles.total > 0)
    rows.push(['Time left', duration(progress.leftMs)]);
  if (status.reclaimed > 0)
    rows.push(['Reclaimed', `${status.reclaimed} tiles of lost claims handed out again`]);
  return [
    `${definition.name}: ${stateWords(status)}`,
    ...rows.map(([name, words]) => `  ${`${name}:`.padEnd(13)}${words}`),
    ...section(
      'Failures',
      Object.entries(status.failures)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([reason, count]) => `${reason}: ${count}`),
    ),
    ...section('Workers', workers.map(workerWords)),
  ];
}

function section(name: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`  ${name}:`, ...lines.map((line) => `    ${line}`)];
}

function countWords({ total, ready, claimed, delayed, done, skipped, failed }: StateCounts): string {
  const rest = { skipped, failed, delayed, claimed, ready };
  return [
    `${done} of ${total} done`,
    ...Object.entries(rest).map(([name, count]) => `${count} ${name}`),
  ].join(', ');
}

function rateWords({ whole }: Progress): string {
  if (whole === null) return 'not known yet';
  return `${whole.tilesPerSecond.toFixed(1)} tiles/s, ${megabytes(whole.bytesPerSecond)}/s over the whole run`;
}

/** `zh-import-blobs@1.service on 472d6cb2: source unreachable since 12:00:07Z: connection refused` */
function workerWords({ worker, unit, machine, state, since, detail }: WorkerReport): string {
  const name = unit === '' ? worker : unit;
  const where = machine === '' ? '' : ` on ${machine.slice(0, 8)}`;
  const time = new Date(since).toISOString().replace(/^.*T|\.\d+/g, '');
  return `${name}${where}: ${state} since ${time}${detail === '' ? '' : `: ${detail}`}`;
}

/** `12.3 MB` */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes > 0 && bytes < 1e6 ? 3 : 1)} MB`;
}

/** `42 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`: the two largest units. */
export function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return '0 s';
  return parts
    .slice(first, first + 2)
    .flatMap(([count, unit]) => (count > 0 ? [`${count} ${unit}`] : []))
    .join(' ');
}
