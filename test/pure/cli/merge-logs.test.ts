import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mergeLogs, timeOf } from '../../../cli/merge-logs.js';
import { seeded } from '../../support/seed.js';

const NOW = Date.UTC(2026, 10, 21, 9, 39, 20);
const AT = Date.UTC(2026, 10, 21, 9, 39, 8);

describe('the time of a line', () => {
  test.each([
    ['Nov 21 09:39:08 host3 sh[185]: tick', AT],
    ['Nov 21 09:39:08.250731 host3 sh[185]: tick', AT + 250],
    ['Nov  1 09:39:08 host3 sh[185]: tick', Date.UTC(2026, 10, 1, 9, 39, 8)],
    ['Dec 31 23:59:59 host3 sh[185]: last year', Date.UTC(2025, 11, 31, 23, 59, 59)],
    ['2026-11-21T09:39:08+0000 host3 sh[185]: tick', AT],
    ['2026-11-21T11:39:08.250731+02:00 host3 sh[185]: tick', AT + 250],
    ['Sat 2026-11-21 09:39:08 UTC host3 sh[185]: tick', AT],
    ['Sat 2026-11-21 09:39:08.250731 UTC [s=9d1f]', AT + 250],
    [`${AT / 1000}.250731 host3 sh[185]: tick`, AT + 250.731],
    [`{"MESSAGE":"tick","__REALTIME_TIMESTAMP":"${AT}250"}`, AT + 0.25],
    ['    _PID=166', null],
    ['tick', null],
    ['', null],
    ['Foo 99 99:99:99 host sh[1]: tick', null],
    ['{"MESSAGE":"tick","_SYSTEMD_UNIT":"a.service"}', null],
  ])('%s', (line, at) => {
    const found = timeOf(line, NOW);
    if (at === null || found === null) expect(found).toBe(at);
    else expect(found).toBeCloseTo(at, 0);
  });
});

test('lines of several machines come by time; what has none goes with the line before it', () => {
  const a = ['Nov 21 09:39:08 a sh[1]: one', '  more of one', 'Nov 21 09:39:10 a sh[1]: three'];
  const b = ['-- Boot --', 'Nov 21 09:39:09 b sh[1]: two', 'Nov 21 09:39:10 b sh[1]: four'];
  expect(
    mergeLogs(
      [
        { label: 'A', lines: a },
        { label: 'B', lines: b },
      ],
      NOW,
    ),
  ).toEqual([
    'B: -- Boot --',
    'A: Nov 21 09:39:08 a sh[1]: one',
    'A:   more of one',
    'B: Nov 21 09:39:09 b sh[1]: two',
    'A: Nov 21 09:39:10 a sh[1]: three',
    'B: Nov 21 09:39:10 b sh[1]: four',
  ]);
});

test('without times one machine comes after the other', () => {
  const logs = [
    { label: 'A', lines: ['1', '2'] },
    { label: 'B', lines: ['1', '2'] },
  ];
  expect(mergeLogs(logs, NOW)).toEqual(['A: 1', 'A: 2', 'B: 1', 'B: 2']);
});

test('no line is lost, and those of each machine stay in order', () => {
  const line = fc.oneof(
    fc
      .integer({ min: 0, max: 59 })
      .map((second) => `Nov 21 09:38:${String(second).padStart(2, '0')} h sh[1]: x`),
    fc.constantFrom('no time', ''),
  );
  fc.assert(
    fc.property(fc.array(fc.array(line, { maxLength: 8 }), { maxLength: 4 }), (machines) => {
      const merged = mergeLogs(
        machines.map((lines, at) => ({ label: `${at}`, lines })),
        NOW,
      );
      for (const [at, lines] of machines.entries())
        expect(merged.filter((text) => text.startsWith(`${at}: `))).toEqual(
          lines.map((text) => `${at}: ${text}`),
        );
      expect(merged).toHaveLength(machines.flat().length);
    }),
    seeded(200),
  );
});
