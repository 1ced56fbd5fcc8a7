import { describe, expect, it } from 'vitest';
import {
  type Figure,
  isMet,
  median,
  quantile,
  ratios,
  spread,
  tableOf,
} from '../../bench/support/figures.js';

const figure = (more: Partial<Figure>): Figure => ({
  ...{ what: 'tiles a second', values: [3, 1, 2], unit: 'x', target: { atLeast: 1.5 }, beside: 'peer 1.0' },
  ...more,
});

describe('figures', () => {
  it('are told by their median, the least and the most', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(spread([1.234, 2, 10_000], 'ms')).toBe('2 ms (1.23-10,000)');
    expect(spread([0.01234], 's')).toBe('0.012 s');
  });

  it('tell quantiles by nearest rank', () => {
    const values = Array.from({ length: 200 }, (_, at) => 200 - at);
    expect(quantile(values, 0.5)).toBe(100);
    expect(quantile(values, 0.99)).toBe(198);
    expect(quantile([7], 0.99)).toBe(7);
  });

  it('are compared run by run', () => {
    expect(ratios([10, 30], [5, 10])).toEqual([2, 3]);
  });

  it('are met or not by their median', () => {
    expect(isMet(figure({}))).toBe(true);
    expect(isMet(figure({ target: { atLeast: 2.1 } }))).toBe(false);
    expect(isMet(figure({ target: { atMost: 2 } }))).toBe(true);
    expect(isMet(figure({ target: { atMost: 1.9 } }))).toBe(false);
    expect(isMet(figure({ values: [Number.POSITIVE_INFINITY], target: { atMost: 30 } }))).toBe(false);
    expect(isMet(figure({ target: null }))).toBe(true);
  });

  it('stand in a table that says what was promised and whether it was kept', () => {
    expect(tableOf([figure({}), figure({ target: { atMost: 1 } }), figure({ target: null })])).toBe(
      [
        '| what | measured | runs | must be | met | beside it |',
        '|---|---|---:|---|---|---|',
        '| tiles a second | 2 x (1-3) | 3 | at least 1.5 x | yes | peer 1.0 |',
        '| tiles a second | 2 x (1-3) | 3 | at most 1 x | **no** | peer 1.0 |',
        '| tiles a second | 2 x (1-3) | 3 | - | - | peer 1.0 |',
      ].join('\n'),
    );
  });
});
