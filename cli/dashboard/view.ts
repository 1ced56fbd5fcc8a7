import type { Frame } from './frame.js';

/** Seam: a terminal. The one file that knows blessed is behind it. */
export interface View {
  /** As it is now. */
  size(): { readonly columns: number; readonly rows: number };
  paint(frame: Frame): void;
  /** Gives the terminal back as it was: cursor, main screen, echo. Twice is once. */
  close(): void;
}

/** `name` as in `up`, `down`, `left`, `right`, `pageup`, `pagedown`, `home`, `end`, `enter`, `escape`, `tab`, `backtab`, `space`, `backspace`; else the character typed. */
export interface Key {
  readonly name: string;
  /** What it adds to a text that is being typed; empty: nothing. */
  readonly text: string;
}

export interface ViewEvents {
  onKey(key: Key): void;
  onResize(): void;
}
