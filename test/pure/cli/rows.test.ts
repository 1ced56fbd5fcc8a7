import fc from 'fast-check';
import { expect, test } from 'vitest';
import { csvLine } from '../../../cli/csv.js';
import { pagesOf, type RowFormat, writeRows } from '../../../cli/rows.js';
import { seeded } from '../../support/seed.js';

/** Reads RFC 4180 character by character. */
function readCsv(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let cell = '';
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[at + 1] === '"') cell += text[++at];
      else quoted = false;
    } else if (character === '"' && cell === '') quoted = true;
    else if (character === ',') {
      record.push(cell);
      cell = '';
    } else if (character === '\r' && text[at + 1] === '\n') {
      records.push([...record, cell]);
      [record, cell] = [[], ''];
      at++;
    } else cell += character;
  }
  expect([record, cell]).toEqual([[], '']);
  return records;
}

test.each([
  [['a', 1, null], 'a,1,\r\n'],
  [['a,b', 'say "hi"', 'x\ny'], '"a,b","say ""hi""","x\ny"\r\n'],
  [['', ' a ', "it's"], ", a ,it's\r\n"],
])('%j as a line of CSV', (values, line) => {
  expect(csvLine(values)).toBe(line);
});

test('what CSV holds is read back as it was', () => {
  const cell = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('"', ',', '\r', '\n', 'a', 'é') }));
  const table = fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { maxLength: 6 });
  fc.assert(
    fc.property(table, (rows) => {
      expect(readCsv(rows.map(csvLine).join(''))).toEqual(rows);
    }),
    seeded(),
  );
});

interface Row {
  readonly name: string;
  readonly size: number;
  readonly key: string | null;
}
const FORMS = {
  fields: ['name', 'size', 'key'],
  columns: [
    ['NAME', ({ name }: Row) => name],
    ['SIZE', ({ size }: Row) => `${size}`],
  ],
} as const;
const ROWS: readonly Row[] = [
  { name: 'a,b', size: 1, key: null },
  { name: 'c', size: 20, key: 'k' },
];
async function* each<T>(rows: Iterable<T>): AsyncIterable<T> {
  yield* rows;
}
async function written(format: RowFormat, rows: Iterable<Row>): Promise<string[]> {
  const chunks: string[] = [];
  const write = async (chunk: string | Uint8Array) => void chunks.push(String(chunk));
  await writeRows({ write }, format, each(rows), FORMS);
  return chunks.filter((chunk) => chunk !== '');
}

test('rows as text, JSON, NDJSON and CSV', async () => {
  expect((await written('text', ROWS)).join('')).toBe('NAME\tSIZE\na,b\t1\nc\t20\n');
  const lines = `${JSON.stringify(ROWS[0])}\n${JSON.stringify(ROWS[1])}\n`;
  expect((await written('json', ROWS)).join('')).toBe(lines);
  expect((await written('ndjson', ROWS)).join('')).toBe(lines);
  expect((await written('csv', ROWS)).join('')).toBe('name,size,key\r\n"a,b",1,\r\nc,20,k\r\n');
});

test('without rows there is the header, and as JSON nothing', async () => {
  expect((await written('text', [])).join('')).toBe('NAME\tSIZE\n');
  expect((await written('csv', [])).join('')).toBe('name,size,key\r\n');
  expect(await written('json', [])).toEqual([]);
});

test.each(['text', 'ndjson', 'csv'] as const)(
  '%s is written while rows still come, one header, and the rest not asked for when writing fails',
  async (format) => {
    let asked = 0;
    function* endless(): Iterable<Row> {
      for (;;) yield { name: `n${asked}`, size: asked++, key: null };
    }
    const chunks: string[] = [];
    const write = async (chunk: string | Uint8Array): Promise<void> => {
      chunks.push(String(chunk));
      if (chunks.join('').split('\n').length > 2_500) throw new Error('the pipe is closed');
    };
    await expect(writeRows({ write }, format, each(endless()), FORMS)).rejects.toThrow('the pipe is closed');
    expect(asked).toBeLessThan(4_000);
    const lines = chunks.join('').split('\n');
    expect(lines.filter((line) => /^name/i.test(line))).toHaveLength(format === 'ndjson' ? 0 : 1);
    expect(new Set(lines).size).toBe(lines.length);
  },
);

test.each([
  [0, []],
  [3, [3]],
  [4, [3, 1]],
  [6, [3, 3]],
])('%d rows come in pages of %j', async (count, lengths) => {
  const pages: number[][] = [];
  const rows = Array.from({ length: count }, (_, at) => at);
  for await (const page of pagesOf(each(rows), 3)) pages.push([...page]);
  expect(pages.map(({ length }) => length)).toEqual(lengths);
  expect(pages.flat()).toEqual(rows);
});
