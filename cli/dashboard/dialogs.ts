import type { Line } from './page.js';
import type { Dialog, State } from './state.js';

/** Over all else: what it says, before it has a size. */
export interface DialogText {
  readonly title: string;
  readonly lines: readonly Line[];
}

export function dialogText(dialog: Dialog, _state: State): DialogText {
  return { title: dialog.kind, lines: [] };
}
