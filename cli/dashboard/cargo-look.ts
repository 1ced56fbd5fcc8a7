import type { Sample } from '../../jobs/progress.js';
import type { OperatorQueue } from '../../jobs/work-queue.js';
import { createLook } from '../stats.js';
import { chosenMigration } from './chosen-migration.js';
import { extended } from './history.js';
import type { KnownImages } from './known-images.js';
import type { Cargo } from './snapshot.js';

export interface CargoLook {
  /**
   * All migrations and workers as they are, and the newest failures of the migration that is shown while `wanted` is
   * wanted. Rejects with the sentence of why Redis cannot be read.
   */
  look(wanted: string | null): Promise<Cargo>;
}

/** So many of the newest failures are shown at most. */
const FAILURES = 100;

export function createCargoLook({
  queue,
  images,
}: {
  readonly queue: OperatorQueue;
  readonly images: KnownImages;
}): CargoLook {
  const lookAtAll = createLook(queue);
  let history: ReadonlyMap<string, readonly Sample[]> = new Map();

  return {
    async look(wanted) {
      const picture = await lookAtAll();
      history = new Map(
        [...picture.migrations].map(([name, found]) => {
          const before = history.get(name) ?? [];
          return [name, 'trouble' in found ? before : extended(before, found)];
        }),
      );
      const shown = chosenMigration(picture, wanted);
      const status = shown === null ? undefined : picture.migrations.get(shown);
      if (shown === null || status === undefined || 'trouble' in status)
        return { ...picture, history, failures: [], images: new Map() };
      const failures = await queue.newestFailures(shown, FAILURES);
      const ids = failures.filter(({ lane }) => lane !== 'images').map(({ image }) => image);
      return { ...picture, history, failures, images: await images.of(shown, ids) };
    },
  };
}
