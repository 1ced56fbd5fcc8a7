import type { OperatorQueue } from '../../jobs/work-queue.js';
import type { Clock } from '../../runtime/clock.js';
import type { ApiClient } from '../client.js';
import type { Detail } from './detail.js';
import type { Opened } from './snapshot.js';

export interface OpenedLookOptions {
  readonly queue: OperatorQueue;
  /** null: no convoyd is known. */
  readonly api: ApiClient | null;
}

export interface OpenedLook {
  /**
   * Looks up what the view of `detail` needs. What cannot be read stays as it was `before`, and `trouble` says why it
   * cannot. Rejects only with `aborted`, when `signal` fires.
   */
  look(detail: Detail, before: Opened | null, signal: AbortSignal): Promise<Opened>;
}

export function createOpenedLook(_options: OpenedLookOptions): OpenedLook {
  throw new Error('not built yet');
}
