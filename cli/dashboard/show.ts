import { openDashboard } from './dashboard.js';
import type { DivertedLog } from './diverted-log.js';
import { createHands } from './hands.js';
import { type Sources, withEyes } from './sources.js';
import type { State } from './state.js';

export interface ShowOptions {
  /** That one begins with. */
  readonly page: State['page'];
  /** Time between two looks at the same thing, in ms. */
  readonly intervalMs: number;
  readonly env: NodeJS.ProcessEnv;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** The program's, if it has one: it must not write over what is painted. */
  readonly log: DivertedLog | null;
  /** Who it is that acts, in words, and where files of units are looked for. */
  readonly by: string;
  readonly cwd: string;
}

/**
 * Shows the dashboard on this process's terminal until it is left, or the terminal is. Rejects with what could not be
 * shown, on a terminal given back.
 */
export async function showDashboard(sources: Sources, options: ShowOptions): Promise<void> {
  const { clock } = sources;
  const { env, by, cwd } = options;
  const log = process.stderr.isTTY ? options.log : null;
  const hands = createHands({ ...sources, by, cwd });
  // Only here: what paints takes longer to load than all the rest.
  const { openView } = await import('./blessed-view.js');
  await withEyes(sources, async (eyes) => {
    const { say, end, ended } = await openDashboard({
      ...options,
      ...{ eyes, hands, clock },
      openView: (events) => openView(events, env),
    });
    process.on('uncaughtException', end);
    log?.divert((words, isBad) => say(words, isBad ? 'bad' : 'dim'));
    try {
      await ended;
    } finally {
      log?.divert(null);
      process.off('uncaughtException', end);
    }
  });
}
