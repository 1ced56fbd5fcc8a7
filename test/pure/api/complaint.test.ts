import * as v from 'valibot';
import { expect, test } from 'vitest';
import { complaint } from '../../../api/complaint.js';

const schema = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1)),
  count: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(9))),
  colour: v.optional(v.nullable(v.picklist(['red', 'blue']))),
  flag: v.optional(v.boolean()),
  rows: v.optional(v.pipe(v.array(v.strictObject({ x: v.string() })), v.readonly(), v.maxLength(2))),
  odd: v.optional(v.custom((value) => value === 1, 'an object with text values')),
  when: v.optional(
    v.pipe(
      v.string(),
      v.check(() => false, 'expected a time such as "-1h", got nonsense'),
    ),
  ),
});

test.each<[unknown, string]>([
  [7, 'expected an object, got 7'],
  [null, 'expected an object, got null'],
  [[], 'expected an object, got a list'],
  ['x', 'expected an object, got "x"'],
  [{}, 'name: expected text, got nothing'],
  [{ name: '' }, 'name: expected something, got nothing'],
  [{ name: 'a', count: 1.5 }, 'count: expected a whole number, got 1.5'],
  [{ name: 'a', count: -1 }, 'count: expected 0 or more, got -1'],
  [{ name: 'a', count: 10 }, 'count: expected 9 or less, got 10'],
  [{ name: 'a', count: '1' }, 'count: expected a number, got "1"'],
  [{ name: 'a', colour: 'green' }, 'colour: expected one of red, blue or null, got "green"'],
  [{ name: 'a', flag: 'yes' }, 'flag: expected true or false, got "yes"'],
  [{ name: 'a', rows: {} }, 'rows: expected a list, got an object'],
  [{ name: 'a', rows: [{ x: 'a' }, { x: [] }] }, 'rows[1].x: expected text, got a list'],
  [{ name: 'a', rows: [[]] }, 'rows[0]: expected an object, got a list'],
  [{ name: 'a', rows: [{ x: 'a', y: 1 }] }, 'rows[0].y: unknown, expected one of x'],
  [{ name: 'a', rows: [{ x: '' }, { x: '' }, { x: '' }] }, 'rows: expected 2 or fewer, got 3'],
  [{ name: 'a', odd: { a: 1 } }, 'odd: expected an object with text values, got an object'],
  [{ name: 'a', when: 'soon' }, 'when: expected a time such as "-1h", got nonsense'],
  [{ name: 'a', Name: 'b' }, 'Name: unknown, expected one of name, count, colour, flag, rows, odd, when'],
  [{ name: 1, flag: 2 }, 'name: expected text, got 1 (and 1 more)'],
  [
    { name: 'a', colour: 'x'.repeat(500) },
    `colour: expected one of red, blue or null, got "${'x'.repeat(99)}...`,
  ],
])('%j: %s', (input, sentence) => {
  const read = v.safeParse(schema, input);
  expect(read.success ? 'nothing is wrong' : complaint(schema, read.issues)).toBe(sentence);
});
