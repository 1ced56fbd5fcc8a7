import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lineWidth, textOf } from '../../../../cli/dashboard/cells.js';
import type { Frame } from '../../../../cli/dashboard/frame.js';
import { frameText } from '../../../../cli/dashboard/frame-text.js';
import { layOut } from '../../../../cli/dashboard/layout.js';
import type { Block, BlockId, Body, Line, Page, Tone } from '../../../../cli/dashboard/page.js';
import { FIRST_STATE, type State } from '../../../../cli/dashboard/state.js';
import { seeded } from '../../../support/seed.js';

const tone = fc.constantFrom<Tone>('plain', 'dim', 'strong', 'good', 'warn', 'bad', 'accent');
const words = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom('図書館の画像', '👩‍🚀🇨🇭', 'é́́́', '\x1b[2J\x07', 'one\ntwo', '{red-fg}x{/}', '\u202egnp.exe'),
);
const line: fc.Arbitrary<Line> = fc.array(fc.record({ text: words, tone }), { maxLength: 5 });
const lines = fc.array(line, { maxLength: 30 });
const value = fc.oneof(fc.constant(null), fc.double(), fc.nat(1000));
const chart: fc.Arbitrary<Body> = fc.record({
  kind: fc.constant('chart' as const),
  series: fc.array(fc.record({ label: words, tone, values: fc.array(value, { maxLength: 400 }) }), {
    maxLength: 9,
  }),
  told: fc.constantFrom(
    (number: number) => String(number),
    () => '',
    () => '一二三',
  ),
  from: words,
  to: words,
});
const table: fc.Arbitrary<Body> = fc
  .array(
    fc.record({ head: words, align: fc.constantFrom('left' as const, 'right' as const), spare: fc.nat(4) }),
    { maxLength: 12 },
  )
  .chain((columns) =>
    fc.record({
      kind: fc.constant('table' as const),
      columns: fc.constant(columns),
      rows: fc.array(
        fc.record({
          key: fc.string({ maxLength: 3 }),
          cells: fc.array(line, { minLength: columns.length, maxLength: columns.length }),
          marked: fc.boolean(),
          opens: fc.constant(null),
          about: fc.constant({}),
        }),
        { maxLength: 80 },
      ),
      empty: words,
      selected: fc.option<string, null>(fc.string({ maxLength: 3 }), { nil: null }),
    }),
  );
const body: fc.Arbitrary<Body> = fc.oneof(
  table,
  chart,
  fc.record({
    kind: fc.constant('text' as const),
    lines,
    from: fc.constantFrom('top' as const, 'end' as const),
  }),
  fc.record({ kind: fc.constant('gauge' as const), share: fc.double(), lines }),
);
const ids: readonly BlockId[] = [
  'progress',
  'states',
  'latency',
  'workers',
  'failures',
  'units',
  'events',
  'log',
];
const block: fc.Arbitrary<Block> = fc.record(
  {
    id: fc.constantFrom(...ids),
    title: words,
    band: fc.nat(3),
    grow: fc.record({ width: fc.nat(5), height: fc.nat(5) }),
    least: fc.record({ width: fc.nat(80), height: fc.nat(20) }),
    most: fc.record({ height: fc.nat(30) }),
    spare: fc.nat(4),
    body,
  },
  { requiredKeys: ['id', 'title', 'band', 'grow', 'least', 'spare', 'body'] },
);
const page: fc.Arbitrary<Page> = fc.record({
  title: line,
  alarms: fc.array(line, { maxLength: 4 }),
  about: fc.constant({}),
  blocks: fc.uniqueArray(block, { maxLength: 8, selector: ({ id }) => id }),
  keys: fc.array(fc.tuple(words, words), { maxLength: 12 }),
  brief: lines,
});
const state: fc.Arbitrary<State> = fc
  .record({
    dialog: fc.oneof(
      fc.constantFrom(null, { kind: 'help' as const }),
      words.map((question) => ({
        ...{ kind: 'confirm' as const, question },
        intent: { kind: 'drain' as const, machine: 'm' },
      })),
      words.map((text) => ({ kind: 'filter' as const, block: 'units' as const, text })),
    ),
    said: fc.option(
      fc.record({ words, tone: fc.constantFrom('good' as const, 'bad' as const, 'dim' as const) }),
    ),
    focus: fc.constantFrom(...ids).map((migration) => ({ migration })),
  })
  .map((made) => ({ ...FIRST_STATE, ...made }));
