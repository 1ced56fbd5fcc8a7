import { expect, test } from 'vitest';
import { textOf } from '../../../../cli/dashboard/cells.js';
import type { Detail } from '../../../../cli/dashboard/detail.js';
import { pageOf } from '../../../../cli/dashboard/pages.js';
import { FIRST_STATE, type State } from '../../../../cli/dashboard/state.js';
import { A, fleetSnapshot } from '../../../support/fleet-readings.js';

const DETAILS: readonly (readonly [Detail, string])[] = [
  [{ kind: 'worker', worker: 'w1' }, 'worker'],
  [{ kind: 'unit', unit: 'a.service', machine: null }, 'unit'],
  [{ kind: 'machine', machine: A }, 'machine'],
  [{ kind: 'image', migration: 'm', image: 'i' }, 'image'],
  [{ kind: 'failures', migration: 'm', filter: {} }, 'failures'],
  [
    { kind: 'failure', migration: 'm', failure: { lane: 'tiles', image: 'i', first: 0, count: 1 } },
    'failure',
  ],
];

const firstWord = (state: State): string | undefined =>
  textOf(pageOf(fleetSnapshot(null), state).title).match(/\w+/)?.[0];

test('a page where nothing is opened', () => {
  expect(firstWord({ ...FIRST_STATE, page: 'fleet' })).toBe('fleet');
  expect(firstWord({ ...FIRST_STATE, page: 'migration' })).toBe('migration');
});

test.each(DETAILS)('%j is seen in its place, if it was opened last', (detail, word) => {
  const before = DETAILS.filter(([other]) => other !== detail).map(([other]) => other);
  expect(firstWord({ ...FIRST_STATE, details: [...before, detail] })).toBe(word);
});
