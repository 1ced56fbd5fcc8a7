import { clean, pad } from './cells.js';
import { FILTER_WORDS } from './filter-words.js';
import { KEYS, type KeyRow } from './keys.js';
import type { Line } from './page.js';
import { dim, span, strong } from './spans.js';
import { type Dialog, type State, type View, viewOf } from './state.js';

/** Over all else: what it says, before it has a size. */
export interface DialogText {
  readonly title: string;
  readonly lines: readonly Line[];
}

export function dialogText(dialog: Dialog, state: State): DialogText {
  const view = viewOf(state);
  switch (dialog.kind) {
    case 'help':
      return { title: 'keys', lines: helpLines(view) };
    case 'confirm':
      return {
        title: 'sure?',
        lines: [[strong(dialog.question)], [], [strong('y'), span(' yes   '), dim('any other key: no')]],
      };
    case 'filter':
      return {
        title: `filter: ${dialog.block}`,
        lines: [
          [span(dialog.text, 'accent'), strong('_')],
          [],
          ...(view === 'failures' ? [[dim(`words: ${FILTER_WORDS}`)]] : []),
          [dim('Enter takes it, Esc leaves it, Ctrl-U empties it')],
        ],
      };
  }
}

const KEY_CELLS = 9;

/** Those of this view first: a small terminal shows no more. */
function helpLines(view: View): Line[] {
  const here = KEYS.filter(({ views }) => views.includes(view));
  const known = new Set(here.flatMap(({ keys }) => keys.map(([key]) => key)));
  const elsewhere = KEYS.filter(({ keys }) => keys.every(([key]) => !known.has(key)));
  return [...here.map(helpLine), [], [strong('Elsewhere')], ...elsewhere.map(helpLine)];
}

function helpLine({ keys, help }: KeyRow): Line {
  const label = keys.map(([key]) => clean(key)).join(' ');
  return [...pad([strong(label)], KEY_CELLS), span(help)];
}
