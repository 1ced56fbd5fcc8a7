import type { Page } from './page.js';
import type { Snapshot } from './snapshot.js';
import type { State } from './state.js';

export function migrationPage(_snapshot: Snapshot, _state: State): Page {
  return {
    title: [{ text: 'migration', tone: 'strong' }],
    alarms: [],
    blocks: [],
    about: {},
    keys: [],
    brief: [],
  };
}
