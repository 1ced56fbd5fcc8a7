import { clean, cut, lineWidth, textOf, width, wrap } from './cells.js';
import { chosenTable } from './choice.js';
import { dialogText } from './dialogs.js';
import { fitted } from './fitted.js';
import type { Frame, Panel } from './frame.js';
import type { Block, Line, Page, Span } from './page.js';
import type { Dialog, State } from './state.js';

/** Below this there are no blocks, only lines. */
const LEAST_FOR_BLOCKS = { columns: 60, rows: 15 };
/** Below this a dialog has the screen to itself, without a border. */
const LEAST_FOR_DIALOG = { columns: 24, rows: 6 };

/**
 * Gives a page places on a screen of this size: the title in the first row, alarms below it (whole where there is room),
 * keys in the last, bands of blocks between, those that can be spared only where there is room. Where not even the others
 * fit, lines. All that is shown passes `clean` here. Any size, any page: nothing overlaps, nothing reaches beyond its room.
 */
export function layOut(page: Page, state: State, size: { columns: number; rows: number }): Frame {
  const columns = Math.max(1, Math.floor(size.columns));
  const rows = Math.max(1, Math.floor(size.rows));
  const screen = { columns, rows };
  const { dialog } = state;
  if (dialog !== null && !reaches(screen, LEAST_FOR_DIALOG)) return onlyDialog(dialog, state, screen);

  const head = [page.title, ...alarmLines(page.alarms, screen)].slice(0, Math.max(1, rows - 1));
  const room = { left: 0, top: head.length, width: columns, height: rows - head.length - 1 };
  const panels = reaches(screen, LEAST_FOR_BLOCKS) ? blocksIn(page, state, room) : null;
  const body = panels === null ? page.brief.slice(0, Math.max(0, room.height)) : [];
  const lines = [...head, ...body].map((line, row) => ({ row, line: shown(line, columns) }));
  if (rows > 1) lines.push({ row: rows - 1, line: shown(lastLine(page, state, columns), columns) });
  return { ...screen, lines, panels: panels ?? [], dialog: dialog && dialogPanel(dialog, state, screen) };
}

/** Whole, for their ends tell what to do, unless that takes a quarter of the screen and more: then a line each. */
function alarmLines(alarms: readonly Line[], { columns, rows }: Size): readonly Line[] {
  const whole = alarms.flatMap((alarm) => wrap(cleaned(alarm), columns));
  return whole.length <= Math.max(alarms.length, Math.floor(rows / 4)) ? whole : alarms;
}

function shown(line: Line, columns: number): Line {
  return cut(cleaned(line), columns);
}

function cleaned(line: Line): Line {
  return line.map(({ text, tone }) => ({ text: clean(text), tone }));
}

function reaches(screen: Size, least: Size): boolean {
  return screen.columns >= least.columns && screen.rows >= least.rows;
}

interface Size {
  readonly columns: number;
  readonly rows: number;
}
type Rect = Panel['rect'];

/** What came of the last act, else the keys: as many as fit whole, with the last two (help and quit) before all. */
function lastLine({ keys }: Page, { said }: State, columns: number): Line {
  if (said !== null) return [{ text: said.words, tone: said.tone }];
  const pieces = keys.map(([key, what]) => ({ key, what, cells: width(key) + 1 + width(what) + GAP.length }));
  const ends = pieces.splice(-2);
  let room = columns + GAP.length - sum(ends.map(({ cells }) => cells));
  const fitting = pieces.findIndex(({ cells }) => {
    room -= cells;
    return room < 0;
  });
  const shown = [...(fitting < 0 ? pieces : pieces.slice(0, fitting)), ...ends];
  return shown.flatMap(({ key, what }, at): Span[] => [
    { text: `${at > 0 ? GAP : ''}${key}`, tone: 'strong' },
    { text: ` ${what}`, tone: 'dim' },
  ]);
}

const GAP = '  ';

/** null: not even the blocks that cannot be spared fit. */
function blocksIn(page: Page, state: State, room: Rect): readonly Panel[] | null {
  const focus = chosenTable(page, state)?.id;
  const kept = keptBlocks(page.blocks, focus, room);
  if (kept === null) return null;
  const bands = bandsOf(kept);
  const heights = shares(
    room.height,
    bands.map((band) => ({
      least: leastHeight(band),
      grow: Math.max(...band.map(({ grow }) => grow.height)),
      most: Math.max(...band.map(({ most }) => most?.height ?? Number.POSITIVE_INFINITY)),
    })),
  );
  let top = room.top;
  return bands.flatMap((band, at) => {
    const height = heights[at] ?? 0;
    const widths = shares(
      room.width,
      band.map((block) => ({
        least: leastWidth(block),
        grow: block.grow.width,
        most: Number.POSITIVE_INFINITY,
      })),
    );
    let left = room.left;
    const panels = band.map((block, place) => {
      const rect = { left, top, width: widths[place] ?? 0, height };
      left += rect.width;
      return panelOf({ ...block, title: titleOf(block, state) }, rect, block.id === focus);
    });
    top += height;
    return panels;
  });
}

