import { expect, test } from 'vitest';
import { lineWidth, textOf } from '../../../../cli/dashboard/cells.js';
import { dialogText } from '../../../../cli/dashboard/dialogs.js';
import { KEYS, keysOf } from '../../../../cli/dashboard/keys.js';
import { type Dialog, FIRST_STATE, type State, type View } from '../../../../cli/dashboard/state.js';

const VIEWS = [...new Set(KEYS.flatMap(({ views }) => views))];
const FLEET: State = { ...FIRST_STATE, page: 'fleet' };
const on = (view: View): State =>
  view === 'fleet' || view === 'migration'
    ? { ...FIRST_STATE, page: view }
    : { ...FIRST_STATE, details: [{ kind: view } as never] };
const linesOf = (dialog: Dialog, state: State): string[] => dialogText(dialog, state).lines.map(textOf);

test.each(VIEWS)('the help of %s has its keys first, then all others, each key once', (view) => {
  const lines = linesOf({ kind: 'help' }, on(view));
  const middle = lines.indexOf('Elsewhere');
  const labels = lines.map((line) => line.slice(0, 9).trim().split(' '));
  const here = labels.slice(0, middle).flat().filter(Boolean);
  const elsewhere = labels.slice(middle + 1).flat();
  expect(here).toEqual(keysOf(view).map(([key]) => key));
  const all = KEYS.flatMap(({ keys }) => keys.map(([key]) => key));
  expect([...here, ...elsewhere].toSorted()).toEqual([...new Set(all)].toSorted());
});

test.each(VIEWS)('the last line of %s ends with how to get help and how to quit', (view) => {
  expect(keysOf(view).slice(-2)).toEqual([
    ['?', 'help'],
    ['q', 'quit'],
  ]);
});

test('what belongs to the view is seen on 60 x 15 without turning a page', () => {
  for (const view of VIEWS) {
    const { lines } = dialogText({ kind: 'help' }, on(view));
    expect(lines.indexOf(lines.find((line) => textOf(line) === 'Elsewhere')!)).toBeLessThanOrEqual(14);
    for (const line of lines) expect(lineWidth(line)).toBeLessThanOrEqual(56);
  }
});

test('a question says how to answer; what comes from outside is fit to be shown', () => {
  const question = 'Stop a\x1b[2J.service?';
  expect(linesOf({ kind: 'confirm', question, intent: { kind: 'stop', unit: 'a' } }, FLEET)).toEqual([
    'Stop a�[2J.service?',
    '',
    'y yes   any other key: no',
  ]);
});

test('a filter shows what is typed, and of failures which words choose', () => {
  const dialog = { kind: 'filter', block: 'failures', text: 'http' } as const;
  expect(linesOf(dialog, FIRST_STATE)).toEqual([
    'http_',
    '',
    'Enter takes it, Esc leaves it, Ctrl-U empties it',
  ]);
  expect(linesOf(dialog, on('failures'))[2]).toBe('words: reason=http-404 image=ID status=404 lane=tiles');
});
