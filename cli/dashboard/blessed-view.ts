import { PassThrough } from 'node:stream';
import type { Widgets } from 'blessed';
import type { Canvas } from 'blessed-contrib/lib/widget/canvas.js';
import { attributeOf, type Colours, lookOf } from './attributes.js';
import { width } from './cells.js';
import { composed, panelRows, type Row } from './compose.js';
import type { Frame } from './frame.js';
import type { Chart } from './page.js';
import { type Curve, type Plot, plotOf } from './plot.js';
import { Terminal } from './terminal.js';
import type { View, ViewEvents } from './view.js';

/**
 * Takes the terminal until `close`, with blessed: its name and characters are read from `env` (`TERM`, `COLORTERM`,
 * `LC_ALL`, `LC_CTYPE`, `LANG`, `NO_COLOR`). Curves are drawn on blessed-contrib's canvas where there are colours to tell
 * them apart by and dots to draw with, else in characters.
 */
export async function openView(events: ViewEvents, env: NodeJS.ProcessEnv): Promise<View> {
  const blessed = (await import('blessed')).default as unknown as Blessed;
  const { default: newCanvas } = await import('blessed-contrib/lib/widget/canvas.js');
  // As wide as the layout takes them to be: the table of blessed is of 2015.
  blessed.unicode.charWidth = (text) => width(String.fromCodePoint(text.codePointAt(0) ?? 0));
  const unicode = /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || '');
  let frame: Frame | null = null;
  let closed = false;

  const view: View = {
    size: () => ({ columns: terminal.columns, rows: terminal.rows }),
    paint(next) {
      frame = next;
      show();
    },
    close() {
      if (closed) return;
      closed = true;
      terminal.raw(false);
      screen.destroy();
      terminal.release();
    },
  };
  const terminal = new Terminal(events, {
    enter() {
      if (closed) return;
      screen.program.isAlt = false;
      screen.enter();
      show();
    },
    leave: () => screen.leave(),
    close: view.close,
  });
  terminal.on('resize', () => setCanvases(null));
  const screen = openScreen(blessed, terminal, env, unicode);
  const colours = coloursOf(screen, env);
  const base = painted(() => {
    const rows = fits(frame) ? composed(frame, drawsCurves ? 'blank' : 'characters') : [];
    for (let at = 0; at < screen.rows; at += 1) put(at, 0, rows[at] ?? [], screen.cols);
  });
  const dialog = painted(() => {
    if (!fits(frame) || frame.dialog === null) return;
    const { left, top, width: wide } = frame.dialog.rect;
    for (const [at, row] of panelRows(frame.dialog, 'characters').entries()) put(top + at, left, row, wide);
  });
  const drawsCurves = unicode && colours > 0;
  const canvases = new Map<string, { readonly canvas: Canvas; chart: Chart }>();
  screen.append(base);
  screen.append(dialog);
  terminal.raw(true);
  process.stdin.resume();
  return view;

  function show(): void {
    if (closed || !screen.program.isAlt) return;
    setCanvases(fits(frame) && drawsCurves ? frame : null);
    screen.render();
  }

  function fits(shown: Frame | null): shown is Frame {
    return shown !== null && shown.columns === screen.cols && shown.rows === screen.rows;
  }

  function painted(render: () => void): Widgets.BoxElement {
    return Object.assign(blessed.box({ screen, top: 0, left: 0, width: 0, height: 0 }), { render });
  }

  /** Cell by cell, so that nothing in a text is ever read as blessed's {tags} or as an escape. */
  function put(at: number, left: number, row: Row, cells: number): void {
    const line = screen.lines[at];
    if (line === undefined) return;
    const end = Math.min(line.length, left + cells);
    let column = left;
    let last = -1;
    const set = (attribute: number, character: string): void => {
      const cell = line[column];
      column += 1;
      if (cell === undefined || (cell[0] === attribute && cell[1] === character)) return;
      cell[0] = attribute;
      cell[1] = character;
      line.dirty = true;
    };
    for (const piece of row) {
      const attribute = attributeOf(piece, colours);
      for (const character of piece.text) {
        const wide = character <= '~' ? 1 : width(character);
        if (column + wide > end) break;
        if (wide === 0) {
          const under = line[last];
          if (under !== undefined && unicode) under[1] += character;
          continue;
        }
        last = column;
        set(attribute, unicode || character <= '~' ? character : plainOf(character, screen));
        if (wide === 2) set(attribute, unicode ? '\0' : '?');
      }
    }
    const blank = attributeOf({ tone: 'plain', inverse: false }, colours);
    while (column < end) set(blank, ' ');
  }

  /** One for each chart of the frame, where its curves go. */
  function setCanvases(shown: Frame | null): void {
    const wanted = new Map(
      (shown?.panels ?? []).flatMap(({ rect, body }) => {
        if (body.kind !== 'chart') return [];
        const plot = plotOf(body, { width: rect.width - 2, height: rect.height - 2 });
        if (plot.area === null) return [];
        const area = {
          ...plot.area,
          left: rect.left + 1 + plot.area.left,
          top: rect.top + 1 + plot.area.top,
        };
        return [[Object.values(area).join(), { area, plot, chart: body }] as const];
      }),
    );
    for (const [place, { canvas }] of canvases) {
      if (wanted.has(place)) continue;
      canvas.destroy();
      canvases.delete(place);
    }
    for (const [place, { area, plot, chart }] of wanted) {
      let drawn = canvases.get(place);
      if (drawn === undefined) {
        const canvas: Canvas = newCanvas({ screen, ...area, wrap: false });
        canvas.calcSize = () => {
          canvas.canvasSize = { width: area.width * 2, height: area.height * 4 };
        };
        screen.insertBefore(canvas, dialog);
        drawn = { canvas, chart };
        canvases.set(place, drawn);
      } else if (drawn.chart === chart) continue;
      else drawn.canvas.emit('attach');
      drawn.chart = chart;
      for (const curve of plot.curves) draw(drawn.canvas, curve, plot, colours);
    }
  }
}

