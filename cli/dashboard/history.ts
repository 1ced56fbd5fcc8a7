import type { Sample } from '../../jobs/progress.js';
import { settledOf } from '../../jobs/progress.js';
import type { MigrationStatus } from '../../jobs/work-queue.js';

/** So far back goes what the charts show. */
const KEPT_MS = 15 * 60_000;
/** Readings come about one a second; of those that are closer the later ones are left out. */
const APART_MS = 750;
/** The queue reads its counters about once a second while there is work: where readings are further apart there was a rest. */
const DENSE_MS = 3_000;
const SECOND_MS = 1_000;

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
  const found = withRests([...status.samples, { at: now, settled: settledOf(status.tiles), bytes }]);
  for (const sample of found) {
    const last = kept.at(-1);
    if (last === undefined || sample.at >= last.at + APART_MS) kept.push(sample);
  }
  return kept;
}

/** Before a rest a reading lacks what its own second settled: the next has it, and all of it was there when the rest began. */
function withRests(samples: readonly Sample[]): readonly Sample[] {
  return samples.flatMap((sample, at) => {
    const next = samples[at + 1];
    const rested = next !== undefined && next.at - sample.at > DENSE_MS;
    return rested ? [sample, { ...next, at: sample.at + SECOND_MS }] : [sample];
  });
}
