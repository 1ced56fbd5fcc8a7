import type { Page } from './page.js';
import type { View } from './state.js';

/** Keys that belong together, and what they do. */
export interface KeyRow {
  /** Each with its word for the last line. */
  readonly keys: readonly (readonly [key: string, what: string])[];
  /** For the help: `pause, resume the migration`. */
  readonly help: string;
  /** Where they mean something. */
  readonly views: readonly View[];
}

const ALL: readonly View[] = [
  'migration',
  'fleet',
  'worker',
  'unit',
  'machine',
  'image',
  'failures',
  'failure',
];
const OF_A_MIGRATION: readonly View[] = ['migration', 'image', 'failures', 'failure'];

/** All keys there are, the most important first; the last two of every view are those that help and quit. */
export const KEYS: readonly KeyRow[] = [
  {
    keys: [
      ['p', 'pause'],
      ['r', 'resume'],
    ],
    help: 'pause, resume the migration',
    views: OF_A_MIGRATION,
  },
  { keys: [['f', 'failures']], help: 'failures of the migration', views: ['migration', 'image', 'failure'] },
  { keys: [['t', 'try again']], help: 'try the marked or chosen failures again', views: OF_A_MIGRATION },
  {
    keys: [
      ['Space', 'mark'],
      ['a', 'all'],
    ],
    help: 'mark a failure, all that are listed',
    views: ['migration', 'image', 'failures'],
  },
  {
    keys: [['s', 'start/stop']],
    help: 'start or stop the chosen unit',
    views: ['fleet', 'unit', 'machine', 'worker', 'migration'],
  },
  { keys: [['d', 'drain']], help: 'drain the chosen machine, or end that', views: ['fleet', 'machine'] },
  {
    keys: [
      ['+', 'more'],
      ['-', 'fewer importers'],
    ],
    help: 'one importer more, fewer',
    views: ['migration', 'fleet'],
  },
  { keys: [['o', 'order']], help: 'order workers by name, rate, failures', views: ['migration'] },
  {
    keys: [
      ['[', 'previous'],
      [']', 'next'],
    ],
    help: 'the migration before, after this one',
    views: ['migration'],
  },
  { keys: [['Enter', 'open']], help: 'see the chosen row from near', views: ALL },
  {
    keys: [['Esc', 'back']],
    help: 'back',
    views: ['worker', 'unit', 'machine', 'image', 'failures', 'failure'],
  },
  {
    keys: [
      ['1', 'migration'],
      ['2', 'fleet'],
    ],
    help: 'the page of the migration, of the fleet',
    views: ALL,
  },
  { keys: [['Tab', 'table']], help: 'the next table (Shift-Tab: the one before)', views: ALL },
  { keys: [['/', 'filter']], help: 'filter the table', views: ALL.filter((view) => view !== 'failures') },
  {
    keys: [['/', 'filter']],
    help: 'filter: text, or reason= image= status= lane=',
    views: ['failures'],
  },
  {
    keys: [
      ['?', 'help'],
      ['q', 'quit'],
    ],
    help: 'this; quit (Ctrl-C too)',
    views: ALL,
  },
];

/** For the last line of a page: the keys that mean something on this view, the most important first. */
export function keysOf(view: View): Page['keys'] {
  return KEYS.filter(({ views }) => views.includes(view)).flatMap(({ keys }) => keys);
}