/** A curve as a line of dots, broken where nothing is known, with its mark at the end where there are several. */
function draw(
  { ctx, canvasSize }: Canvas,
  { mark, tone, heights }: Curve,
  { curves }: Plot,
  colours: Colours,
): void {
  const colour = lookOf(tone, colours).colour ?? 'normal';
  const right = canvasSize.width - 1;
  const bottom = canvasSize.height - 1;
  ctx.strokeStyle = colour;
  ctx.fillStyle = colour;
  ctx.beginPath();
  let end: { readonly x: number; readonly y: number } | null = null;
  let joined = false;
  for (const [at, height] of heights.entries()) {
    if (height !== null) {
      end = { x: heights.length > 1 ? (at / (heights.length - 1)) * right : right, y: (1 - height) * bottom };
      if (!joined) ctx.moveTo(end.x, end.y);
      ctx.lineTo(end.x, end.y);
    }
    joined = height !== null;
  }
  ctx.stroke();
  if (end !== null && curves.length > 1) ctx.fillText(mark, end.x, end.y);
}

function openScreen(blessed: Blessed, terminal: Terminal, env: NodeJS.ProcessEnv, unicode: boolean): Screen {
  const program = openProgram(blessed, terminal, env, unicode);
  const screen = blessed.screen({ program, fullUnicode: true, forceUnicode: unicode }) as Screen;
  // It would end the process with status 0 on a signal, and show no error of ours on a restored terminal.
  const { Screen: handlers } = blessed;
  process.off('uncaughtException', handlers._exceptionHandler).off('exit', handlers._exitHandler);
  process.off('SIGTERM', handlers._sigtermHandler).off('SIGINT', handlers._sigintHandler);
  process.off('SIGQUIT', handlers._sigquitHandler);
  // Terminals that know Unicode do not all draw lines with the alternate character set (PuTTY).
  if (unicode) screen.tput.brokenACS = true;
  return screen;
}

/** For a terminal that is not known, or on which the cursor cannot be moved, that of xterm: most understand it. */
function openProgram(
  blessed: Blessed,
  terminal: Terminal,
  { TERM = '' }: NodeJS.ProcessEnv,
  forceUnicode: boolean,
): Program {
  const { error } = console;
  // Descriptions of terminals that its compiler stumbles over it prints, then takes one of its own in their place.
  console.error = () => {};
  try {
    const program = blessed.program({
      // Input that nothing comes from: keys are read by the terminal.
      ...{ input: new PassThrough(), output: terminal, tput: true, extended: false, forceUnicode },
      terminal: /^[\w.+-]+$/.test(TERM) ? TERM : 'xterm',
    });
    if (!program.tput.strings.cursor_address) program.setTerminal('xterm');
    return program;
  } finally {
    console.error = error;
  }
}

function coloursOf(screen: Screen, { NO_COLOR, TERM = '', COLORTERM }: NodeJS.ProcessEnv): Colours {
  if (NO_COLOR) return 0;
  if (COLORTERM || /256|direct/.test(TERM)) screen.tput.colors = 256;
  const { colors } = screen.tput;
  return colors >= 256 ? 256 : colors >= 16 ? 16 : colors >= 8 ? 8 : 0;
}

/** A character of ours for a terminal without Unicode; lines it may know as its alternate set, which blessed sees to. */
function plainOf(character: string, { tput }: Screen): string {
  if (tput.acscr[character] !== undefined) return character;
  return PLAIN[character] ?? tput.utoa[character] ?? '?';
}

const PLAIN: Readonly<Record<string, string>> = {
  ...{
    '…': '.',
    '▁': '.',
    '▂': '.',
    '▃': ':',
    '▄': ':',
    '▅': '|',
    '▆': '|',
    '▇': '#',
    '█': '#',
    '░': '-',
    '·': '.',
  },
};

/** What blessed's types leave out, as far as it is used here (blessed 0.1.81). */
interface Screen extends Omit<Widgets.Screen, 'tput' | 'program' | 'lines'> {
  /** Cells that are to be shown; a row is looked at again if it is `dirty`. */
  readonly lines: ([attribute: number, character: string][] & { dirty: boolean })[];
  readonly tput: {
    colors: number;
    brokenACS: boolean;
    /** The letters that draw lines, by the characters they draw. */
    readonly acscr: Readonly<Record<string, string>>;
    readonly utoa: Readonly<Record<string, string>>;
  };
  readonly program: Program;
  enter(): void;
  leave(): void;
}

interface Program {
  /** Whether the screen is taken. */
  isAlt: boolean;
  readonly tput: { readonly strings: { readonly cursor_address?: string } };
  setTerminal(name: string): void;
}

interface Blessed {
  readonly unicode: { charWidth: (text: string) => number };
  readonly Screen: {
    readonly _exceptionHandler: () => void;
    readonly _exitHandler: () => void;
    readonly _sigtermHandler: () => void;
    readonly _sigintHandler: () => void;
    readonly _sigquitHandler: () => void;
  };
  program(options: object): Program;
  screen(options: object): object;
  box(options: object): Widgets.BoxElement;
}
