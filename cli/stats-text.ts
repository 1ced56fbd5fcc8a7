import { type Progress, progressOf, settledOf, verificationProgress } from '../jobs/progress.js';
import { duration, rateWords } from '../jobs/quantities.js';
import type { MigrationStatus, VerificationStatus, WorkerReport } from '../jobs/work-queue.js';
import { stateWords } from './migration-text.js';
import { counted } from './table.js';
import { timeOfDay } from './times.js';

/**
 * `demo: 1034 of 2070 tiles (49.9 %), 59.1 tiles/s, 0.5 MB/s, 2 failed, 18 s left at the last minute's rate`; `away`: what
 * its workers say of a store that is away.
 */
export function plainLine(status: MigrationStatus, away: string | null): string {
  const { definition, tiles, finished, verification } = status;
  const progress = progressOf(status);
  const parts = [
    `${settledOf(tiles)} of ${counted(tiles.total, 'tile')}${percent(progress)}`,
    ...(progress.last10s === null ? [] : [rateWords(progress.last10s)]),
    `${tiles.failed} failed`,
    ...(finished || status.state !== 'running'
      ? [stateWords(status)]
      : [away ?? leftWords(status, progress)]),
    ...(verification === null ? [] : [verificationWords(verification, status.now)]),
  ];
  return `${definition.name}: ${parts.join(', ')}`;
}

/**
 * Of those who say that a store is away, of so many workers in all; null if none does.
 * `source unreachable since 12:00:07Z (2 of 8 workers): no answer`
 */
export function awayWords(workers: readonly WorkerReport[], all = workers.length): string | null {
  const away = workers.filter(({ state }) => state.endsWith('unreachable'));
  const [first] = away.toSorted((a, b) => a.since - b.since);
  if (first === undefined) return null;
  const how = first.detail === '' ? '' : `: ${first.detail}`;
  return `${first.state} since ${timeOfDay(first.since)} (${away.length} of ${counted(all, 'worker')})${how}`;
}

/** Of one that runs: `18 s left at the rate of the last minute`, or why it is not known. */
export function leftWords(
  { planClosed, tiles, descriptors }: MigrationStatus,
  { leftMs, leftBy }: Progress,
): string {
  if (!planClosed) return 'still planning';
  if (tiles.total > 0 && settledOf(tiles) === tiles.total)
    return `${counted(descriptors.total - settledOf(descriptors), 'descriptor')} left`;
  return leftMs === null
    ? 'time left not known yet'
    : `${duration(leftMs)} left at the rate of the ${leftBy}`;
}

/** `verification 2: 1034 of 2070 checks (49.9 %), 3 failed, 42 s left` */
export function verificationWords(verification: VerificationStatus, now: number): string {
  const { round, checks, images, finished } = verification;
  if (finished) {
    const { matched, restarted, unproven } = images;
    return `verification ${round}: ${counted(matched, 'image')} matched, ${restarted} restarted, ${unproven} unproven`;
  }
  const progress = verificationProgress(verification, now);
  const { leftMs } = progress;
  const settled = `${settledOf(checks)} of ${counted(checks.total, 'check')}${percent(progress)}`;
  const left = leftMs === null ? '' : `, ${duration(leftMs)} left`;
  return `verification ${round}: ${settled}, ${checks.failed} failed${left}`;
}

function percent(progress: Progress): string {
  const words = shareWords(progress);
  return words === null ? '' : ` (${words})`;
}

/** `91.6 %`, rounded down: 100 % is said of all alone. null: of nothing there is no share. */
export function shareWords({ share }: Pick<Progress, 'share'>): string | null {
  return share === null ? null : `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;
}
