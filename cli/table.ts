/**
 * Aligns rows as fleet's tab writer did: every cell but the last is padded with tabs to the column's width, the
 * least multiple of eight above its longest cell. A column reaches over the adjacent rows that have it; rows are
 * all of one length here, so that is the whole table.
 */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, at) => {
    const longest = Math.max(0, ...rows.map((row) => widthOf(row[at] ?? '')));
    return TAB * (Math.floor(longest / TAB) + 1);
  });
  return rows.map((row) => `${row.map((cell, at) => padded(cell, at, row, widths)).join('')}\n`).join('');
}

/** `1 unit`, `2 units`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

const TAB = 8;

function padded(cell: string, at: number, row: readonly string[], widths: readonly number[]): string {
  if (at === row.length - 1) return cell;
  const tabs = Math.ceil(((widths[at] ?? 0) - widthOf(cell)) / TAB);
  return cell + '\t'.repeat(tabs);
}

/** In characters, as Go counts runes. */
function widthOf(cell: string): number {
  return [...cell].length;
}
