/** How a cell is coloured: given the text and the column's number, answers the text with its colours around it. */
export type Paint = (cell: string, column: number) => string;

/**
 * Aligns rows as fleet's tab writer did: every cell but the last is padded with tabs to the column's width, the
 * least multiple of eight above its longest cell. A column reaches over the adjacent rows that have it; rows are
 * all of one length here, so that is the whole table. Control characters, which would break a line or speak to the
 * terminal, become spaces.
 */
export function formatTable(rows: readonly (readonly string[])[], paint: Paint = (cell) => cell): string {
  const clean = rows.map((row) =>
    row.map((cell) => (CONTROL.test(cell) ? cell.replace(CONTROLS, ' ') : cell)),
  );
  const widths = clean.map((row) => row.map(widthOf));
  const columns = Math.max(0, ...clean.map((row) => row.length));
  const tabs = Array.from({ length: columns }, (_, at) => {
    const longest = widths.reduce((most, row) => Math.max(most, row[at] ?? 0), 0);
    return Math.floor(longest / TAB) + 1;
  });
  const padding = (width: number, at: number): string =>
    at === columns - 1 ? '' : '\t'.repeat((tabs[at] ?? 0) - Math.floor(width / TAB));
  return clean
    .map(
      (row, line) =>
        `${row.map((cell, at) => paint(cell, at) + padding(widths[line]?.[at] ?? 0, at)).join('')}\n`,
    )
    .join('');
}

/** `1 unit`, `2 units`; with `grouped` of jobs/quantities.ts as `told`: `1,204,113 tiles`. */
export function counted(count: number, noun: string, told: (count: number) => string = String): string {
  return `${told(count)} ${noun}${count === 1 ? '' : 's'}`;
}

const TAB = 8;
const CONTROL = /\p{Cc}/u;
const CONTROLS = /\p{Cc}+/gu;

/** In columns of a terminal: most East Asian characters and pictures take two, marks upon others none. */
export function widthOf(cell: string): number {
  if (/^[\x20-\x7e]*$/.test(cell)) return cell.length;
  let width = 0;
  for (const character of cell) width += NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u;
