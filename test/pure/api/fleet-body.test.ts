import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readPatches } from '../../../api/fleet-body.js';
import { seeded } from '../../support/seed.js';

const MACHINE = 'b38a1340d9b584906d50962c4f679ffd';
const patch = (over: object): string =>
  JSON.stringify([{ op: 'add', path: `/${MACHINE}/metadata/color`, value: { value: 'blue' }, ...over }]);

describe('a PATCH of machines', () => {
  test.each([
    ['the form fleet took', patch({}), 'blue'],
    ["the form of fleet's documentation", patch({ value: 'blue' }), 'blue'],
    ['replace', patch({ op: 'replace', value: 'a=b,c' }), 'a=b,c'],
    ['remove', patch({ op: 'remove', value: undefined }), null],
    ['remove with a value that is not needed', patch({ op: 'remove' }), null],
    ['fields nobody knows', patch({ from: '/x', value: { value: 'blue', unit: 1 } }), 'blue'],
  ])('%s', (_what, text, value) => {
    expect(readPatches(text)).toEqual([{ machine: MACHINE, key: 'color', value }]);
  });

  test('nothing is asked for by an empty list and by null', () => {
    expect(readPatches('[]')).toEqual([]);
    expect(readPatches(' null\n')).toEqual([]);
  });

  test.each([
    ['nothing', '', 'EOF'],
    ['an object', '{}', 'expected a list of operations, got an object'],
    ['a number in the list', '[1]', 'expected objects with "op", "path" and "value", got a number'],
    ['null in the list', '[null]', 'invalid op: expect add, remove, or replace'],
    ['an unknown op', patch({ op: 'test' }), 'invalid op: expect add, remove, or replace'],
    ['an op in capitals', patch({ op: 'Add' }), 'invalid op: expect add, remove, or replace'],
    ['op before path', patch({ op: 'test', path: 'x' }), 'invalid op: expect add, remove, or replace'],
    ['path before value', patch({ path: 'x', value: '' }), 'machine metadata path invalid'],
    ['no slash at the start', patch({ path: `${MACHINE}/metadata/a` }), 'machine metadata path invalid'],
    ['a key with a blank', patch({ path: `/${MACHINE}/metadata/a b` }), 'machine metadata path invalid'],
    ['a key with a newline', patch({ path: `/${MACHINE}/metadata/a\n` }), 'machine metadata path invalid'],
    ['no key', patch({ path: `/${MACHINE}/metadata/` }), 'machine metadata path invalid'],
    ['no machine', patch({ path: '//metadata/a' }), 'machine metadata path invalid'],
    ['an empty value', patch({ value: '' }), 'invalid value: add and replace require a value'],
    ['an empty value in an object', patch({ value: {} }), 'invalid value: add and replace require a value'],
    ['a null value', patch({ value: null }), 'invalid value: add and replace require a value'],
    ['a number as value', patch({ value: 5 }), 'expected text in "value", got a number'],
    ['a number in the object', patch({ value: { value: 5 } }), 'expected text in "value", got a number'],
    ['a list as value', patch({ value: ['x'] }), 'expected text in "value", got a list'],
    ['a number as op', patch({ op: 5 }), 'expected text in "op", got a number'],
  ])('%s is refused in words', (_what, text, message) => {
    expect(() => readPatches(text)).toThrow(new Error(message));
  });

  test('of any list, either all operations are read as they stand or the first bad one is told', () => {
    const value = fc.string({ maxLength: 4 });
    const operation = fc.record(
      {
        op: fc.constantFrom('add', 'replace', 'remove', 'add', 'move'),
        path: fc
          .tuple(fc.constantFrom('m1', 'm2', 'a/b'), fc.constantFrom('zone', 'a.b-c_9', 'ö', ''))
          .map(([machine, key]) => `/${machine}/metadata/${key}`),
        value: fc.oneof(value, fc.record({ value })),
      },
      { requiredKeys: ['op', 'path'] },
    );
    const textOf = (given: string | { value: string } | undefined): string =>
      typeof given === 'object' ? given.value : (given ?? '');
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 6 }), (operations) => {
        const isGood = ({ op, path, value: given }: (typeof operations)[number]): boolean =>
          op !== 'move' && /^\/m\d\/metadata\/[a-z]/.test(path) && (op === 'remove' || textOf(given) !== '');
        if (!operations.every(isGood))
          return void expect(() => readPatches(JSON.stringify(operations))).toThrow(/invalid/);
        expect(readPatches(JSON.stringify(operations))).toEqual(
          operations.map(({ op, path, value: given }) => ({
            machine: path.split('/')[1],
            key: path.split('/')[3],
            value: op === 'remove' ? null : textOf(given),
          })),
        );
      }),
      seeded(1_000),
    );
  });

  test('whatever is sent, it is refused in words or understood', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          return Array.isArray(readPatches(text));
        } catch (error) {
          return error instanceof Error && error.message !== '';
        }
      }),
      seeded(500),
    );
  });
});