/** With the filter that is in force, without which rows would be missed. */
function titleOf({ id, title, body }: Block, { filters }: State): string {
  const filter = filters[id] ?? '';
  return body.kind !== 'table' || filter === '' ? title : `${title}, with "${filter}"`;
}

function panelOf(
  { id, title, body }: Pick<Panel, 'id' | 'title'> & Pick<Block, 'body'>,
  rect: Rect,
  focused: boolean,
): Panel {
  const inside = { width: rect.width - 2, height: rect.height - 2 };
  const fit = fitted(body, inside, focused);
  const named = [clean(title), fit.sight].filter((part) => part !== '').join(' ');
  const room = Math.max(0, rect.width - 4);
  return { id, title: textOf(cut([{ text: named, tone: 'plain' }], room)), rect, focused, body: fit.body };
}

/**
 * Which blocks there are: from the least spared on (the table that has the focus before all), each that fits beside those
 * before it; null: one that cannot be spared does not.
 */
function keptBlocks(
  blocks: readonly Block[],
  focus: Block['id'] | undefined,
  room: Rect,
): readonly Block[] | null {
  const spareOf = (block: Block): number => (block.id === focus ? -1 : block.spare);
  const kept = new Set<Block>();
  for (const block of [...blocks].sort((a, b) => spareOf(a) - spareOf(b))) {
    kept.add(block);
    if (fits([...kept], room)) continue;
    kept.delete(block);
    if (block.spare <= 0) return null;
  }
  return kept.size === 0 ? null : blocks.filter((block) => kept.has(block));
}

function fits(blocks: readonly Block[], room: Rect): boolean {
  const bands = bandsOf(blocks);
  const widths = bands.map((band) => sum(band.map(leastWidth)));
  return sum(bands.map(leastHeight)) <= room.height && widths.every((wanted) => wanted <= room.width);
}

/** A border with a line in it. */
function leastHeight(band: readonly Block[]): number {
  return Math.max(...band.map(({ least }) => Math.max(3, least.height)));
}

function leastWidth({ least }: Block): number {
  return Math.max(4, least.width);
}

/** From top to bottom; blocks of a band in the order they came. */
function bandsOf(blocks: readonly Block[]): readonly (readonly Block[])[] {
  const numbers = [...new Set(blocks.map(({ band }) => band))].sort((a, b) => a - b);
  return numbers.map((number) => blocks.filter(({ band }) => band === number));
}

/**
 * Each gets its least, and of what is left a share by its `grow`, but not beyond its `most`; what one has no use for goes
 * to the others. What nobody has a use for stays free.
 */
function shares(
  room: number,
  wishes: readonly { readonly least: number; readonly grow: number; readonly most: number }[],
): readonly number[] {
  const given = wishes.map(({ least }) => least);
  let left = room - sum(given);
  for (;;) {
    const growing = wishes.flatMap(({ grow, most }, at) => (grow > 0 && (given[at] ?? 0) < most ? [at] : []));
    if (left <= 0 || growing.length === 0) return given;
    let grows = sum(growing.map((at) => wishes[at]?.grow ?? 0));
    let spread = left;
    for (const at of growing) {
      const { grow, most } = wishes[at] ?? { grow: 0, most: 0 };
      const share = Math.round((spread * grow) / grows);
      const taken = Math.min(share, Math.max(0, most - (given[at] ?? 0)));
      given[at] = (given[at] ?? 0) + taken;
      left -= taken;
      spread -= share;
      grows -= grow;
    }
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function dialogPanel(dialog: Dialog, state: State, { columns, rows }: Size): Panel {
  const { title, lines } = dialogText(dialog, state);
  const wrapped = lines.flatMap((line) => wrap(cleaned(line), columns - 4));
  const widest = Math.max(width(title) + 12, ...wrapped.map(lineWidth));
  const rect = { width: Math.min(columns, widest + 4), height: Math.min(rows, wrapped.length + 2) };
  const left = Math.floor((columns - rect.width) / 2);
  const top = Math.floor((rows - rect.height) / 2);
  const indented = wrapped.map((line): Line => [{ text: ' ', tone: 'plain' }, ...line]);
  const body = { kind: 'text', lines: indented, from: 'top' } as const;
  return panelOf({ id: 'dialog', title, body }, { left, top, ...rect }, true);
}

function onlyDialog(dialog: Dialog, state: State, { columns, rows }: Size): Frame {
  const lines = dialogText(dialog, state).lines.flatMap((line) => wrap(cleaned(line), columns));
  return {
    ...{ columns, rows, panels: [], dialog: null },
    lines: lines.slice(0, rows).map((line, row) => ({ row, line: cut(line, columns) })),
  };
}
