import type { Detail } from './detail.js';
import type { Page } from './page.js';
import type { Snapshot } from './snapshot.js';
import type { State } from './state.js';

/** One unit from near: why it is where it is, how it is there, and its output. */
export function unitPage(
  _snapshot: Snapshot,
  _state: State,
  { unit }: Extract<Detail, { kind: 'unit' }>,
): Page {
  return { title: [{ text: unit, tone: 'strong' }], alarms: [], blocks: [], keys: [], brief: [] };
}
