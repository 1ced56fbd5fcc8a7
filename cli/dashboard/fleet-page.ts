import type { Page } from './page.js';
import type { Snapshot } from './snapshot.js';
import type { State } from './state.js';

/** The cluster: its machines, its units and what becomes of them. */
export function fleetPage(_snapshot: Snapshot, _state: State): Page {
  return { title: [{ text: 'fleet', tone: 'strong' }], alarms: [], blocks: [], keys: [], brief: [] };
}
