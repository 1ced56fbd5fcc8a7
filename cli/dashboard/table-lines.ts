import { clean, cut, lineWidth, pad, width } from './cells.js';
import type { Fitted } from './fitted.js';
import type { Line, Span, Table } from './page.js';

/** Before each row: `>` the chosen one, `*` a marked one. */
const MARGIN = 1;
const GAP = 2;
/** A column of words that can be spared may be cut to this, or to its head; numbers are never cut. */
const LEAST_OF_WORDS = 12;

/** The head and as many rows as there is room for, around the chosen one. Columns too many for the width are left out. */
export function tableLines(
  table: Table,
  room: { readonly width: number; readonly height: number },
  focused: boolean,
): Fitted {
  const { rows, selected } = table;
  if (room.height < 1 || room.width < 1)
    return { body: { kind: 'lines', lines: [], selected: null }, sight: '' };
  if (rows.length === 0) {
    const empty: Line = [{ text: clean(table.empty), tone: 'dim' }];
    return { body: { kind: 'lines', lines: [cut(empty, room.width)], selected: null }, sight: '' };
  }
  const headed = room.height > 1 && table.columns.some(({ head }) => head !== '');
  const count = Math.min(rows.length, room.height - (headed ? 1 : 0));
  const chosen = rows.findIndex(({ key }) => key === selected);
  const first = Math.max(0, Math.min(rows.length - count, chosen - Math.floor(count / 2)));
  const columns = columnWidths(table, room.width - MARGIN);

  const line = (mark: Span, cells: readonly Line[]): Line => {
    const spans: Span[] = [mark];
    for (const { at, cells: wide } of columns) {
      if (spans.length > 1) spans.push(SPACE);
      spans.push(...pad(cells[at] ?? [], wide, table.columns[at]?.align));
    }
    return cut(spans, room.width);
  };
  const head = line(
    { text: ' ', tone: 'plain' },
    table.columns.map(({ head: text }): Line => [{ text: clean(text), tone: 'dim' }]),
  );
  const seen = rows.slice(first, first + count).map(({ cells, marked }, at) => {
    const mark = marked ? '*' : focused && first + at === chosen ? '>' : ' ';
    return line({ text: mark, tone: 'strong' }, cells.map(cleaned));
  });
  const row = focused && chosen >= 0 ? chosen - first + (headed ? 1 : 0) : null;
  return {
    body: { kind: 'lines', lines: headed ? [head, ...seen] : seen, selected: row },
    sight: count < rows.length ? `${first + 1}-${first + count} of ${rows.length}` : '',
  };
}

const SPACE: Span = { text: ' '.repeat(GAP), tone: 'plain' };

function cleaned(cell: Line): Line {
  return cell.map(({ text, tone }) => ({ text: clean(text), tone }));
}

/**
 * The columns that are shown and how wide: those kept longest that fit with their least width; what is left goes to
 * columns of words that want more, the modest first.
 */
function columnWidths(
  table: Table,
  room: number,
): readonly { readonly at: number; readonly cells: number }[] {
  const wishes = table.columns.map(({ head, align, spare }, at) => {
    const wide = table.rows.reduce(
      (most, { cells }) => Math.max(most, lineWidth(cells[at] ?? [])),
      width(head),
    );
    // What a row is called has its width before others have theirs, but leaves them half of the room.
    const words = Math.max(width(head), spare === 0 ? Math.floor(room / 2) : LEAST_OF_WORDS);
    const least = align === 'right' ? wide : Math.min(wide, words);
    return { at, spare, wide, least };
  });
  let left = room + GAP;
  const kept = [...wishes]
    .sort((a, b) => a.spare - b.spare)
    .filter(({ spare, least }) => {
      if (spare > 0 && least + GAP > left) return false;
      left -= least + GAP;
      return true;
    });
  const widths = new Map(kept.map(({ at, least }) => [at, least]));
  const wanting = kept
    .filter(({ wide, least }) => wide > least)
    .sort((a, b) => a.wide - a.least - (b.wide - b.least));
  for (const [done, { at, wide, least }] of wanting.entries()) {
    const more = Math.max(0, Math.min(wide - least, Math.floor(left / (wanting.length - done))));
    widths.set(at, least + more);
    left -= more;
  }
  return [...widths].sort(([a], [b]) => a - b).map(([at, cells]) => ({ at, cells }));
}
