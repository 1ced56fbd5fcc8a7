import type { Sample } from '../../jobs/progress.js';
import type { OperatorQueue } from '../../jobs/work-queue.js';
import { createLook } from '../stats.js';
import { extended } from './history.js';
import { chosenMigration } from './chosen-migration.js';
import type { Cargo } from './snapshot.js';

export interface CargoLook {
  /**
   * All migrations and workers as they are, and the newest failures of the migration shown when `wanted` is (null: whichever
   * is shown then). Rejects with the sentence of why Redis cannot be read.
   */
  look(wanted: string | null): Promise<Cargo>;
}

/** So many of the newest failures are shown at most. */
const FAILURES = 100;

export function createCargoLook(queue: OperatorQueue): CargoLook {
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
      const readable = shown !== null && status !== undefined && !('trouble' in status);
      return {
        ...picture,
        history,
        failures: readable ? await queue.newestFailures(shown, FAILURES) : [],
      };
    },
  };
}
