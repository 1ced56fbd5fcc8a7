import type { Block, Body, Chart, Line } from './page.js';

/** Seam: a screen with places, cut to its size. A view paints it and decides nothing. */
export interface Frame {
  readonly columns: number;
  readonly rows: number;
  /** Whole rows without a border: title, alarms, last line; or, where the terminal is too small for blocks, all there is. */
  readonly lines: readonly { readonly row: number; readonly line: Line }[];
  /** They do not overlap, and leave the rows of `lines` free. */
  readonly panels: readonly Panel[];
  /** Over all else, in the middle. */
  readonly dialog: Panel | null;
}

export interface Panel {
  readonly id: Block['id'] | 'dialog';
  readonly title: string;
  /** With the border, in cells from the upper left corner. */
  readonly rect: {
    readonly left: number;
    readonly top: number;
    readonly width: number;
    readonly height: number;
  };
  /** Its table is the one that arrow keys move in. */
  readonly focused: boolean;
  /** Fits inside the border: no more lines than rows, none wider than its columns. */
  readonly body:
    | {
        readonly kind: 'lines';
        readonly lines: readonly Line[] /** Shown inverted. */;
        readonly selected: number | null;
      }
    | Extract<Body, { kind: 'gauge' }>
    | Chart;
}
