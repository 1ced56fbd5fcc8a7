import { describe, expect, test } from 'vitest';
import { coloured, compareKeys, formatDocument, readSort } from '../../../cli/list-form.js';

test('what rows are sorted by: fields in order, each one way or the other', () => {
  expect(readSort('active,-unit')).toEqual([
    { field: 'active', descending: false },
    { field: 'unit', descending: true },
  ]);
  expect(readSort('')).toEqual([]);
});

describe('keys are compared', () => {
  test('by the numbers in them', () => {
    const names = ['web@10.service', 'web@2.service', 'db.service', 'web@1.service'];
    expect(names.sort((a, b) => compareKeys(a, b, false))).toEqual([
      'db.service',
      'web@1.service',
      'web@2.service',
      'web@10.service',
    ]);
  });

  test('numbers by size, the other way round if asked', () => {
    expect([3, -1, 20].sort((a, b) => compareKeys(a, b, false))).toEqual([-1, 3, 20]);
    expect([3, -1, 20].sort((a, b) => compareKeys(a, b, true))).toEqual([20, 3, -1]);
  });

  test.each([false, true])('with empty ones last (descending: %s)', (descending) => {
    expect(['', 'a', ''].sort((a, b) => compareKeys(a, b, descending))).toEqual(['a', '', '']);
  });
});

test('documents: an empty list is an empty list', async () => {
  expect(await formatDocument([], 'json')).toBe('[]\n');
  expect(await formatDocument([], 'yaml')).toBe('[]\n');
  expect(await formatDocument([{ unit: 'a.service', machine: null }], 'yaml')).toBe(
    '- unit: a.service\n  machine: null\n',
  );
});

test.each([
  ['active', 'failed', 31],
  ['sub', 'auto-restart', 33],
  ['active', 'activating', 33],
  ['state', 'gone', 31],
  ['state', 'draining', 33],
  ['active', 'active', 32],
])('%s %s has a colour', (field, cell, code) => {
  expect(coloured(field, cell)).toBe(`\u001b[${code}m${cell}\u001b[0m`);
});

test.each([
  ['unit', 'failed'],
  ['sub', 'running'],
  ['active', 'constructor'],
  ['active', '-'],
])('%s %s has none', (field, cell) => {
  expect(coloured(field, cell)).toBe(cell);
});
