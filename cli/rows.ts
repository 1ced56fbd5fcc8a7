import { type OptionRow, parseChoice } from '../runtime/options.js';
import type { Context } from './command.js';
import { csvLine } from './csv.js';
import { formatTable } from './table.js';

const FORMATS = ['text', 'json', 'ndjson', 'csv'] as const;
export type RowFormat = (typeof FORMATS)[number];

/** `-o` of commands that may print millions of rows. */
export const ROW_FORMAT = {
  flag: '-o, --output <format>',
  help: 'text; json or ndjson: one object a line; csv: with a header line (RFC 4180)',
  parse: parseChoice(FORMATS),
  default: 'text',
} satisfies OptionRow<RowFormat>;

/** Rows that are written, and as text aligned, together: no more of them are held in memory. */
const PAGE = 1000;

type Value = string | number | null;
type Column<Row> = readonly [header: string, cell: (row: Row) => string];

export interface RowForms<Row> {
  /** Columns of CSV. */
  readonly fields: readonly (keyof Row & string)[];
  /** Of the text. */
  readonly columns: readonly Column<Row>[];
}

/** Writes rows as they come, a page at a time. */
export async function writeRows<Row extends Readonly<Record<keyof Row, Value>>>(
  context: Pick<Context, 'write'>,
  format: RowFormat,
  rows: AsyncIterable<Row>,
  { fields, columns }: RowForms<Row>,
): Promise<void> {
  if (format === 'csv') await context.write(csvLine(fields));
  let header = [columns.map(([name]) => name)];
  for await (const page of pagesOf(rows, PAGE)) {
    if (format === 'csv')
      await context.write(page.map((row) => csvLine(fields.map((field) => row[field]))).join(''));
    else if (format === 'text')
      await context.write(
        formatTable([...header, ...page.map((row) => columns.map(([, cell]) => cell(row)))]),
      );
    else await context.write(page.map((row) => `${JSON.stringify(row)}\n`).join(''));
    header = [];
  }
  if (format === 'text') await context.write(formatTable(header));
}

/** Gathers what comes into pages of this length; the last may be shorter, none is empty. */
export async function* pagesOf<Row>(rows: AsyncIterable<Row>, length: number): AsyncIterable<readonly Row[]> {
  let page: Row[] = [];
  for await (const row of rows) {
    page.push(row);
    if (page.length < length) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
