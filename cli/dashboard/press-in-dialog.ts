import { clean } from './cells.js';
import { readFilterWords } from './filter-words.js';
import { begun } from './moves.js';
import type { BlockId } from './page.js';
import type { Pressed } from './press.js';
import type { Dialog, State } from './state.js';
import type { Key } from './view.js';

/** Nobody looks for more. */
const MOST_TYPED = 200;

/** A key while a dialog is open: none of them reaches the page below. */
export function pressInDialog(state: State, dialog: Dialog, { name, text }: Key): Pressed {
  const closed: State = { ...state, dialog: null, said: null };
  switch (dialog.kind) {
    case 'help':
      return turned(closed);
    case 'confirm':
      if (name === 'y') return { state: begun(closed, dialog.intent), intent: dialog.intent, quit: false };
      return turned({ ...closed, said: { words: 'nothing was changed', tone: 'dim' } });
    case 'filter': {
      if (name === 'escape') return turned(closed);
      if (name === 'enter') return turned(filtered(state, dialog.block, dialog.text.trim()));
      const typed = edited(dialog.text, name, text);
      return turned({ ...state, said: null, dialog: { ...dialog, text: typed } });
    }
  }
}

const turned = (state: State): Pressed => ({ state, intent: null, quit: false });

function edited(text: string, name: string, more: string): string {
  if (name === 'ctrl-u') return '';
  const characters = [...text];
  if (name === 'backspace') return characters.slice(0, -1).join('');
  return [...characters, ...clean(more)].slice(0, MOST_TYPED).join('');
}

/** With the filter that was typed. Of failures, words that choose among them are for whoever lists them. */
function filtered(state: State, block: BlockId, text: string): State {
  const detail = state.details.at(-1);
  if (detail?.kind !== 'failures') return withFilter(state, block, text);
  const read = readFilterWords(text);
  if ('problem' in read) return { ...state, said: { words: read.problem, tone: 'bad' } };
  const details = [...state.details.slice(0, -1), { ...detail, filter: read.filter }];
  return withFilter({ ...state, details }, block, read.rest);
}

/** What one no longer sees is not marked any more. */
function withFilter(state: State, block: BlockId, text: string): State {
  const { [block]: _, ...others } = state.filters;
  const filters = text === '' ? others : { ...others, [block]: text };
  return { ...state, dialog: null, said: null, marked: [], filters };
}
