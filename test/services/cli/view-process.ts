/**
 * A made-up page on the real view, for tests: arrows choose, `?` helps, `x` fails, `l` puts what a log may hold into the
 * title, `q` and Ctrl-C end it with status 0.
 */
import { openView } from '../../../cli/dashboard/blessed-view.js';
import { layOut } from '../../../cli/dashboard/layout.js';
import type { Line, Page, Tone } from '../../../cli/dashboard/page.js';
import { FIRST_STATE, type State } from '../../../cli/dashboard/state.js';
import type { Key } from '../../../cli/dashboard/view.js';

const line = (text: string, tone: Tone = 'plain'): Line => [{ text, tone }];
let title = 'the view';
let chosen = 0;
const keys: string[] = [];

function page(): Page {
  return {
    title: [...line(title, 'strong'), ...line(` after ${keys.join(' ')}`)],
    alarms: [line('source unreachable', 'bad')],
    about: {},
    blocks: [
      {
        ...{ id: 'latency', title: '遅延 latency', band: 0, spare: 1 },
        ...{ grow: { width: 1, height: 1 }, least: { width: 30, height: 7 } },
        body: {
          kind: 'chart',
          series: [
            { label: 'p50', tone: 'good', values: [0, 1, 2, 3, 4] },
            { label: 'p99', tone: 'warn', values: [5, 5, null, 5, 5] },
          ],
          told: (value) => `${value} ms`,
          ...{ from: '5 min ago', to: 'now' },
        },
      },
      {
        ...{ id: 'workers', title: 'workers', band: 1, spare: 0 },
        ...{ grow: { width: 1, height: 1 }, least: { width: 30, height: 6 } },
        body: {
          kind: 'table',
          columns: [{ head: 'worker', align: 'left', spare: 0 }],
          rows: Array.from({ length: 64 }, (_, at) => ({
            key: String(at),
            cells: [line(`worker ${at} 図書館`)],
            ...{ opens: null, about: {}, marked: false },
          })),
          empty: 'none',
          selected: String(chosen),
        },
      },
    ],
    keys: [['q', 'quit']],
    brief: [line('in short')],
  };
}

let state: State = FIRST_STATE;

function pressed({ name }: Key): void {
  keys.push(name);
  if (name === 'q' || name === 'ctrl-c') {
    view.close();
    return;
  }
  if (name === 'x') throw new Error('a mistake of ours');
  if (name === 'l') title = 'log \x1b]0;owned\x07\x1b[2J\u202e{red-fg}{bold}';
  if (name === 'down') chosen += 1;
  state = { ...state, dialog: name === '?' ? { kind: 'help' } : null };
  paint();
}

function paint(): void {
  view.paint(layOut(page(), state, view.size()));
}

const view = await openView({ onKey: pressed, onResize: paint }, process.env);
paint();
