import { progressOf, settledOf, verificationProgress } from '../jobs/progress.js';
import { duration, rateWords, size } from '../jobs/quantities.js';
import type {
  ImageStatus,
  Lane,
  MigrationStatus,
  StateCounts,
  VerificationStatus,
  VerifyOptions,
  WorkerReport,
} from '../jobs/work-queue.js';
import { limitWords } from './limit-text.js';
import { printable } from './store-text.js';
import { counted } from './table.js';
import { stamp, timeNear } from './times.js';

/** How migrations are put in words. */

const WIDTH = 80;
const LABEL = 16;

/** Tiles and descriptors failed, and images refused. */
export function failureCount({ tiles, descriptors, images }: MigrationStatus): number {
  return tiles.failed + descriptors.failed + images.refused;
}

/** `running`, `paused (why)`, `cancelled (why)`, `complete`, or `complete with 3 failures`. */
export function stateWords(status: MigrationStatus, told?: (count: number) => string): string {
  const { state, finished, reason } = status;
  if (finished && state !== 'cancelled') {
    const failures = failureCount(status);
    return failures === 0 ? 'complete' : `complete with ${counted(failures, 'failure', told)}`;
  }
  return reason === '' ? state : `${state} (${reason})`;
}

/** Whether nobody paused it, but the queue for too many failures, or zh-populate for a list of which nothing could be added. */
export function pausedItself({ state, reason }: Pick<MigrationStatus, 'state' | 'reason'>): boolean {
  return state === 'paused' && /^(\d+ of \d+ tiles failed |none of the first \d+ ids )/.test(reason);
}

/** Everything `migration status` says of one: what can be cut to fit a terminal of 80 columns is. */
export function statusLines(status: MigrationStatus, workers: readonly WorkerReport[]): string[] {
  const { definition, images, tiles, descriptors, startedAt, finishedAt, verification } = status;
  const rows: [string, readonly string[]][] = [
    ['Source', [definition.source]],
    ['Destination', [definition.destination]],
    ['Plan', planWords(status)],
    ['Images', wrapped(named(images, ['published', 'withheld', 'incomplete', 'refused']))],
    ['Tiles', countWords(tiles)],
    ['Descriptors', countWords(descriptors)],
    ['Stored', [size(status.bytes)]],
    ['Rate', ratesWords(status)],
    ['Time left', leftWords(status)],
    ['Limit', [limitWords(status.limit)]],
    ['Digest', [status.digest]],
    ['Reclaimed', status.reclaimed === 0 ? [] : [`${status.reclaimed} of lost claims handed out again`]],
    ['Began', startedAt === null ? [] : [stamp(startedAt)]],
    ['Ended', finishedAt === null ? [] : [endWords(startedAt, finishedAt)]],
    ['Verification', verification === null ? [] : verificationWords(verification, status.now)],
  ];
  return [
    `${definition.name}: ${stateWords(status)}`,
    ...labelled(rows),
    ...section(
      'Failures',
      Object.entries(status.failures)
        .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
        .map(([reason, count]) => `${reason}: ${count}`),
    ),
    ...section(
      'Workers',
      sortedWorkers(workers).flatMap((worker) => workerWords(worker, status.now)),
    ),
  ].map(printable);
}

/** What becomes of the descriptor of an image. */
export const DESCRIPTOR_WORDS: Readonly<Record<ImageStatus['descriptor'], string>> = {
  waiting: 'waiting for the tiles left',
  withheld: 'withheld, as tiles failed (retry them, or accept the image)',
  released: 'released: published, or on its way',
};

/** `  Name:         words`, with further lines of words below the first. */
export function labelled(rows: readonly (readonly [string, readonly string[]])[]): string[] {
  return rows.flatMap(([name, lines]) =>
    lines.map((words, at) => `  ${(at === 0 ? `${name}:` : '').padEnd(LABEL - 2)}${words}`),
  );
}

export function section(name: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`  ${name}:`, ...lines.map((line) => `    ${line}`)];
}

/** Parts in lines that fit behind a label. */
function wrapped(parts: readonly string[]): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const longer = `${lines.at(-1)}, ${part}`;
    if (lines.length > 0 && longer.length <= WIDTH - LABEL - 1) lines[lines.length - 1] = longer;
    else {
      if (lines.length > 0) lines[lines.length - 1] += ',';
      lines.push(part);
    }
  }
  return lines;
}

