import type { Clock } from '../runtime/clock.js';
import { messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { isAway } from './redis-away.js';
import type { WorkerQueue } from './work-queue.js';

/** What a worker asks the queue, with a watch on how it answers: trouble is told once, and its end. */
export interface QueueWatch {
  readonly queue: Pick<WorkerQueue, 'claim' | 'checkpoint'>;
  /** Why there is no answer, since when (ms since the epoch); null while there are answers. */
  readonly trouble: QueueTrouble | null;
}

export interface QueueTrouble {
  readonly since: number;
  readonly detail: string;
}

export interface QueueWatchOptions {
  readonly queue: Pick<WorkerQueue, 'claim' | 'checkpoint'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Trouble began, changed or ended. */
  readonly onChange: () => void;
}

export function watchQueue({ queue, clock, log, onChange }: QueueWatchOptions): QueueWatch {
  let trouble: QueueTrouble | null = null;

  async function watched<T>(ask: () => Promise<T>): Promise<T> {
    try {
      const answer = await ask();
      if (trouble !== null) {
        trouble = null;
        log.info({}, 'the queue answers again');
        onChange();
      }
      return answer;
    } catch (error) {
      if (isAway(error)) note(messageOf(error));
      throw error;
    }
  }

  function note(detail: string): void {
    if (trouble?.detail === detail) return;
    // One trouble may say several things after another: reset, timed out, refused.
    if (trouble === null) log.warn({}, `waiting: ${detail}`);
    trouble = { since: trouble?.since ?? clock.now(), detail };
    onChange();
  }

  return {
    queue: {
      claim: (request) => watched(() => queue.claim(request)),
      checkpoint: (token, migration, point) => watched(() => queue.checkpoint(token, migration, point)),
    },
    get trouble() {
      return trouble;
    },
  };
}
