import type { FailureFilter, MigrationStatus } from '../../jobs/work-queue.js';

type Counters = Pick<MigrationStatus, 'tiles' | 'descriptors' | 'images' | 'failures' | 'verification'>;

/** How many items have failed that match, where a counter of the migration says it; null: nobody counts these. */
export function itemsFailed(status: Counters, { lane, reason, ...more }: FailureFilter): number | null {
  if (Object.keys(more).length > 0) return null;
  const checks = status.verification?.checks.failed ?? 0;
  const lanes = {
    tiles: status.tiles.failed,
    descriptors: status.descriptors.failed,
    images: status.images.refused,
    checks,
  };
  if (reason === undefined)
    return lane === undefined ? Object.values(lanes).reduce((sum, failed) => sum + failed, 0) : lanes[lane];
  // By reason all lanes but checks are counted together.
  return lane === undefined && checks === 0 ? (status.failures[reason] ?? 0) : null;
}
