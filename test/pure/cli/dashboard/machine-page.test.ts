import { expect, test } from 'vitest';
import { textOf } from '../../../../cli/dashboard/cells.js';
import type { Detail } from '../../../../cli/dashboard/detail.js';
import { layOut } from '../../../../cli/dashboard/layout.js';
import { machinePage } from '../../../../cli/dashboard/machine-page.js';
import type { Fleet, Opened } from '../../../../cli/dashboard/snapshot.js';
import { FIRST_STATE } from '../../../../cli/dashboard/state.js';
import {
  A,
  aCondition,
  aFleet,
  aMachine,
  aState,
  aUnit,
  B,
  fleetSnapshot,
  goneMachine,
  heard,
} from '../../../support/fleet-readings.js';
import { linesIn, rowIn, spansOf, tableIn } from '../../../support/page-text.js';

type MachineDetail = Extract<Detail, { kind: 'machine' }>;
const DETAIL: MachineDetail = { kind: 'machine', machine: A };

function opened(change: Partial<Extract<Opened, { kind: 'machine' }>> = {}): Opened {
  return { kind: 'machine', of: DETAIL, trouble: null, condition: aCondition(A), ...change };
}

function pageFor(fleet: Partial<Fleet>, looked: Opened | null = null, detail = DETAIL) {
  return machinePage(fleetSnapshot(aFleet(fleet), { opened: looked }), FIRST_STATE, detail);
}

test('all that is known of a machine', () => {
  const machines = [aMachine(A, { leader: true, metadata: { disk: 'ssd', az: 'eu' } })];
  const page = pageFor(
    { machines },
    opened({ condition: aCondition(A, { hold: 'the registry is another' }) }),
  );
  expect(textOf(page.title)).toBe('machine  aaaa1111.../10.0.0.1  ready, holds, leads');
  expect(page.about).toEqual({ machine: A });
  expect(linesIn(page, 'facts')).toEqual([
    '      Id  aaaa1111000000000000000000000000',
    '   State  ready, holds, leads',
    '    Hold  the registry is another',
    '    Load  0.42 in one minute, 0.40 in five, 0.38 in fifteen; 8 processors',
    '  Memory  8,123.4 MB free of 16.0 GB (50 %)',
    '      Up  4 d 3 h',
    'Metadata  az=eu, disk=ssd',
    ' Address  10.0.0.1  convoyd psk://10.0.0.1:7373',
    ' Version  0.1.0',
    '    Boot  b7c9',
  ]);
  expect(page.brief.map(textOf)).toEqual(linesIn(page, 'facts'));
});

test.each<[string, Partial<Fleet>, Opened | null, string]>([
  ['not yet told', {}, null, 'Condition  not told yet'],
  [
    'of the fleet page, until its own is there',
    { conditions: new Map([[A, aCondition(A, { cpus: 1 })]]) },
    null,
    ' 0.38 in fifteen; 1 processor',
  ],
  ['of another machine', {}, opened({ of: { ...DETAIL, machine: B } }), 'Condition  not told yet'],
  ['not to be had', {}, opened({ condition: null, trouble: 'no answer' }), 'Condition  no answer'],
  ['told before, and not to be had now', {}, opened({ trouble: 'no answer' }), 'Condition  no answer'],
])('a condition %s', (_, fleet, looked, line) => {
  expect(linesIn(pageFor(fleet, looked), 'facts').join('\n')).toContain(line);
});

test.each([
  [{}, 'gone'],
  [{ away: 'left' }, 'left'],
  [{ away: 'evicted' }, 'evicted'],
] as const)('one that is not there: %j', (change, state) => {
  expect(linesIn(pageFor({ machines: [goneMachine(A, change)] }), 'facts')).toEqual([
    '   Id  aaaa1111000000000000000000000000',
    `State  ${state}`,
  ]);
});

test('its units, as they are there', () => {
  const states = [
    aState('g.service', A, { active: 'failed', sub: 'failed', exit: '7' }),
    aState('g.service', B),
  ];
  const page = pageFor({
    units: [
      aUnit('a.service', A),
      aUnit('elsewhere.service', B),
      aUnit('g.service', null, { record: { global: true }, states }),
      aUnit('leaving.service', B, {
        states: [aState('leaving.service', A, { active: 'deactivating', sub: 'stop' })],
      }),
      aUnit('placed.service', A, { states: [] }),
    ],
  });
  expect(tableIn(page, 'units').columns.map(({ head }) => head)).toEqual([
    ...['UNIT', 'STATE', 'SINCE', 'TARGET', 'RESTARTS', 'WHY'],
  ]);
  expect(linesIn(page, 'units')).toEqual([
    'g.service | failed | 5min | launched | - | exit 7',
    'leaving.service | deactivating (stop) | 5min | launched | - | fewest units',
    'placed.service | placed | - | launched | - | fewest units',
    'a.service | active (running) | 5min | launched | - | fewest units',
  ]);
  expect(rowIn(page, 'units', 'a.service')).toMatchObject({
    opens: { kind: 'unit', unit: 'a.service', machine: A },
    about: { unit: 'a.service' },
  });
  expect(tableIn(pageFor({}), 'units')).toMatchObject({ rows: [], empty: 'it has no units' });
});

test('what happened to it and on it, and to no other', () => {
  const page = pageFor({
    events: [
      heard({ kind: 'machine', revision: 9, machine: B, value: null }),
      heard({ kind: 'machine', revision: 8, machine: A, value: null }),
      heard({ kind: 'placement', revision: 7, unit: 'a.service', machine: A, value: null }),
      heard({ kind: 'leader', revision: 6, value: null }),
    ],
  });
  expect(linesIn(page, 'events')).toEqual([
    '09:00:00Z | machine aaaa1111... is gone',
    '09:00:00Z | a.service taken off aaaa1111...',
  ]);
});

test('one that the cluster does not know, and a fleet that was never read', () => {
  const page = pageFor({ machines: [] });
  expect(textOf(page.title)).toBe('machine  aaaa1111...  unknown');
  expect(linesIn(page, 'facts')).toEqual([
    '   Id  aaaa1111000000000000000000000000',
    'State  the cluster does not know it: it was forgotten',
  ]);
  const unread = machinePage(fleetSnapshot(null), FIRST_STATE, DETAIL);
  expect(textOf(unread.title)).toBe('machine  aaaa1111000000000000000000000000');
  expect(linesIn(unread, 'facts')).toEqual(['asking convoyd for the fleet']);
});

test.each([
  [100, 30],
  [60, 15],
])('on %d x %d there are its facts and its units', (columns, rows) => {
  const { panels } = layOut(pageFor({}, opened()), FIRST_STATE, { columns, rows });
  expect(panels.map(({ id }) => id)).toEqual(['facts', 'units']);
});

test('what a machine says of itself never reaches the terminal as it is', () => {
  const evil = 'x\u001b[2J\n\r\u0007\u202e\u009b31m';
  const detail: MachineDetail = { kind: 'machine', machine: evil };
  const machine = aMachine(evil, {
    ...{ ip: evil, apiAddress: evil, version: evil, bootId: evil },
    metadata: { [evil]: evil },
  });
  const looked = opened({ of: detail, trouble: evil, condition: aCondition(evil, { hold: evil }) });
  const spans = spansOf(pageFor({ machines: [machine] }, looked, detail));
  expect(spans.length).toBeGreaterThan(15);
  for (const { text } of spans) expect(text).not.toMatch(/[\p{Cc}\u202e]/u);
});
