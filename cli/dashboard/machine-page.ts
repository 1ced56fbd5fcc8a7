import type { Detail } from './detail.js';
import type { Page } from './page.js';
import type { Snapshot } from './snapshot.js';
import type { State } from './state.js';

/** One machine from near: its condition, its units, and what happened to it. */
export function machinePage(
  _snapshot: Snapshot,
  _state: State,
  { machine }: Extract<Detail, { kind: 'machine' }>,
): Page {
  return { title: [{ text: machine, tone: 'strong' }], alarms: [], blocks: [], keys: [], brief: [] };
}
