import { expect, test } from 'vitest';
import { prometheusMeter } from '../../../runtime/prometheus.js';
import { lintMetrics, parseMetrics, sample } from '../../support/prometheus-text.js';

test('counts, sizes and readings in the format of Prometheus, whatever stands in help and labels', async () => {
  const meter = prometheusMeter();
  const count = meter.counter({ name: 'a_total', help: 'one\\two\nlines', labels: ['kind', 'why'] });
  const plain = meter.counter({ name: 'b_total', help: 'b' });
  const seconds = meter.histogram({ name: 'c_seconds', help: 'c', labels: ['kind'], buckets: [0.1, 1] });
  let now: { labels: { of: string }; value: number }[] = [];
  meter.reading('gauge', { name: 'd', help: 'd', labels: ['of'] }, () => now);
  meter.reading('counter', { name: 'e_total', help: 'e' }, () => [{ labels: {}, value: 7.5 }]);

  count({ kind: 'x', why: 'quote " back \\ line \n' });
  count({ kind: 'y', why: '' }, 0);
  plain({}, 3);
  for (const value of [0.05, 0.5, 5]) seconds({ kind: 'x' }, value);
  now = [{ labels: { of: 'p' }, value: 2 }];
  const first = parseMetrics(await meter.text());
  expect(sample(first, 'a_total{kind="x",why="quote \\" back \\\\ line \\n"}')).toBe(1);
  expect([...(first.get('a_total')?.samples ?? [])]).toHaveLength(2);
  expect(sample(first, 'b_total')).toBe(3);
  expect(sample(first, 'c_seconds_bucket{kind="x",le="0.1"}')).toBe(1);
  expect(sample(first, 'c_seconds_bucket{kind="x",le="+Inf"}')).toBe(3);
  expect(sample(first, 'c_seconds_sum{kind="x"}')).toBe(5.55);
  expect(sample(first, 'd{of="p"}')).toBe(2);
  expect(sample(first, 'e_total')).toBe(7.5);
  expect(lintMetrics(first)).toEqual([]);

  now = [{ labels: { of: 'q' }, value: 1 }];
  const second = parseMetrics(await meter.text());
  expect([...(second.get('d')?.samples ?? [])]).toEqual([['d{of="q"}', 1]]);
  expect(sample(second, 'e_total')).toBe(7.5);
});

test('a name is given out once', () => {
  const meter = prometheusMeter();
  meter.counter({ name: 'a_total', help: 'a' });
  expect(() => meter.counter({ name: 'a_total', help: 'another' })).toThrow('already been registered');
});

test.each([
  ['# HELP a a\n# TYPE a gauge\na 1', 'does not end'],
  ['a 1\n', 'no sample'],
  ['# TYPE a gauge\na 1\n', 'misplaced'],
  ['# HELP a a\n# TYPE a gauge\na{b=c} 1\n', 'no sample'],
  ['# HELP a a\n# TYPE a gauge\na{b="c"} 1\na{b="c"} 2\n', 'a series twice'],
  ['# HELP a a\n# TYPE a gauge\na x\n', 'no value'],
  ['# HELP a a\n# TYPE a gauge\nb 1\n', 'not of a'],
  ['# HELP a a\n# TYPE a histogram\na_bucket{le="+Inf"} 2\na_sum 1\na_count 3\n', 'not whole'],
  ['# HELP a a\n# TYPE a histogram\na_bucket{le="1"} 2\na_sum 1\na_count 2\n', 'not whole'],
  ['# HELP a a\n# TYPE a histogram\na_count 2\n', 'no buckets'],
])('the strict reader of tests refuses %j', (text, why) => {
  expect(() => parseMetrics(text)).toThrow(why);
});
