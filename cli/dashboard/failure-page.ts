import type { Detail } from './detail.js';
import type { Page } from './page.js';
import type { Snapshot } from './snapshot.js';
import type { State } from './state.js';

export function failurePage(
  _snapshot: Snapshot,
  _state: State,
  _detail: Extract<Detail, { kind: 'failure' }>,
): Page {
  return {
    title: [{ text: 'failure', tone: 'strong' }],
    alarms: [],
    blocks: [],
    about: {},
    keys: [],
    brief: [],
  };
}