const size = fc.record({ columns: fc.integer({ min: 1, max: 300 }), rows: fc.integer({ min: 1, max: 100 }) });

const SPEAKS = /[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

function allLines({ lines: whole, panels, dialog }: Frame): { line: Line; room: number }[] {
  const inside = [...panels, ...(dialog === null ? [] : [dialog])].flatMap(({ rect, body: shown }) =>
    shown.kind === 'chart' ? [] : shown.lines.map((each) => ({ line: each, room: rect.width - 2 })),
  );
  return [...whole.map(({ line: each }) => ({ line: each, room: Number.POSITIVE_INFINITY })), ...inside];
}

type Rect = Frame['panels'][number]['rect'];

function overlap(one: Rect, other: Rect): boolean {
  const apart = (a: number, from: number, b: number, to: number): boolean => a + from <= b || b + to <= a;
  return (
    !apart(one.left, one.width, other.left, other.width) &&
    !apart(one.top, one.height, other.top, other.height)
  );
}

describe('any page on a screen of any size', () => {
  test('has its panels inside the screen, beside each other and beside the lines, and no line wider than its room', () => {
    fc.assert(
      fc.property(page, state, size, (anyPage, anyState, { columns, rows }) => {
        const frame = layOut(anyPage, anyState, { columns, rows });
        const wholes = frame.lines.map(({ row }) => ({ left: 0, top: row, width: columns, height: 1 }));
        const rects = [...wholes, ...frame.panels.map(({ rect }) => rect)];
        for (const { left, top, width, height } of rects)
          expect(Math.min(left, top, columns - left - width, rows - top - height)).toBeGreaterThanOrEqual(0);
        for (const [at, one] of rects.entries())
          expect(rects.slice(at + 1).filter((other) => overlap(one, other))).toEqual([]);
        for (const { line: whole } of frame.lines) expect(lineWidth(whole)).toBeLessThanOrEqual(columns);
        const { rect } = frame.dialog ?? { rect: { left: 0, top: 0, width: 1, height: 1 } };
        expect(rect.left >= 0 && rect.left + rect.width <= columns).toBe(true);
        expect(rect.top >= 0 && rect.top + rect.height <= rows).toBe(true);
        for (const { line: each, room } of allLines(frame)) {
          expect(lineWidth(each)).toBeLessThanOrEqual(room);
          expect(textOf(each)).not.toMatch(SPEAKS);
        }
        for (const {
          rect: { height },
          body: shown,
        } of frame.panels)
          if (shown.kind !== 'chart')
            expect(shown.lines.length + (shown.kind === 'gauge' ? 1 : 0)).toBeLessThanOrEqual(height - 2);
      }),
      seeded(150),
    );
  });

  test('is as many lines of text as the screen has rows, none wider than it, without anything a terminal obeys', () => {
    fc.assert(
      fc.property(page, state, size, (anyPage, anyState, { columns, rows }) => {
        const text = frameText(layOut(anyPage, anyState, { columns, rows })).split('\n');
        expect(text.length).toBe(rows + 1);
        for (const row of text) {
          expect(lineWidth([{ text: row, tone: 'plain' }])).toBeLessThanOrEqual(columns);
          expect(row).not.toMatch(SPEAKS);
        }
      }),
      seeded(150),
    );
  });
});

function aBlock(id: BlockId, band: number, spare: number, more: Partial<Block> = {}): Block {
  const body: Body = { kind: 'text', lines: [plain(`this is ${id}`)], from: 'top' };
  const least = { width: 20, height: 4 };
  return { id, title: id, band, spare, grow: { width: 1, height: 1 }, least, body, ...more };
}

function plain(text: string): Line {
  return [{ text, tone: 'plain' }];
}

function aPage(blocks: readonly Block[], more: Partial<Page> = {}): Page {
  return {
    title: plain('here'),
    alarms: [],
    about: {},
    blocks,
    keys: [],
    brief: [plain('in short')],
    ...more,
  };
}

function aTable(rows: number, selected: number | null): Body {
  return {
    kind: 'table',
    columns: [
      { head: 'name', align: 'left', spare: 0 },
      { head: 'count', align: 'right', spare: 0 },
      { head: 'about', align: 'left', spare: 1 },
    ],
    rows: Array.from({ length: rows }, (_, at) => ({
      key: `k${at}`,
      cells: [plain(`n${at}`), plain(String(at * 1000)), plain(`what ${at} does, told at some length`)],
      ...{ opens: null, about: {}, marked: at === 1 },
    })),
    empty: 'nobody here',
    selected: selected === null ? null : `k${selected}`,
  };
}

const textOn = (page: Page, columns: number, rows: number, more: Partial<State> = {}): string[] =>
  frameText(layOut(page, { ...FIRST_STATE, ...more }, { columns, rows }))
    .split('\n')
    .slice(0, -1);

describe('blocks', () => {
  const six = aPage([
    aBlock('progress', 0, 0),
    aBlock('states', 0, 3),
    aBlock('latency', 0, 2),
    aBlock('workers', 1, 0),
    aBlock('events', 2, 2),
    aBlock('log', 3, 1),
  ]);
  const shownOn = (page: Page, columns: number, rows: number): string[] =>
    layOut(page, FIRST_STATE, { columns, rows }).panels.map(({ id }) => id);

  test('are all there where there is room, and left out by what can be spared soonest where there is not', () => {
    expect(shownOn(six, 60, 18)).toEqual(['progress', 'states', 'latency', 'workers', 'events', 'log']);
    expect(shownOn(six, 60, 17)).toEqual(['progress', 'states', 'latency', 'workers', 'log']);
    const wide = { least: { width: 30, height: 4 } };
    const narrow = aPage([
      aBlock('progress', 0, 0, wide),
      aBlock('states', 0, 3, wide),
      aBlock('latency', 0, 2, wide),
    ]);
    expect(shownOn(narrow, 89, 18)).toEqual(['progress', 'latency']);
  });

  test('stand below alarms, which are whole where they take less than a quarter of the screen, else a line each', () => {
    const alarm = plain('Redis away since 09:00:00Z: start zh-redis, or set REDIS_URL to where Redis is');
    const [whole, ...rest] = textOn(aPage([aBlock('workers', 0, 0)], { alarms: [alarm] }), 60, 20).slice(
      1,
      4,
    );
    expect(whole).toBe('Redis away since 09:00:00Z: start zh-redis, or set REDIS_URL');
    expect(rest).toEqual(['to where Redis is', expect.stringMatching(/^┌ workers/)]);
    const many = aPage([aBlock('workers', 0, 0)], { alarms: Array(4).fill(alarm) });
    expect(textOn(many, 60, 20).slice(1, 6)).toEqual([
      ...Array(4).fill('Redis away since 09:00:00Z: start zh-redis, or set REDIS_UR…'),
      expect.stringMatching(/^┌ workers/),
    ]);
  });

  test('give way to lines, the most important first, where those that cannot be spared do not fit', () => {
    const tall = aPage([aBlock('workers', 0, 0, { least: { width: 20, height: 14 } })], {
      alarms: [plain('source unreachable')],
      brief: [plain('first'), plain('second')],
      keys: [['q', 'quit']],
    });
    expect(textOn(tall, 60, 17)[2]).toMatch(/^┌ workers ─+┐$/);
    expect(textOn(tall, 60, 16)).toEqual([
      'here',
      'source unreachable',
      'first',
      'second',
      ...Array(11).fill(''),
      'q quit',
    ]);
    expect(textOn(tall, 59, 17)[2]).toBe('first');
    expect(textOn(tall, 12, 4)).toEqual(['here', 'source unre…', 'first', 'q quit']);
    expect(textOn(tall, 12, 2)).toEqual(['here', 'q quit']);
    expect(textOn(tall, 1, 1)).toEqual(['…']);
  });

  test('share what is left as they grow, and take no more height than they have a use for', () => {
    const three = aPage([
      aBlock('progress', 0, 0, { grow: { width: 1, height: 0 } }),
      aBlock('states', 0, 0, { grow: { width: 3, height: 0 } }),
      aBlock('workers', 1, 0, { grow: { width: 1, height: 1 }, most: { height: 6 } }),
      aBlock('log', 2, 0, { grow: { width: 1, height: 1 } }),
    ]);
    const rects = layOut(three, FIRST_STATE, { columns: 100, rows: 42 }).panels.map(({ rect }) => rect);
    expect(rects).toEqual([
      { left: 0, top: 1, width: 35, height: 4 },
      { left: 35, top: 1, width: 65, height: 4 },
      { left: 0, top: 5, width: 100, height: 6 },
      { left: 0, top: 11, width: 100, height: 30 },
    ]);
  });

  test('keep the table that has the focus before all others', () => {
    const tables = aPage([
      aBlock('workers', 0, 0, { least: { width: 20, height: 10 }, body: aTable(3, 0) }),
      aBlock('failures', 1, 3, { least: { width: 20, height: 10 }, body: aTable(3, 0) }),
    ]);
    expect(shownOn(tables, 60, 15)).toEqual(['workers']);
    const state: State = { ...FIRST_STATE, focus: { migration: 'failures' } };
    const { panels } = layOut(tables, state, { columns: 60, rows: 22 });
    expect(panels.map(({ id, focused }) => [id, focused])).toEqual([
      ['workers', false],
      ['failures', true],
    ]);
  });
});

describe('a table', () => {
  const page = (rows: number, selected: number | null): Page =>
    aPage([aBlock('workers', 0, 0, { body: aTable(rows, selected) })]);

  test('has a head, marks before its rows, and says which rows are in sight', () => {
    expect(textOn(page(30, 0), 60, 15).slice(1, 6)).toEqual([
      '┌ workers 1-10 of 30 ──────────────────────────────────────┐',
      '│ name  count  about                                       │',
      '│>n0        0  what 0 does, told at some length            │',
      '│*n1     1000  what 1 does, told at some length            │',
      '│ n2     2000  what 2 does, told at some length            │',
    ]);
    expect(textOn(page(3, 0), 60, 15)[1]).toMatch(/^┌ workers ─+┐$/);
    expect(textOn(page(0, null), 60, 15).slice(2, 4).join()).toMatch(/^│nobody here +│,│ +│$/);
  });

  test('keeps the chosen row in sight, inverted', () => {
    for (const chosen of [0, 4, 5, 6, 15, 24, 25, 29]) {
      const { panels } = layOut(page(30, chosen), FIRST_STATE, { columns: 60, rows: 15 });
      const shown = panels[0]?.body;
      if (shown?.kind !== 'lines') throw new Error('no lines');
      expect(textOf(shown.lines[shown.selected ?? -1] ?? [])).toMatch(new RegExp(`^>n${chosen} `));
      expect(shown.lines).toHaveLength(11);
    }
  });

  test('cuts words before it leaves out a column, and never a number', () => {
    const small = (width: number): string => {
      const blocks = [
        aBlock('workers', 0, 0, {
          body: aTable(30, 0),
          least: { width, height: 4 },
          grow: { width: 0, height: 1 },
        }),
        aBlock('log', 0, 0, { least: { width: 60 - width, height: 4 } }),
      ];
      return textOn(aPage(blocks), 60, 15)[4]?.slice(0, width) ?? '';
    };
    expect(small(31)).toBe('│*n1     1000  what 1 does, t…│');
    expect(small(28)).toBe('│*n1     1000  what 1 does…│');
    expect(small(27)).toBe('│*n1     1000             │');
    expect(small(14)).toBe('│*n1     1000│');
  });
});

describe('the last row', () => {
  const keys = [
    ['p', 'pause'],
    ['/', 'filter'],
    ['q', 'quit'],
  ] as const;

  test('has the keys as far as they fit whole, or what came of the last act', () => {
    const page = aPage([], { keys });
    expect(textOn(page, 60, 3).at(-1)).toBe('p pause  / filter  q quit');
    expect(textOn(page, 25, 3).at(-1)).toBe('p pause  / filter  q quit');
    expect(textOn(page, 24, 3).at(-1)).toBe('/ filter  q quit');
    const said = { words: 'paused it', tone: 'good' } as const;
    expect(textOn(page, 60, 3, { said }).at(-1)).toBe('paused it');
  });
});

describe('a dialog', () => {
  const question = 'Drain machine m-1? The 12 units on it go to other machines, one after the other.';
  const dialog = { kind: 'confirm', question, intent: { kind: 'drain', machine: 'm-1' } } as const;

  test('stands in the middle, whole, over what is there', () => {
    const lines = textOn(aPage([aBlock('workers', 0, 0)]), 60, 15, { dialog });
    const text = lines.join('\n');
    expect(text).toContain('┌ sure? ─');
    expect(text).toContain('Drain machine m-1? The 12 units on it go to other');
    expect(text).toContain('machines, one after the other.');
    expect(lines[0]).toBe('here');
    expect(lines[7]).toMatch(/^│ *│ .* │ *│$/);
  });

  test('has a small screen to itself', () => {
    const lines = textOn(aPage([]), 20, 8, { dialog });
    expect(lines.join(' ')).toContain(question.slice(0, 40));
    expect(lines).not.toContain('in short');
  });
});
