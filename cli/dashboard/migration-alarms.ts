import { grouped } from '../../jobs/quantities.js';
import type { MigrationStatus, WorkerReport } from '../../jobs/work-queue.js';
import { pausedItself } from '../migration-text.js';
import { awayWords as storeAwayWords } from '../stats-text.js';
import { awayWords } from './away-words.js';
import type { Line } from './page.js';
import type { Cargo, Reading } from './snapshot.js';
import { bad, warn } from './spans.js';
import { troubleOf } from './worker-rows.js';

/** What is in the way of the cargo, and what stands still: a line each. `shown`: the migration on the page. */
export function cargoAlarms(
  { value, readAt, trouble }: Reading<Cargo>,
  shown: string | null,
): readonly Line[] {
  return [
    ...(trouble === null ? [] : [[bad(awayWords('Redis', 'the migrations', trouble, readAt))]]),
    ...(value === null ? [] : ofMigrations(value, shown)),
  ];
}

function ofMigrations({ migrations, workers }: Cargo, shown: string | null): Line[] {
  const lost = [...migrations].flatMap(([name, found]) =>
    'trouble' in found ? [[bad(`${name}: ${found.trouble}`)]] : [],
  );
  const few = lost.length <= MOST_TOLD + 1 ? lost : lost.slice(0, MOST_TOLD);
  const more = lost.length - few.length;
  const found = shown === null ? undefined : migrations.get(shown);
  return [
    ...few,
    ...(more === 0 ? [] : [[bad(`${grouped(more)} more migrations cannot be read`)]]),
    ...ofStores(workers),
    ...(shown === null || found === undefined || 'trouble' in found ? [] : ofOne(shown, found, workers)),
  ];
}

/** So many are told one by one: below them there is a page to be seen. */
const MOST_TOLD = 2;

/** Workers do not say of which migration's store they speak. */
function ofStores(workers: readonly WorkerReport[]): Line[] {
  return (['source unreachable', 'destination unreachable'] as const).flatMap((state) => {
    const words = storeAwayWords(
      workers.filter((worker) => worker.state === state),
      workers.length,
    );
    return words === null ? [] : [[bad(words)]];
  });
}

function ofOne(name: string, status: MigrationStatus, workers: readonly WorkerReport[]): Line[] {
  const { state, finished, reason } = status;
  if (finished || state === 'cancelled') return [];
  if (pausedItself(status)) return [[bad(`paused by itself: ${reason}`)]];
  if (state === 'paused') return [];
  if (workers.length === 0 && status.tiles.total > 0)
    return [[warn('no worker has told of itself lately: start zh-import-blobs and zh-upload-dzis')]];
  return troubleOf(name, workers).map((words) => [bad(words)]);
}
