import type { Detail } from './detail.js';
import type { Page } from './page.js';
import type { Snapshot } from './snapshot.js';
import type { State } from './state.js';

export function workerPage(
  _snapshot: Snapshot,
  _state: State,
  _detail: Extract<Detail, { kind: 'worker' }>,
): Page {
  return {
    title: [{ text: 'worker', tone: 'strong' }],
    alarms: [],
    blocks: [],
    about: {},
    keys: [],
    brief: [],
  };
}
