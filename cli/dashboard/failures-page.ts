import type { Detail } from './detail.js';
import type { Page } from './page.js';
import type { Snapshot } from './snapshot.js';
import type { State } from './state.js';

export function failuresPage(
  _snapshot: Snapshot,
  _state: State,
  _detail: Extract<Detail, { kind: 'failures' }>,
): Page {
  return {
    title: [{ text: 'failures', tone: 'strong' }],
    alarms: [],
    blocks: [],
    about: {},
    keys: [],
    brief: [],
  };
}
