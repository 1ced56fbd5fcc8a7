import type { Lane, MigrationStatus, StateCounts } from './work-queue.js';

/**
 * Why a worker of this lane that serves a migration cannot call its work ended, in words; null if it can: what the lane has
 * is settled and no more will come, or the migration is cancelled.
 */
export function leftToDo(status: MigrationStatus, lane: Lane): string | null {
  const { state, reason, planClosed, planOpen, definition } = status;
  const name = `migration ${definition.name}`;
  if (state === 'cancelled' || isOver(status, lane)) return null;
  if (state === 'paused') return `${name} is paused${reason === '' ? '' : `: ${reason}`}`;
  if (!planClosed && lane !== 'checks') {
    const lists = planOpen.length === 0 ? 'no list of images has been read' : planOpen.join(', ');
    return `the plan of ${name} is open: ${lists}`;
  }
  if (lane === 'descriptors' && left(status.descriptors) === 0)
    return `the descriptors of ${name} wait for their tiles`;
  return `the last ${lane} of ${name} are with other workers or wait to be tried again`;
}

/** Whether something of what the lane has to do with failed for good. */
export function hasFailures(status: MigrationStatus, lane: Lane): boolean {
  const { state, tiles, descriptors, images, verification } = status;
  if (state === 'cancelled') return false;
  if (lane === 'checks')
    return verification !== null && verification.checks.failed + verification.images.restarted > 0;
  return tiles.failed + descriptors.failed + images.refused > 0;
}

function isOver(status: MigrationStatus, lane: Lane): boolean {
  switch (lane) {
    case 'tiles':
      return status.planClosed && left(status.tiles) === 0;
    case 'descriptors':
      return status.finished;
    case 'checks':
      return status.verification === null || status.verification.finished;
  }
}

function left({ total, done, skipped, failed }: StateCounts): number {
  return total - done - skipped - failed;
}
