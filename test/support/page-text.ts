import { textOf } from '../../cli/dashboard/cells.js';
import type { Block, Line, Page, Row, Span, Table } from '../../cli/dashboard/page.js';

/** What a page says, before it has a size. */

export function blockOf(page: Page, id: Block['id']): Block {
  const block = page.blocks.find((one) => one.id === id);
  if (block === undefined)
    throw new Error(`the page has no block ${id}, but ${page.blocks.map((one) => one.id).join(', ')}`);
  return block;
}

export function tableIn(page: Page, id: Block['id']): Table {
  const { body } = blockOf(page, id);
  if (body.kind !== 'table') throw new Error(`the block ${id} is no table`);
  return body;
}

export function rowIn(page: Page, id: Block['id'], key: string): Row {
  const { rows } = tableIn(page, id);
  const row = rows.find((one) => one.key === key);
  if (row === undefined) throw new Error(`no row ${key}, but ${rows.map((one) => one.key).join(', ')}`);
  return row;
}

/** Its lines; of a table its rows, their cells parted by ` | `. */
export function linesIn(page: Page, id: Block['id']): readonly string[] {
  const { body } = blockOf(page, id);
  if (body.kind === 'table') return body.rows.map(({ cells }) => cells.map(textOf).join(' | '));
  if (body.kind === 'chart') throw new Error(`the block ${id} is a chart`);
  return body.lines.map(textOf);
}

/** `text (tone)` of every piece that does not look plain. */
export function tonesOf(line: Line): string[] {
  return line.flatMap(({ text, tone }) => (tone === 'plain' ? [] : [`${text.trim()} (${tone})`]));
}

/** All that is shown but titles and heads of blocks. */
export function spansOf({ title, alarms, blocks, brief }: Page): readonly Span[] {
  const bodies = blocks.flatMap(({ body }): readonly Line[] => {
    if (body.kind === 'table') return body.rows.flatMap(({ cells }) => cells);
    return body.kind === 'chart' ? [] : body.lines;
  });
  return [title, ...alarms, ...bodies, ...brief].flat();
}
