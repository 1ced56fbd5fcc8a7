import { cut, lineWidth, width } from './cells.js';
import type { Frame, Panel } from './frame.js';
import type { Line, Span } from './page.js';
import { curveLines, plotOf } from './plot.js';

/** A piece of a row of the screen. */
export interface Piece extends Span {
  readonly inverse: boolean;
}

/** Cell by cell from the left; what is missing at the end is blank. */
export type Row = readonly Piece[];

/** How curves of charts get into the picture: as characters, or their place is left blank for who draws lines there. */
export type Curves = 'characters' | 'blank';

/** A frame as rows of the screen, without its dialog. */
export function composed(frame: Frame, curves: Curves): readonly Row[] {
  const rows = Array.from({ length: frame.rows }, (): { left: number; pieces: Row }[] => []);
  for (const { row, line } of frame.lines) rows[row]?.push({ left: 0, pieces: line.map(upright) });
  for (const panel of frame.panels) {
    const { left, top } = panel.rect;
    for (const [at, pieces] of panelRows(panel, curves).entries()) rows[top + at]?.push({ left, pieces });
  }
  return rows.map(joined);
}

/** Side by side, each at its place. */
function joined(parts: readonly { readonly left: number; readonly pieces: Row }[]): Row {
  const row: Piece[] = [];
  let column = 0;
  for (const { left, pieces } of [...parts].sort((a, b) => a.left - b.left)) {
    if (left > column) row.push(blank(left - column));
    row.push(...pieces);
    column = left + lineWidth(pieces);
  }
  return row;
}

/** A panel with its border, as many rows as it is high, each exactly as wide. */
export function panelRows(panel: Panel, curves: Curves): readonly Row[] {
  const { width: wide, height } = panel.rect;
  if (wide < 2 || height < 2) return Array.from({ length: height }, () => [blank(wide)]);
  const edge = panel.focused ? 'accent' : 'dim';
  const side: Piece = { text: '│', tone: edge, inverse: false };
  const title = panel.title === '' || wide < 5 ? '' : ` ${panel.title} `;
  const top: Row = [
    { text: '┌', tone: edge, inverse: false },
    { text: title, tone: panel.focused ? 'strong' : 'plain', inverse: false },
    { text: `${'─'.repeat(Math.max(0, wide - 2 - width(title)))}┐`, tone: edge, inverse: false },
  ];
  const bottom: Row = [{ text: `└${'─'.repeat(wide - 2)}┘`, tone: edge, inverse: false }];
  const inside = insideOf(panel, { width: wide - 2, height: height - 2 }, curves);
  const selected = panel.body.kind === 'lines' ? panel.body.selected : null;
  const rows = Array.from({ length: height - 2 }, (_, at): Row => {
    const line = cut(inside[at] ?? [], wide - 2);
    const rest = wide - 2 - lineWidth(line);
    const inverse = at === selected;
    return [side, ...line.map((span) => ({ ...span, inverse })), { ...blank(rest), inverse }, side];
  });
  return [top, ...rows, bottom];
}

function insideOf({ body }: Panel, room: { width: number; height: number }, curves: Curves): readonly Line[] {
  switch (body.kind) {
    case 'lines':
      return body.lines;
    case 'gauge':
      return [gaugeLine(body.share, room.width), ...body.lines];
    case 'chart': {
      const plot = plotOf(body, room);
      const drawn = curves === 'characters' ? curveLines(plot) : [];
      const first = plot.area?.top ?? 0;
      return plot.lines.map((line, at) => [...line, ...(drawn[at - first] ?? [])]);
    }
  }
}

/** `████░░░░  50.0 %`: never all that there is before it is. */
function gaugeLine(share: number, cells: number): Line {
  const part = Number.isFinite(share) ? Math.max(0, Math.min(1, share)) : 0;
  const told = ` ${(Math.floor(part * 1000) / 10).toFixed(1)} %`.padStart(8);
  const bar = cells - told.length;
  if (bar < 4) return cut([{ text: told.trim(), tone: 'strong' }], cells);
  const full = Math.floor(part * bar);
  return [
    { text: '█'.repeat(full), tone: 'good' },
    { text: '░'.repeat(bar - full), tone: 'dim' },
    { text: told, tone: 'strong' },
  ];
}

function upright(span: Span): Piece {
  return { ...span, inverse: false };
}

function blank(cells: number): Piece {
  return { text: ' '.repeat(Math.max(0, cells)), tone: 'plain', inverse: false };
}

/** `row` with `pieces` over it from `left` on. What is wide and only half covered becomes blank. */
export function overlaid(row: Row, left: number, pieces: Row): Row {
  const covered = lineWidth(pieces);
  return [...partOf(row, 0, left), ...pieces, ...partOf(row, left + covered, Number.POSITIVE_INFINITY)];
}

function partOf(row: Row, from: number, to: number): Row {
  const part: Piece[] = [];
  let column = 0;
  for (const piece of row) {
    let text = '';
    for (const character of piece.text) {
      const cells = width(character);
      const inside = Math.min(to, column + cells) - Math.max(from, column);
      if (inside === cells && column + cells > from && column < to) text += character;
      else if (inside > 0) text += ' '.repeat(inside);
      column += cells;
    }
    if (text !== '') part.push({ ...piece, text });
  }
  if (to !== Number.POSITIVE_INFINITY && column < to) part.push(blank(to - Math.max(from, column)));
  return part;
}
