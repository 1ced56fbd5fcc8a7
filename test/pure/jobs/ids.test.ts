import { expect, test } from 'vitest';
import { idOfLine, printableId, whyNotId } from '../../../jobs/ids.js';

test.each(['Mk0E', 'a', 'with space', 'ünïcode', 'x'.repeat(200), 'a.b'])('takes the id %s', (id) => {
  expect(whyNotId(id)).toBeNull();
});

test.each([
  ['', 'empty'],
  ['..', '..'],
  ['a..b', '..'],
  ['.hidden', 'dot'],
  ['a/b', 'slash'],
  ['../../etc/passwd', 'slash'],
  ['a\\b', 'slash'],
  ['a\nb', 'control'],
  ['a\0b', 'control'],
  ['\u001b[31mred', 'control'],
  ['a\u0085b', 'control'],
  ['x'.repeat(201), 'longer'],
  ['ü'.repeat(101), 'longer'],
  ['\ud800', 'Unicode'],
  ['not utf-8: \ufffd', 'Unicode'],
])('refuses the id %j', (id, word) => {
  expect(whyNotId(id)).toContain(word);
});

test.each([
  ['Mk0E:123', 'Mk0E'],
  ['Mk0E', 'Mk0E'],
  ['  Mk0E:1 \r', 'Mk0E'],
  ['\ufeffMk0E:1', 'Mk0E'],
  ['a:b', 'a:b'],
  ['', null],
  ['   ', null],
])('reads the line %j as %j', (line, id) => {
  expect(idOfLine(line)).toBe(id);
});

test('a hostile id is escaped and cut for people', () => {
  expect(printableId('a\u001b[31m\n')).toBe('a\\x1b[31m\\x0a');
  expect(printableId('x'.repeat(5000)).length).toBeLessThan(210);
});