function named<Key extends string>(counts: Readonly<Record<Key, number>>, keys: readonly Key[]): string[] {
  return keys.map((key) => `${counts[key]} ${key}`);
}

function countWords(counts: StateCounts, what = ''): string[] {
  const rest = named(counts, ['skipped', 'failed', 'claimed', 'delayed', 'ready']);
  return wrapped([`${what}${counts.done} of ${counts.total} done`, ...rest]);
}

function planWords({ images, tiles, planClosed, planOpen, state }: MigrationStatus): string[] {
  const planned = `${counted(images.total, 'image')}, ${counted(tiles.total, 'tile')}`;
  if (state === 'cancelled') return [`${planned}, the rest given up`];
  if (planClosed) return [`${planned}, closed`];
  if (planOpen.length === 0) return [`${planned}, open: no list of images was read yet`];
  return [`${planned}, open: not read to the end yet`, ...planOpen];
}

function ratesWords(status: MigrationStatus): string[] {
  if (status.state === 'cancelled') return [];
  const { last10s, lastMinute, whole } = progressOf(status);
  const rates = [
    ['last 10 s', last10s],
    ['last minute', lastMinute],
    ['whole run', whole],
  ] as const;
  const lines = rates.flatMap(([name, rate]) => (rate === null ? [] : [`${rateWords(rate)} (${name})`]));
  return lines.length === 0 ? ['not known yet'] : lines;
}

function leftWords(status: MigrationStatus): string[] {
  if (status.finished || status.state !== 'running' || settledOf(status.tiles) === status.tiles.total)
    return [];
  if (!status.planClosed) return ['not known: images may still come'];
  const { leftMs, leftBy } = progressOf(status);
  return [leftMs === null ? 'not known yet' : `${duration(leftMs)}, at the rate of the ${leftBy}`];
}

function endWords(startedAt: number | null, finishedAt: number): string {
  return `${stamp(finishedAt)}${startedAt === null ? '' : `, after ${duration(finishedAt - startedAt)}`}`;
}

function verificationWords(status: VerificationStatus, now: number): string[] {
  const { round, options, checks, images, finished, startedAt, finishedAt } = status;
  const { leftMs } = verificationProgress(status, now);
  return [
    `round ${round}: ${verifyWords(options)}`,
    `begun ${stamp(startedAt)}`,
    ...(finishedAt === null ? [] : [`ended ${endWords(startedAt, finishedAt)}`]),
    ...countWords(checks, 'checks: '),
    ...wrapped(
      named(images, ['matched', 'restarted', 'unproven']).map(
        (part, at) => `${at === 0 ? 'images: ' : ''}${part}`,
      ),
    ),
    ...(finished || leftMs === null ? [] : [`time left: ${duration(leftMs)}`]),
  ];
}

/** `every tile, read in full` */
function verifyWords({ sample, read, unpublish }: VerifyOptions): string {
  const tiles = sample >= 1 ? 'every tile' : `${Number((sample * 100).toPrecision(6))} % of the tiles`;
  return `${tiles}, ${read ? 'read in full' : 'as the store tells'}${unpublish ? ', unpublishing' : ''}`;
}

/** Those in trouble first. */
function sortedWorkers(workers: readonly WorkerReport[]): WorkerReport[] {
  const key = ({ state, unit, worker, machine }: WorkerReport): string =>
    `${state.endsWith('unreachable') ? 0 : 1} ${unit || worker} ${machine} ${worker}`;
  return workers.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** What a worker does that copies. */
export const COPYING: Readonly<Record<Lane, string>> = {
  tiles: 'copying tiles',
  descriptors: 'publishing descriptors',
  checks: 'checking',
};

/**
 * `zh-import-blobs@1.service on 472d6cb2: source unreachable since 12:00:07Z: connection refused`, and what it has
 * done since it started.
 */
function workerWords(report: WorkerReport, now: number): string[] {
  const { worker, unit, machine, lane, state, since, detail } = report;
  const where = machine === '' ? '' : ` on ${machine.slice(0, 8)}`;
  const doing = state === 'copying' ? COPYING[lane] : state;
  const time = timeNear(since, now);
  const counts = named(report, ['done', 'skipped', 'failed']).join(', ');
  return [
    `${unit === '' ? worker : unit}${where}: ${doing} since ${time}${detail === '' ? '' : `: ${detail}`}`,
    `  ${counts}, ${size(report.bytes)}; ${report.rate.toFixed(1)}/s, limit ${report.limit}`,
  ];
}
