import { describe, expect, test } from 'vitest';
import { textOf } from '../../../../cli/dashboard/cells.js';
import type { Chart } from '../../../../cli/dashboard/page.js';
import { curveLines, plotOf } from '../../../../cli/dashboard/plot.js';

function chart(...values: readonly (readonly (number | null)[])[]): Chart {
  return {
    kind: 'chart',
    series: values.map((each, at) => ({ label: `s${at}`, tone: 'plain', values: each })),
    told: (value) => `${value} MB`,
    ...{ from: '5 min ago', to: 'now' },
  };
}

function picture(of: Chart, width: number, height: number): string[] {
  const plot = plotOf(of, { width, height });
  const drawn = curveLines(plot);
  return plot.lines.map((line, at) =>
    `${textOf(line)}${textOf(drawn[at - (plot.area?.top ?? 0)] ?? [])}`.trimEnd(),
  );
}

describe('a chart in characters', () => {
  const climb = Array.from({ length: 17 }, (_, at) => at);

  test('has the value of now, a scale from 0 to a round number, and the ends of its time', () => {
    expect(picture(chart(climb), 23, 7)).toEqual([
      's0 16 MB',
      '20 MB┤',
      '     │             ▂▄▆█',
      '10 MB┤         ▂▄▆█████',
      '     │     ▂▄▆█████████',
      '     │ ▂▄▆█████████████',
      ' 0 MB└5 min ago─────now',
    ]);
  });

  test('tells several curves apart by marks, as in the legend', () => {
    expect(picture(chart(climb, [...climb].reverse(), [3, 3, 3, null]), 23, 8)).toEqual([
      '* s0 16 MB   + s1 0 MB',
      'o s2 -',
      '20 MB┤',
      '     │++++         ****',
      '10 MB┤    ++++*****',
      '     │ooo*****o+++++',
      '     │***           +++',
      ' 0 MB└5 min ago─────now',
    ]);
  });

  test('leaves open what is not known, and shows any value above 0, peaks before all', () => {
    const values = [0, null, null, Number.NaN, 1, 0, 1000, 0, 1, Number.POSITIVE_INFINITY, -5, 1];
    expect(picture(chart(values), 24, 5)).toEqual([
      's0 1 MB',
      '1000 MB┤        █',
      '       │        █',
      '       │     ▁▁ █  ▁   ▁',
      '   0 MB└5 min ago────now',
    ]);
    const many = Array.from({ length: 1000 }, (_, at) => (at === 501 ? 10 : 0));
    expect(picture(chart(many), 20, 4)[1]).toBe('10 MB┤      █');
    expect(picture(chart([10]), 20, 4)[1]).toBe('10 MB┤             █');
  });

  test('of nothing but 0 has no other label', () => {
    expect(picture(chart([0, 0]), 23, 5)).toEqual([
      's0 0 MB',
      '    │',
      '    │',
      '    │',
      '0 MB└5 min ago──────now',
    ]);
  });

  test('is only the values of now where there is no room for curves', () => {
    expect(picture(chart(climb, [1, 2]), 14, 9)).toEqual(['* s0 16 MB', '+ s1 2 MB']);
    expect(picture(chart(climb, [1, 2]), 60, 3)).toEqual(['* s0 16 MB', '+ s1 2 MB']);
    expect(picture(chart(climb, [1, 2]), 8, 1)).toEqual(['* s0 16…']);
    expect(plotOf(chart(climb), { width: 60, height: 3 }).area).toBeNull();
    expect(plotOf(chart(), { width: 60, height: 8 }).lines).toHaveLength(8);
  });

  test.each([
    [0.3, 0.5],
    [1, 1],
    [1.1, 2],
    [499, 500],
    [501, 1000],
    [1_204_113, 2_000_000],
  ])('of %d at most goes up to %d', (most, top) => {
    expect(picture(chart([most]), 60, 8)[1]).toMatch(new RegExp(`^ *${top} MB┤`));
  });
});
