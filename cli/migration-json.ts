import { quantile } from '../jobs/latency.js';
import { progressOf } from '../jobs/progress.js';
import { descriptorKey, tileAt, tileKey } from '../jobs/pyramid.js';
import type {
  FailureRecord,
  Image,
  ImageStatus,
  MigrationStatus,
  StoreLatency,
  VerificationStatus,
  WorkerReport,
} from '../jobs/work-queue.js';
import type { ListedFailure, ShownImage, ShownMigration } from './migration-output.js';
import { stateWords } from './migration-text.js';
import { isoOrNull } from './store-text.js';

/** From the queue's answers to what `-o` prints of them. */

export function shownMigration(status: MigrationStatus, workers: readonly WorkerReport[]): ShownMigration {
  const { samples: _, verification, planOpen, startedAt, finishedAt, now, ...same } = status;
  const { leftMs, ...progress } = progressOf(status);
  return {
    ...same,
    ...{ words: stateWords(status), planOpen: [...planOpen], ...progress },
    leftMs: leftMs === null ? null : Math.round(leftMs),
    ...{ startedAt: isoOrNull(startedAt), finishedAt: isoOrNull(finishedAt), now: iso(now) },
    verification: verification === null ? null : shownVerification(verification),
    workers: workers.map(shownWorker),
  };
}

export function shownWorker({ latency, since, ...same }: WorkerReport): ShownMigration['workers'][number] {
  return { ...same, since: iso(since), latency: latency.flatMap(shownLatency) };
}

function shownLatency({ side, kind, counts }: StoreLatency) {
  const [p50, p99] = [quantile(counts, 0.5), quantile(counts, 0.99)];
  const requests = counts.reduce((sum, count) => sum + count, 0);
  return p50 === null || p99 === null
    ? []
    : [{ side, kind, requests, p50Ms: tenths(p50), p99Ms: tenths(p99) }];
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

function shownVerification({ options, images, startedAt, finishedAt, ...same }: VerificationStatus) {
  const times = { startedAt: iso(startedAt), finishedAt: isoOrNull(finishedAt) };
  return { ...same, ...options, ...images, ...times };
}

export function shownImage({ image, ...same }: ImageStatus): ShownImage {
  const { id, number: at, width, height, tileSize, overlap, format, tiles } = image;
  const { stored, failed, bytes, digest, descriptor } = same;
  return {
    ...{ image: id, number: at, width, height, tileSize, overlap, format, tiles },
    ...{ stored, failed, left: tiles - stored - failed, bytes, digest, descriptor },
  };
}

/** `image` has the geometry that the keys of tiles come from; null if it is not known. */
export function listedFailure(failure: FailureRecord, image: Image | null): ListedFailure {
  const key = (at: number): string | null => keyOf(failure, at, image);
  return { ...failure, key: key(failure.first), lastKey: key(failure.first + failure.count - 1) };
}

/** Number `tiles` of lane `checks` is the image as a whole, whose descriptor stands for it. */
export function keyOf(
  { lane, image: id }: Pick<FailureRecord, 'lane' | 'image'>,
  at: number,
  image: Image | null,
): string | null {
  if (lane === 'images' || lane === 'descriptors') return descriptorKey(id);
  if (image === null) return null;
  return at < image.tiles ? tileKey(id, tileAt(image, at), image.format) : descriptorKey(id);
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
