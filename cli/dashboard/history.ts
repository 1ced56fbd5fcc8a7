import type { Sample } from '../../jobs/progress.js';
import { settledOf } from '../../jobs/progress.js';
import type { MigrationStatus } from '../../jobs/work-queue.js';

/** So far back goes what the charts show. */
const KEPT_MS = 15 * 60_000;
/** Readings come about one a second; of those that are closer the later ones are left out. */
const APART_MS = 750;

/**
 * The readings of a migration's counters with those that `status` brings, oldest first, about one a second: those of the
 * last minute come with it, also on the first look, and its own counts are one more, so that a rest is seen as one.
 */
export function extended(
  before: readonly Sample[],
  status: Pick<MigrationStatus, 'samples' | 'tiles' | 'bytes' | 'now'>,
): readonly Sample[] {
  const { now, bytes } = status;
  // Redis's clock, or Redis itself, may have gone back: what is told of later times is of another life.
  const kept = before.filter(({ at }) => at > now - KEPT_MS && at <= now);
  const found = [...status.samples, { at: now, settled: settledOf(status.tiles), bytes }];
  for (const sample of found) {
    const last = kept.at(-1);
    if (last === undefined || sample.at >= last.at + APART_MS) kept.push(sample);
  }
  return kept;
}
