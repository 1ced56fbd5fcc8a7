import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatTable } from '../../../cli/table.js';
import { seeded } from '../../support/seed.js';

const cell = fc.string({ maxLength: 30 }).map((text) => text.replace(/[\t\n\r]/g, ''));
const table = fc
  .integer({ min: 1, max: 6 })
  .chain((columns) => fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { maxLength: 8 }));

/** Where each cell begins on a terminal with a tab stop every eight columns. */
function starts(line: string): number[] {
  const found = [0];
  let column = 0;
  const characters = [...line];
  for (const [at, character] of characters.entries()) {
    column = character === '\t' ? (Math.floor(column / 8) + 1) * 8 : column + 1;
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
