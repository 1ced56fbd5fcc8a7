import { describe, expect, test } from 'vitest';
import { listName, parsePattern, passes } from '../../../jobs/image-filter.js';

const filter = (match: string[], exclude: string[] = [], top?: number) => ({
  match: match.map(parsePattern),
  exclude: exclude.map(parsePattern),
  top,
});

describe('a pattern for ids', () => {
  test.each([
    ['Mk*', 'Mk0E', true],
    ['Mk*', 'mk0E', false],
    ['Mk*', 'aMk0E', false],
    ['?k', 'Mk', true],
    ['?k', 'k', false],
    ['[A-M]*', 'Mk', true],
    ['[!A-M]*', 'Mk', false],
    ['[!A-M]*', 'Zk', true],
    ['[^A-M]*', 'Zk', true],
    ['[[!]', '!', true],
    ['[[!]', '[', true],
    ['\\[!a', '[!a', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['a.b', 'aXb', false],
  ])('%s, of %s: %s', (pattern, id, whether) => {
    expect(parsePattern(pattern).matches(id)).toBe(whether);
  });

  test.each(['', '[', '[a', '[]', '[!]', 'a\\', '[z-'])('%j is refused', (pattern) => {
    expect(() => parsePattern(pattern)).toThrow('expected a pattern of *, ?, [a-z] and [!a-z]');
  });
});

test('an id passes that matches one of the patterns, if there are any, and none of the excluding', () => {
  const some = filter(['a*', 'b*'], ['*z', 'bb']);
  expect(['a', 'ba', 'c', 'az', 'bb'].filter((id) => passes(some, id))).toEqual(['a', 'ba']);
  expect(['a', 'z'].filter((id) => passes(filter([], ['z']), id))).toEqual(['a']);
});

test('the same list is another one under other filters', () => {
  const names = [
    listName('total.txt', filter([])),
    listName('total.txt', filter([], [], 5)),
    listName('total.txt', filter(['5'])),
    listName('total.txt', filter([], ['5'])),
    listName('total.txt', filter(['5', '6'])),
    listName('total.txt', filter(['5 6'])),
    listName('discover', filter([])),
  ];
  expect(new Set(names).size).toBe(names.length);
  expect(names.slice(0, 3)).toEqual(['total.txt', 'total.txt --top 5', 'total.txt --match "5"']);
});
