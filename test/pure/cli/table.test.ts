import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatTable, widthOf } from '../../../cli/table.js';
import { seeded } from '../../support/seed.js';

const cell = fc.string({ maxLength: 30 }).map((text) => text.replace(/\p{Cc}/gu, ''));
const table = fc
  .integer({ min: 1, max: 6 })
  .chain((columns) => fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { maxLength: 8 }));

const wide = fc
  .array(fc.constantFrom('a', '-', 'é', 'e\u0301', '東', '全', '한', 'ﾊ', 'Ａ', '🚢', '\u200d'), {
    maxLength: 12,
  })
  .map((characters) => `x${characters.join('')}`);
/** As it stands on a terminal, written down by hand. */
const COLUMNS: Readonly<Record<string, number>> = {
  東: 2,
  全: 2,
  한: 2,
  Ａ: 2,
  '🚢': 2,
  '\u0301': 0,
  '\u200d': 0,
};

/** Where each cell begins on a terminal with a tab stop every eight columns. */
function starts(line: string): number[] {
  const found = [0];
  let column = 0;
  const characters = [...line];
  for (const [at, character] of characters.entries()) {
    column = character === '\t' ? (Math.floor(column / 8) + 1) * 8 : column + (COLUMNS[character] ?? 1);
    if (character === '\t' && characters[at + 1] !== '\t') found.push(column);
  }
  return found;
}

test('columns stand under each other, with at least one tab between, and nothing after the last', () => {
  fc.assert(
    fc.property(
      table.filter((rows) => rows.every((row) => row.every((text) => text !== ''))),
      (rows) => {
        const lines = formatTable(rows).split('\n').slice(0, -1);
        expect(lines.map((line) => line.split(/\t+/))).toEqual(rows);
        expect(new Set(lines.map((line) => starts(line).join())).size).toBeLessThanOrEqual(1);
        expect(lines.some((line) => line.endsWith('\t'))).toBe(false);
      },
    ),
    seeded(300),
  );
});

test.each([
  [[['UNIT', 'ACTIVE', 'SUB']], 'UNIT\tACTIVE\tSUB\n'],
  [[], ''],
  [
    [
      ['UNIT', 'DSTATE', 'STATE'],
      ['a.service', 'inactive', '-'],
    ],
    'UNIT\t\tDSTATE\t\tSTATE\na.service\tinactive\t-\n',
  ],
])('%j', (rows, text) => {
  expect(formatTable(rows)).toBe(text);
});

test('columns of wide characters stand under each other too', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(wide, wide, wide), { maxLength: 8 }), (rows) => {
      const lines = formatTable(rows).split('\n').slice(0, -1);
      expect(lines.map((line) => line.split(/\t+/))).toEqual(rows);
      expect(new Set(lines.map((line) => starts(line).join())).size).toBeLessThanOrEqual(1);
    }),
    seeded(300),
  );
});

test.each([
  ['web@1.service', 13],
  ['zone=東京', 9],
  ['e\u0301te\u0301', 3],
  ['🚢', 2],
])('%s takes %i columns', (text, columns) => expect(widthOf(text)).toBe(columns));

test('colours around cells move nothing', () => {
  const rows = [
    ['UNIT', 'ACTIVE', 'SUB'],
    ['a.service', 'failed', 'failed'],
  ];
  const painted = formatTable(rows, (text, column) => (column === 1 ? `\u001b[31m${text}\u001b[0m` : text));
  expect(painted.replace(/\u001b\[\d+m/g, '')).toBe(formatTable(rows));
  expect(painted).toContain('\u001b[31mfailed\u001b[0m\tfailed\n');
});

test('a cell cannot break its line, or speak to the terminal', () => {
  expect(formatTable([['a\tb', 'c\nd', 'e\u001b[2J']])).toBe('a b\tc d\te [2J\n');
});
