import { descriptorKey, tileAt, tileKey } from '../../jobs/pyramid.js';
import type { FailureRecord, ImageGeometry, MigrationStatus } from '../../jobs/work-queue.js';
import { formatTable } from '../table.js';
import type { Comparison } from './compare.js';

export interface Verdict {
  readonly text: string;
  readonly accountedFor: boolean;
}

/**
 * The demo's last word. Lost: an object the source has and the destination lacks, or that differs, or that neither
 * has, unless a failure record says so (a withheld descriptor is one whose image has a failure). Counted twice:
 * what the queue counts as done beyond what is there.
 */
export function report(
  status: MigrationStatus,
  comparison: Comparison,
  failures: readonly FailureRecord[],
  geometries: ReadonlyMap<string, ImageGeometry>,
  seconds: number,
): Verdict {
  const excused = new Set(failures.flatMap((failure) => excusedKeys(failure, geometries)));
  const missing = [...comparison.absentAtSource, ...comparison.absentAtDestination, ...comparison.different];
  const lost = missing.filter((key) => !excused.has(key));
  const twice =
    Math.max(0, status.tiles.done - comparison.sameTiles) +
    Math.max(0, status.descriptors.done - comparison.sameDescriptors);
  const settled = status.tiles.done + status.tiles.skipped + status.tiles.failed;
  const rows = [
    [
      'images',
      `${status.images.total}`,
      `${status.images.published} published, ${status.images.withheld} withheld`,
    ],
    ['tiles', `${status.tiles.total}`, `${status.tiles.done} stored, ${status.tiles.failed} failed`],
    ['bytes', `${status.bytes}`, `${comparison.bytes} compared, byte for byte`],
    ['seconds', seconds.toFixed(1), ''],
    ['tiles/s', (settled / seconds).toFixed(1), ''],
    ['lost', `${lost.length}`, lost.slice(0, 3).join(' ')],
    ['counted twice', `${twice}`, ''],
  ];
  const failureRows = failures.map(
    ({ image, lane, first, count, reason, status: code }) =>
      [image, nameOf(lane, image, first, count, geometries), code > 0 ? `HTTP ${code}` : reason] as const,
  );
  const failed =
    failureRows.length === 0 ? '' : `\n${formatTable([['IMAGE', 'FAILED', 'REASON'], ...failureRows])}`;
  return {
    text: formatTable(rows) + failed,
    accountedFor: lost.length === 0 && twice === 0 && settled === status.tiles.total && status.finished,
  };
}

function excusedKeys(failure: FailureRecord, geometries: ReadonlyMap<string, ImageGeometry>): string[] {
  const descriptor = descriptorKey(failure.image);
  const geometry = geometries.get(failure.image);
  if (failure.lane !== 'tiles' || geometry === undefined) return [descriptor];
  const tiles = Array.from({ length: failure.count }, (_, at) =>
    tileKey(failure.image, tileAt(geometry, failure.first + at), geometry.format),
  );
  return [descriptor, ...tiles];
}

function nameOf(
  lane: FailureRecord['lane'],
  image: string,
  first: number,
  count: number,
  geometries: ReadonlyMap<string, ImageGeometry>,
): string {
  const geometry = geometries.get(image);
  if (lane !== 'tiles' || geometry === undefined) return descriptorKey(image);
  const key = tileKey(image, tileAt(geometry, first), geometry.format);
  return count === 1 ? key : `${key} and ${count - 1} more`;
}
