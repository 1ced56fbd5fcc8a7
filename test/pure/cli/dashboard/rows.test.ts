import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chosenRow, chosenTable } from '../../../../cli/dashboard/choice.js';
import type { BlockId, Page, Row, Table } from '../../../../cli/dashboard/page.js';
import { tableOf } from '../../../../cli/dashboard/rows.js';
import { FIRST_STATE, type State } from '../../../../cli/dashboard/state.js';
import { seeded } from '../../../support/seed.js';

const row = (key: string, ...texts: readonly string[]): Omit<Row, 'marked'> => ({
  key,
  cells: (texts.length === 0 ? [key] : texts).map((text) => [{ text, tone: 'plain' }]),
  opens: null,
  about: {},
});
const listing = (...rows: readonly Omit<Row, 'marked'>[]) => ({ columns: [], rows, empty: 'none yet' });
const keys = ({ rows }: Table): string[] => rows.map(({ key }) => key);
const page = (tables: Partial<Record<BlockId, Table>>): Page => ({
  ...{ title: [], alarms: [], about: {}, keys: [], brief: [] },
  blocks: Object.entries(tables).map(([id, body]) => ({
    ...{ id: id as BlockId, title: '', band: 0, grow: { width: 1, height: 1 }, body },
    ...{ least: { width: 1, height: 1 }, spare: 0 },
  })),
});

test('a filter keeps rows with it in the text of one cell, whatever its case, and says so where there is none', () => {
  const all = listing(row('a', 'Alpha', 'up'), row('b', 'beta', 'DOWN'), row('c', 'gamma', 'up'));
  const filtered = (filter: string): Table =>
    tableOf({ ...FIRST_STATE, filters: { units: filter } }, 'units', all);
  expect(keys(filtered('down'))).toEqual(['b']);
  expect(keys(filtered('ALP'))).toEqual(['a']);
  // Cells do not run together.
  expect(keys(filtered('aup'))).toEqual([]);
  expect(filtered('nowhere').empty).toBe('nothing here has "nowhere" in it');
  expect(keys(tableOf({ ...FIRST_STATE, filters: { workers: 'x' } }, 'units', all))).toEqual(['a', 'b', 'c']);
  expect(tableOf({ ...FIRST_STATE, filters: { units: 'x' } }, 'units', listing()).empty).toBe('none yet');
});

test('marks and the choice stay with their rows when rows move; the first is chosen until one is', () => {
  const state: State = {
    ...FIRST_STATE,
    selected: { units: 'b' },
    places: { units: 1 },
    marked: ['c', 'gone'],
  };
  const moved = tableOf(state, 'units', listing(row('c'), row('a'), row('b')));
  expect(moved.selected).toBe('b');
  expect(moved.rows.map(({ marked }) => marked)).toEqual([true, false, false]);
  expect(tableOf(FIRST_STATE, 'units', listing(row('c'), row('a'))).selected).toBe('c');
  expect(tableOf(state, 'units', listing()).selected).toBeNull();
});

test('when the chosen row vanishes, the one that stands in its place is chosen, at the end the last', () => {
  const state: State = { ...FIRST_STATE, selected: { units: 'c' }, places: { units: 2 } };
  expect(tableOf(state, 'units', listing(row('a'), row('b'), row('d'))).selected).toBe('d');
  expect(tableOf(state, 'units', listing(row('a'), row('b'))).selected).toBe('b');
});

test('the focus is that of the view, if its table is on the page, else the first table', () => {
  const state: State = { ...FIRST_STATE, focus: { migration: 'failures', fleet: 'units' } };
  const all = page({
    migrations: tableOf(state, 'migrations', listing(row('m'))),
    failures: tableOf(state, 'failures', listing(row('f'))),
  });
  expect(chosenTable(all, state)?.id).toBe('failures');
  expect(chosenRow(all, state)?.key).toBe('f');
  expect(chosenTable(all, { ...state, page: 'fleet' })?.id).toBe('migrations');
  const left = page({ migrations: tableOf(state, 'migrations', listing()) });
  expect(chosenTable(left, state)?.id).toBe('migrations');
  expect(chosenRow(left, state)).toBeNull();
  expect(chosenTable(page({}), state)).toBeNull();
});

test('whatever the state, the chosen row is one of those that are listed', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd');
  fc.assert(
    fc.property(
      fc.uniqueArray(name),
      fc.option(name, { nil: '' }),
      fc.option(name),
      fc.nat(5),
      (names, filter, chosen, place) => {
        const selected = chosen === null ? {} : { units: chosen };
        const state = { ...FIRST_STATE, filters: { units: filter }, selected, places: { units: place } };
        const table = tableOf(state, 'units', listing(...names.map((one) => row(one))));
        if (table.rows.length === 0) expect(table.selected).toBeNull();
        else expect(keys(table)).toContain(table.selected);
      },
    ),
    seeded(),
  );
});
