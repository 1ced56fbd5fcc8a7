import type { Clock } from '../../runtime/clock.js';
import type { ApiClient } from '../client.js';
import type { Fleet } from './snapshot.js';

export interface FleetLook {
  /**
   * The cluster as it is known by now, at the revision it says. `conditions`: machines whose condition is wanted. What
   * is listed once is kept by events. Rejects with the sentence of why it cannot be known while that is so.
   */
  look(wanted: { readonly conditions: readonly string[] }, signal: AbortSignal): Promise<Fleet>;
  /** Ends what listens; `api` stays open. */
  close(): Promise<void>;
}

export function createFleetLook(_options: { readonly api: ApiClient; readonly clock: Clock }): FleetLook {
  throw new Error('not built yet');
}
