import type { FailureFilter } from '../../jobs/work-queue.js';
import type { Detail } from './detail.js';

/**
 * Seam: what is to be seen, before it has a size. Pages are pure functions of a snapshot and the state of the dashboard;
 * the layout gives their blocks places, and leaves out what there is no room for.
 */
export interface Page {
  /** In the first line: what one looks at. */
  readonly title: Line;
  /** Below it, whatever the size, a line each: what is in the way, what stands still. Usually none. */
  readonly alarms: readonly Line[];
  /** By band, then from left to right. */
  readonly blocks: readonly Block[];
  /** What keys act upon, whichever row is chosen; what a chosen row is about goes before. */
  readonly about: About;
  /** Keys that mean something here, for the last line: `['p', 'pause']`. The most important first. */
  readonly keys: readonly (readonly [key: string, what: string])[];
  /** The page as plain lines, for a terminal too small for blocks. The most important first. */
  readonly brief: readonly Line[];
}

/** How a piece of text looks. Never by colour alone: a terminal may have none. */
export type Tone = 'plain' | 'dim' | 'strong' | 'good' | 'warn' | 'bad' | 'accent';

export interface Span {
  readonly text: string;
  readonly tone: Tone;
}

/** Of one row on the screen: no newlines, no control characters, no escapes. */
export type Line = readonly Span[];

export interface Block {
  readonly id: BlockId;
  readonly title: string;
  /** Blocks of one band stand side by side; bands are stacked in this order. */
  readonly band: number;
  /** Its share of the band's width that is left, and of the page's height that is left (the most of a band counts). */
  readonly grow: { readonly width: number; readonly height: number };
  /** With the border. A block that cannot have them is left out. */
  readonly least: { readonly width: number; readonly height: number };
  /** With the border: it has no use for more, and what is over goes to others. Absent: the more the better. */
  readonly most?: { readonly height: number };
  /** The higher, the sooner it is left out. 0: never, as long as there are blocks at all. */
  readonly spare: number;
  readonly body: Body;
}

export type BlockId =
  | 'progress'
  | 'states'
  | 'tiles-rate'
  | 'bytes-rate'
  | 'latency'
  | 'migrations'
  | 'workers'
  | 'failures'
  | 'machines'
  | 'units'
  | 'unit-states'
  | 'pending'
  | 'events'
  | 'facts'
  | 'unit-file'
  | 'log'
  | 'history';

export type Body =
  | { readonly kind: 'text'; readonly lines: readonly Line[]; readonly from: 'top' | 'end' }
  | { readonly kind: 'gauge'; readonly share: number; readonly lines: readonly Line[] }
  | Chart
  | Table;

/** Lines over time. */
export interface Chart {
  readonly kind: 'chart';
  readonly series: readonly {
    readonly label: string;
    readonly tone: Tone;
    /** Evenly spaced, oldest first. null: not known. */
    readonly values: readonly (number | null)[];
  }[];
  /** How a value is told, for the axis: `1,200`, `12 MB`. */
  readonly told: (value: number) => string;
  /** What the ends of the time axis are: `5 min ago`, `now`. */
  readonly from: string;
  readonly to: string;
}

/** Rows that one goes through with the arrow keys. */
export interface Table {
  readonly kind: 'table';
  readonly columns: readonly {
    readonly head: string;
    readonly align: 'left' | 'right';
    /** The higher, the sooner it is left out where there is no room; 0: never. */
    readonly spare: number;
  }[];
  readonly rows: readonly Row[];
  /** In place of rows, if there is none. */
  readonly empty: string;
  /** The row that is chosen: a `key`; null: there is none. Which table has the focus `chosenTable` of choice.ts says. */
  readonly selected: string | null;
}

export interface Row {
  /** Who it is, through all snapshots: the choice stays with it when rows move. */
  readonly key: string;
  /** One for each column. */
  readonly cells: readonly Line[];
  /** What Enter opens. */
  readonly opens: Detail | null;
  /** What keys act upon when this row is chosen. */
  readonly about: About;
  /** Selected for an act on several, as with Space. */
  readonly marked: boolean;
}

export interface About {
  readonly migration?: string;
  readonly unit?: string;
  readonly machine?: string;
  /** A failure that can be tried again. */
  readonly failure?: FailureFilter;
}
