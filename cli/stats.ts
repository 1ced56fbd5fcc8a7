import type { MigrationStatus, OperatorQueue, WorkerReport } from '../jobs/work-queue.js';
import { ConvoyError, kindOf, messageOf } from '../runtime/errors.js';
import { shownMigration } from './migration-json.js';
import { awayWords, plainLine } from './stats-text.js';

/** What Redis tells at one moment. */
export interface Picture {
  /** In the order created; one that cannot be read has its trouble in words, such as that Redis lost it. */
  readonly migrations: ReadonlyMap<string, MigrationStatus | { readonly trouble: string }>;
  readonly workers: readonly WorkerReport[];
}

const LOST = 'Redis lost it: its record was there and is gone';

/** Looks at all migrations, also those that are no longer in the list but were when it was last looked. */
export function createLook(queue: OperatorQueue): () => Promise<Picture> {
  const known = new Set<string>();

  async function one(name: string): Promise<MigrationStatus | { readonly trouble: string } | null> {
    try {
      return await queue.status(name);
    } catch (error) {
      // Of a Redis that is away, who asks for the whole picture hears.
      if (kindOf(error) !== 'permanent') throw error;
      return { trouble: error instanceof ConvoyError && error.code === 'lost' ? LOST : messageOf(error) };
    }
  }

  return async () => {
    for (const name of await queue.migrations()) known.add(name);
    const migrations = new Map<string, MigrationStatus | { readonly trouble: string }>();
    for (const name of known) {
      const found = await one(name);
      if (found !== null) migrations.set(name, found);
    }
    return { migrations, workers: await queue.workers() };
  };
}

export interface StatsOptions {
  readonly look: () => Promise<Picture>;
  readonly json: boolean;
  readonly say: (line: string) => void;
}

/**
 * Prints a line about every migration per call. What does not change (complete, paused, cancelled, lost, Redis away)
 * is said once, so that a service that runs for ever does not fill its log.
 */
export function createStats({ look, json, say }: StatsOptions): { round(): Promise<void> } {
  const lastSaid = new Map<string, string>();

  function sayOnce(about: string, text: string, line = text): void {
    if (lastSaid.get(about) === text) return;
    lastSaid.set(about, text);
    say(line);
  }
  function trouble(migration: string, problem: string): void {
    const about = migration === '' ? {} : { migration };
    const name = migration === '' ? '' : `${migration}: `;
    sayOnce(migration, problem, json ? JSON.stringify({ ...about, problem }) : `${name}${problem}`);
  }

  function tell({ migrations, workers }: Picture): void {
    const statuses = [...migrations].flatMap(([name, found]) => {
      if (!('trouble' in found)) return [found];
      trouble(name, found.trouble);
      return [];
    });
    const away = awayWords(workers);
    const running = statuses.filter(({ state, finished }) => state === 'running' && !finished);
    for (const status of statuses) {
      const { name } = status.definition;
      // Workers do not say of which migration's store they speak: with one it is clear.
      const plain = plainLine(status, running.length === 1 ? away : null);
      const line = json ? JSON.stringify({ migration: name, ...shownMigration(status, workers) }) : plain;
      if (isAtRest(status)) sayOnce(name, plain, line);
      else {
        lastSaid.delete(name);
        say(line);
      }
    }
    if (!json && running.length > 1 && away !== null) say(`workers: ${away}`);
    if (migrations.size === 0)
      sayOnce('none', 'there is no migration yet', json ? '{"migrations":0}' : undefined);
  }

  return {
    async round() {
      let picture: Picture;
      try {
        picture = await look();
      } catch (error) {
        if (kindOf(error) === 'aborted') throw error;
        trouble('', messageOf(error));
        return;
      }
      lastSaid.delete('');
      tell(picture);
    },
  };
}

/** Its line stays the same until somebody does something. */
function isAtRest({ finished, state, verification }: MigrationStatus): boolean {
  return (finished || state !== 'running') && verification?.finished !== false;
}
