import type { Clock } from '../../runtime/clock.js';
import type { CargoLook } from './cargo-look.js';
import type { FleetLook } from './fleet-look.js';
import type { Intent } from './intent.js';
import type { OpenedLook } from './opened-look.js';
import type { State } from './state.js';
import type { View, ViewEvents } from './view.js';

export interface DashboardOptions {
  readonly page: State['page'];
  /** Time between two looks at the same thing, in ms. */
  readonly intervalMs: number;
  readonly cargo: CargoLook;
  readonly fleet: FleetLook;
  readonly opened: OpenedLook;
  readonly hands: { perform(intent: Intent, signal: AbortSignal): Promise<string> };
  readonly openView: (events: ViewEvents) => Promise<View>;
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/**
 * Shows and obeys until `q` or `signal`. The view is closed whatever happens; rejects with what could not be painted.
 */
export async function runDashboard(_options: DashboardOptions): Promise<void> {
  throw new Error('not built yet');
}
