import type { Frame } from './frame.js';
import type { Intent } from './intent.js';
import type { Page } from './page.js';
import type { Snapshot } from './snapshot.js';
import type { State } from './state.js';
import type { Key } from './view.js';

/** What is on the screen when a key comes: of one moment, that of the last frame painted. */
export interface Seen {
  readonly snapshot: Snapshot;
  readonly page: Page;
  readonly frame: Frame;
}

export interface Pressed {
  readonly state: State;
  /** What is to be done to the world; null: nothing. */
  readonly intent: Intent | null;
  readonly quit: boolean;
}

/** What a key does. A key that means nothing here changes nothing, but may be told why in the last line. */
export function press(state: State, { name }: Key, _seen: Seen): Pressed {
  return { state: { ...state, said: null }, intent: null, quit: name === 'q' };
}
