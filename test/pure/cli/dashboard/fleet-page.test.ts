import { expect, test } from 'vitest';
import type { Event } from '../../../../api/event-schemas.js';
import type { LeaderReport } from '../../../../api/schemas.js';
import { textOf } from '../../../../cli/dashboard/cells.js';
import { fleetPage } from '../../../../cli/dashboard/fleet-page.js';
import { layOut } from '../../../../cli/dashboard/layout.js';
import type { Fleet } from '../../../../cli/dashboard/snapshot.js';
import { FIRST_STATE, type State } from '../../../../cli/dashboard/state.js';
import {
  A,
  aCondition,
  aFleet,
  aMachine,
  aState,
  aUnit,
  B,
  C,
  fleetSnapshot,
  goneMachine,
  heard,
  LEADER,
  machineId,
  NOW,
} from '../../../support/fleet-readings.js';
import { linesIn, rowIn, spansOf, tableIn } from '../../../support/page-text.js';

const STATE: State = { ...FIRST_STATE, page: 'fleet' };

function pageFor(change: Partial<Fleet>, state = STATE) {
  return fleetPage(fleetSnapshot(aFleet(change)), state);
}

test.each<[string, Partial<Fleet>, string]>([
  [
    'all is well',
    { units: [aUnit('a.service', A)] },
    'fleet  2 machines  1 unit active  aaaa1111... leads  term 1,204',
  ],
  [
    'some is not',
    {
      machines: [aMachine(A), goneMachine(B)],
      units: [
        aUnit('a.service', A),
        aUnit('b.service', null),
        aUnit('c.service', A, { record: { target: 'loaded' } }),
      ],
    },
    'fleet  1 of 2 machines  1 of 2 units active  aaaa1111... leads  term 1,204',
  ],
  [
    'nobody leads',
    { leader: { ...LEADER, machine: null, term: null } },
    'fleet  2 machines  0 units active  nobody leads',
  ],
])('the title where %s', (_, change, title) => {
  expect(textOf(pageFor(change).title)).toBe(title);
});

test('a global unit is active if it is wherever it is', () => {
  const states = [aState('g.service', A), aState('g.service', B)];
  const global = aUnit('g.service', null, { record: { global: true }, states });
  const broken = [aState('g.service', A), aState('g.service', B, { active: 'failed', sub: 'failed' })];
  expect(textOf(pageFor({ units: [global] }).title)).toContain('  1 unit active');
  expect(textOf(pageFor({ units: [{ ...global, states: broken }] }).title)).toContain('  0 of 1 unit active');
});

const leader = (change: Partial<LeaderReport>): Partial<Fleet> => ({ leader: { ...LEADER, ...change } });
const holding = (...ids: string[]): Partial<Fleet> => ({
  conditions: new Map(
    [A, ...ids].map((id) => [id, aCondition(id, id === A ? {} : { hold: 'the registry is another' })]),
  ),
});

test.each<[string, Partial<Fleet>, string[]]>([
  ['nothing', {}, []],
  ['no leader', leader({ machine: null }), ['nobody leads: no unit is placed or moved until a machine does']],
  [
    'a freeze',
    leader({ frozen: '5 of 14 machines are missing' }),
    ['evictions frozen: 5 of 14 machines are missing'],
  ],
  ['a leader that holds', leader({ hold: 'older' }), ['the leader holds: older']],
  [
    'a hold',
    { hold: 'the registry is another' },
    ['the convoyd that answers holds: the registry is another'],
  ],
  ['a machine that holds', holding(B), ['machine bbbb2222... holds: the registry is another']],
  [
    'three that hold',
    holding(B, C, 'd'),
    [
      'machine bbbb2222... holds: the registry is another',
      'machine cccc3333... holds: the registry is another',
      'machine d holds: the registry is another',
    ],
  ],
  [
    'more that hold',
    holding(B, C, 'd', 'e'),
    [
      'machine bbbb2222... holds: the registry is another',
      'machine cccc3333... holds: the registry is another',
      '2 more machines hold',
    ],
  ],
])('an alarm for %s', (_, change, words) => {
  const { alarms } = pageFor(change);
  expect(alarms.map(textOf)).toEqual(words);
  expect(alarms.flat().every(({ tone }) => tone === 'bad')).toBe(true);
});

test('convoyd away: the last numbers stay, with their time', () => {
  const trouble = { since: NOW - 7000, words: 'connection refused' };
  const page = fleetPage(
    fleetSnapshot(null, {
      fleet: { value: aFleet({ units: [aUnit('a.service', A)] }), readAt: NOW - 8000, trouble },
    }),
    STATE,
  );
  expect(page.alarms.map(textOf)).toEqual([
    'fleet away since 08:59:53Z, numbers of 08:59:52Z: connection refused',
  ]);
  expect(linesIn(page, 'units')).toHaveLength(1);
});

test('a fleet that was never read', () => {
  const page = fleetPage(fleetSnapshot(null), STATE);
  expect(page.alarms).toEqual([]);
  expect(linesIn(page, 'facts')).toEqual(['asking convoyd for the fleet']);
  const trouble = { since: NOW - 7000, words: 'connection refused' };
  const away = fleetPage(fleetSnapshot(null, { fleet: { value: null, readAt: null, trouble } }), STATE);
  expect(away.alarms.map(textOf)).toEqual([
    'fleet away since 08:59:53Z, nothing is known of it yet: connection refused',
  ]);
  expect(linesIn(away, 'facts')).toEqual(['nothing of the fleet was read yet']);
  expect(away.brief.map(textOf)).toEqual(['nothing of the fleet was read yet']);
});

test('no machines at all', () => {
  const page = pageFor({ machines: [], leader: { ...LEADER, machine: null, term: null } });
  expect(tableIn(page, 'machines')).toMatchObject({
    rows: [],
    empty: 'no machine has joined: start convoyd on one',
  });
  expect(tableIn(page, 'units')).toMatchObject({
    rows: [],
    empty: 'no unit is known: convoyctl start FILE brings one',
  });
  expect(tableIn(page, 'pending')).toMatchObject({ rows: [], empty: 'no unit is pending' });
  expect(tableIn(page, 'events')).toMatchObject({
    rows: [],
    empty: 'nothing has happened since this was opened',
  });
  expect(linesIn(page, 'unit-states')).toEqual(['0 units']);
  expect(page.brief.map(textOf)).toEqual(['no units']);
});

test('machines: those that something is wrong with first, with their load, memory and units', () => {
  const [left, evicted, gone] = [machineId('1'), machineId('2'), machineId('3')];
  const [drained, held, cordoned] = [machineId('4'), machineId('5'), machineId('6')];
  const page = pageFor({
    machines: [
      goneMachine(left, { away: 'left' }),
      goneMachine(evicted, { away: 'evicted' }),
      goneMachine(gone),
      aMachine(drained, { draining: true, cordoned: true, ip: '10.0.0.4' }),
      aMachine(held, { ip: '10.0.0.5' }),
      aMachine(cordoned, { cordoned: true, ip: '10.0.0.6', metadata: { disk: 'ssd', az: 'eu' } }),
      aMachine(A, { leader: true }),
    ],
    units: [
      aUnit('a.service', A),
      aUnit('b.service', gone, { states: [], pending: 'pending: machine 3 is gone' }),
      aUnit('g.service', null, {
        record: { global: true },
        states: [aState('g.service', A), aState('g.service', held)],
      }),
      aUnit('moving.service', A, {
        states: [aState('moving.service', cordoned, { active: 'deactivating' })],
      }),
    ],
    conditions: new Map([
      [A, aCondition(A)],
      [held, aCondition(held, { hold: 'the registry is another' })],
    ]),
  });
  expect(linesIn(page, 'machines')).toEqual([
    '30000000... | gone | 1 | - | - | - | - |  | ',
    '50000000... | ready, holds | 1 | 0.42 | 8 | 8,123.4 MB | 16.0 GB | 10.0.0.5 | ',
    '40000000... | draining | 0 | - | - | - | - | 10.0.0.4 | ',
    '60000000... | cordoned | 1 | - | - | - | - | 10.0.0.6 | az=eu, disk=ssd',
    'aaaa1111... | ready, leads | 3 | 0.42 | 8 | 8,123.4 MB | 16.0 GB | 10.0.0.1 | ',
    '20000000... | evicted | 0 | - | - | - | - |  | ',
    '10000000... | left | 0 | - | - | - | - |  | ',
  ]);
  expect(rowIn(page, 'machines', A)).toMatchObject({
    opens: { kind: 'machine', machine: A },
    about: { machine: A },
  });
  expect(tableIn(page, 'machines').columns.map(({ head }) => head)).toEqual([
    ...['MACHINE', 'STATE', 'UNITS', 'LOAD', 'CPUS', 'MEMORY FREE', 'OF', 'ADDRESS', 'METADATA'],
  ]);
});

test.each([
  [8, 'plain'],
  [8.01, 'warn'],
  [16, 'warn'],
  [16.01, 'bad'],
])('a load of %d on 8 processors looks %s', (oneMinute, tone) => {
  const load = { oneMinute, fiveMinutes: 0, quarterHour: 0 };
  const page = pageFor({ conditions: new Map([[A, aCondition(A, { load })]]) });
  expect(rowIn(page, 'machines', A).cells[3]?.[0]).toEqual({ text: oneMinute.toFixed(2), tone });
});

test.each([
  [1_600_000_000, '1,600.0 MB', 'plain'],
  [1_599_000_000, '1,599.0 MB', 'warn'],
  [799_000_000, '799.0 MB', 'bad'],
])('memory of which %d of 16,000,000,000 bytes are left looks %s, %s', (available, text, tone) => {
  const memory = { total: 16_000_000_000, available };
  const page = pageFor({ conditions: new Map([[A, aCondition(A, { memory })]]) });
  expect(rowIn(page, 'machines', A).cells[5]?.[0]).toEqual({ text, tone });
});

const UNITS = [
  aUnit('active.service', A),
  aUnit('asked.service', B, {
    record: { restarts: 2 },
    states: [aState('asked.service', B, { autoRestarts: 1202 })],
  }),
  aUnit('everywhere.service', null, { record: { global: true }, states: [aState('everywhere.service', B)] }),
  aUnit('failed.service', A, {
    states: [
      aState('failed.service', A, {
        ...{ active: 'failed', sub: 'failed', exit: '7', since: NOW - 40_000 },
        reason: 'it ended in failure\nlast line of its log',
      }),
    ],
  }),
  aUnit('global.service', null, {
    record: { global: true },
    states: [
      aState('global.service', A),
      aState('global.service', B, { active: 'failed', sub: 'failed', exit: '1' }),
    ],
  }),
  aUnit('here.service', null, {
    record: { global: true },
    states: [aState('here.service', A), aState('here.service', B)],
    pending: 'runs on 2 of 3 machines: 1 lacks az=eu',
  }),
  aUnit('idle.service', null, { record: { target: 'inactive' } }),
  aUnit('idle@.service', null, { record: { target: 'inactive' } }),
  aUnit('loaded.service', A, {
    record: { target: 'loaded' },
    states: [
      aState('loaded.service', A, { active: 'inactive', sub: 'dead', reached: 'loaded', exit: 'SIGTERM' }),
    ],
  }),
  aUnit('lost.service', C, { states: [], pending: 'pending: machine cccc3333 is gone' }),
  aUnit('once.service', A, {
    states: [aState('once.service', A, { active: 'inactive', sub: 'dead', exit: '0' })],
  }),
  aUnit('placed.service', B, { states: [] }),
  aUnit('refused.service', A, {
    states: [
      aState('refused.service', A, { load: 'error', active: 'inactive', sub: 'dead', reason: 'Type=what?' }),
    ],
  }),
  aUnit('starting.service', B, {
    states: [aState('starting.service', B, { active: 'activating', sub: 'start' })],
  }),
  aUnit('stuck.service', A, { pending: 'it cannot leave aaaa1111' }),
  aUnit('told.service', A, {
    states: [
      aState('told.service', A, { active: 'failed', sub: 'failed', exit: '3', reason: 'exited with code 3' }),
    ],
  }),
  aUnit('trying.service', B, {
    states: [aState('trying.service', B, { active: 'activating', sub: 'auto-restart', exit: 'SIGKILL' })],
  }),
  aUnit('unplaced.service', null),
  aUnit('waiting.service', null, { pending: 'pending: 0 of 2 machines: 2 lack az=eu' }),
];

test('units: broken ones first, then pending ones, then those on their way, and why each is where it is', () => {
  const page = pageFor({ units: UNITS });
  expect(linesIn(page, 'units')).toEqual([
    'failed.service | failed | 40s | aaaa1111... | launched | - | exit 7, it ended in failure',
    'global.service | failed on 1 of 2 | 5min | on 2 | launched | - | exit 1',
    'refused.service | error | 5min | aaaa1111... | launched | - | Type=what?',
    'told.service | failed | 5min | aaaa1111... | launched | - | exited with code 3',
    'trying.service | auto-restart | 5min | bbbb2222... | launched | - | exit SIGKILL',
    'lost.service | pending | - | cccc3333... | launched | - | machine cccc3333 is gone',
    'waiting.service | pending | - | - | launched | - | 0 of 2 machines: 2 lack az=eu',
    'placed.service | placed | - | bbbb2222... | launched | - | fewest units',
    'starting.service | activating (start) | 5min | bbbb2222... | launched | - | fewest units',
    'stuck.service | active (running) | 5min | aaaa1111... | launched | - | it cannot leave aaaa1111',
    'unplaced.service | unplaced | - | - | launched | - | the leader has not placed it yet',
    'active.service | active (running) | 5min | aaaa1111... | launched | - | fewest units',
    'asked.service | active (running) | 5min | bbbb2222... | launched | 1,204 | fewest units',
    'everywhere.service | active (running) | 5min | bbbb2222... | launched | - | global: on every machine that may run it',
    'here.service | active (running) | 5min | on 2 | launched | - | runs on 2 of 3 machines: 1 lacks az=eu',
    'idle.service | inactive | - | - | inactive | - | ',
    'idle@.service | template | - | - | inactive | - | ',
    'loaded.service | loaded | 5min | aaaa1111... | loaded | - | fewest units',
    'once.service | inactive (dead) | 5min | aaaa1111... | launched | - | fewest units',
  ]);
  expect(rowIn(page, 'units', 'failed.service')).toMatchObject({
    opens: { kind: 'unit', unit: 'failed.service', machine: null },
    about: { unit: 'failed.service' },
  });
});

test('a global unit opens where it is broken', () => {
  const page = pageFor({ units: UNITS });
  expect(rowIn(page, 'units', 'global.service').opens).toEqual({
    kind: 'unit',
    unit: 'global.service',
    machine: B,
  });
  expect(rowIn(page, 'units', 'here.service').opens).toEqual({
    kind: 'unit',
    unit: 'here.service',
    machine: null,
  });
});

test('the tones of units are those of their states', () => {
  const page = pageFor({ units: UNITS });
  const tones = (unit: string) => rowIn(page, 'units', unit).cells.map(([one]) => one?.tone);
  expect(tones('failed.service')).toEqual(['bad', 'bad', 'plain', 'plain', 'dim', 'dim', 'bad']);
  expect(tones('waiting.service')).toEqual(['plain', 'warn', 'dim', 'dim', 'dim', 'dim', 'warn']);
  expect(tones('active.service')).toEqual(['plain', 'good', 'plain', 'plain', 'dim', 'dim', 'dim']);
});

test('units by state, each unit counted once', () => {
  const many = Array.from({ length: 1204 }, (_, at) => aUnit(`many@${at}.service`, A));
  expect(linesIn(pageFor({ units: [...UNITS, ...many] }), 'unit-states')).toEqual([
    '1,223 units',
    '    3 failed',
    '    1 auto-restart',
    '    1 error',
    '    2 pending',
    '    1 activating',
    '    1 placed',
    '    1 unplaced',
    '1,209 active',
    '    2 inactive',
    '    1 loaded',
    '    1 template',
  ]);
});

test('pending units with their reason', () => {
  const page = pageFor({ units: UNITS });
  expect(linesIn(page, 'pending')).toEqual([
    'lost.service | machine cccc3333 is gone',
    'waiting.service | 0 of 2 machines: 2 lack az=eu',
  ]);
  expect(rowIn(page, 'pending', 'lost.service')).toMatchObject({
    opens: { kind: 'unit', unit: 'lost.service', machine: null },
    about: { unit: 'lost.service' },
  });
});

const of = { revision: 9, unit: 'a.service', machine: A };
test.each<[Event, string, object, string]>([
  [
    { kind: 'unit', revision: 9, unit: 'a.service', value: null },
    'a.service destroyed',
    { unit: 'a.service' },
    'plain',
  ],
  [
    { kind: 'placement', ...of, value: null },
    'a.service taken off aaaa1111...',
    { unit: 'a.service' },
    'plain',
  ],
  [
    { kind: 'state', ...of, value: aState('a.service', A) },
    'a.service active (running) on aaaa1111...',
    { unit: 'a.service' },
    'plain',
  ],
  [
    { kind: 'state', ...of, value: aState('a.service', A, { active: 'failed', sub: 'failed', exit: '7' }) },
    'a.service failed (failed) on aaaa1111...: exit 7',
    { unit: 'a.service' },
    'bad',
  ],
  [
    { kind: 'machine', revision: 9, machine: A, value: null },
    'machine aaaa1111... is gone',
    { machine: A },
    'bad',
  ],
  [
    { kind: 'known', revision: 9, machine: A, value: null },
    'machine aaaa1111... forgotten',
    { machine: A },
    'plain',
  ],
  [{ kind: 'leader', revision: 9, value: null }, 'nobody leads', {}, 'bad'],
  [
    { kind: 'service', service: 'redis', ...of, value: null },
    'service redis: a.service on aaaa1111... is withdrawn',
    { unit: 'a.service' },
    'plain',
  ],
])('event %#: %s', (event, words, about, tone) => {
  const page = pageFor({ events: [heard(event, 7000)] });
  expect(linesIn(page, 'events')).toEqual([`08:59:53Z | ${words}`]);
  const [row] = tableIn(page, 'events').rows;
  expect(row?.about).toEqual(about);
  expect(row?.opens).toEqual(
    'unit' in about
      ? { kind: 'unit', unit: 'a.service', machine: null }
      : 'machine' in about
        ? { kind: 'machine', machine: A }
        : null,
  );
  expect(row?.cells[1]?.[0]?.tone).toBe(tone);
});

test('events of one revision are told apart', () => {
  const events = [A, B].map((machine) =>
    heard({ kind: 'placement', revision: 9, unit: 'g.service', machine, value: null }),
  );
  const keys = tableIn(pageFor({ events }), 'events').rows.map(({ key }) => key);
  expect(new Set(keys).size).toBe(2);
});

test('a filter of a table is obeyed', () => {
  const filtered: State = { ...STATE, filters: { units: 'AUTO-restart', events: 'none' } };
  const page = pageFor(
    { units: UNITS, events: [heard({ kind: 'leader', revision: 9, value: null })] },
    filtered,
  );
  expect(linesIn(page, 'units')).toEqual([
    'trying.service | auto-restart | 5min | bbbb2222... | launched | - | exit SIGKILL',
  ]);
  expect(linesIn(page, 'events')).toEqual([]);
});

test('too small for blocks: the counts, then what is wrong', () => {
  const page = pageFor({
    machines: [
      aMachine(A),
      goneMachine(B),
      aMachine(C, { draining: true }),
      goneMachine('d', { away: 'left' }),
    ],
    units: UNITS.filter(({ record }) =>
      ['active.service', 'failed.service', 'stuck.service', 'unplaced.service'].includes(record.name),
    ),
  });
  expect(page.brief.map(textOf)).toEqual([
    '1 failed, 1 unplaced, 2 active',
    'machine bbbb2222... is gone',
    'machine cccc3333... is draining',
    'failed.service failed: exit 7, it ended in failure',
    'stuck.service active (running): it cannot leave aaaa1111',
    'unplaced.service unplaced',
  ]);
});

test('what a name or a reason holds never reaches the terminal as it is', () => {
  const evil = 'x\u001b[2J\n\r\u0007\u202e\u009b31m';
  const page = fleetPage(
    fleetSnapshot(null, {
      fleet: {
        value: aFleet({
          machines: [
            aMachine(evil, { ip: evil, metadata: { [evil]: evil } }),
            aMachine(`${evil}2`, { draining: true }),
          ],
          units: [
            aUnit(evil, evil, { why: evil }),
            aUnit(`${evil}2`, null, { pending: evil }),
            aUnit(`${evil}3`, A, { states: [aState(evil, A, { load: evil, reason: evil, exit: evil })] }),
            aUnit(`${evil}4`, A, { states: [aState(evil, A, { active: evil, sub: evil })] }),
          ],
          leader: { machine: evil, refusals: {}, term: 1, frozen: evil, hold: evil },
          hold: evil,
          conditions: new Map([[evil, aCondition(evil, { hold: evil })]]),
          events: [heard({ kind: 'placement', revision: 9, unit: evil, machine: evil, value: null })],
        }),
        readAt: NOW,
        trouble: { since: NOW, words: evil },
      },
    }),
    STATE,
  );
  const spans = spansOf(page);
  expect(spans.length).toBeGreaterThan(60);
  for (const { text } of spans) expect(text).not.toMatch(/[\p{Cc}\u202e]/u);
});

test.each([
  [140, 45, ['machines', 'unit-states', 'units', 'pending', 'events']],
  [100, 30, ['machines', 'unit-states', 'units', 'pending', 'events']],
  [80, 24, ['machines', 'unit-states', 'units']],
  [60, 15, ['machines', 'unit-states', 'units']],
])('on %d x %d there are %j', (columns, rows, ids) => {
  const { panels } = layOut(pageFor({ units: UNITS }), STATE, { columns, rows });
  expect(panels.map(({ id }) => id)).toEqual(ids);
});

test('what has little to show leaves the room to others', () => {
  const few = pageFor({ units: [aUnit('a.service', A)] });
  const { panels } = layOut(few, STATE, { columns: 140, rows: 45 });
  const heights = panels.map(({ id, rect }) => [id, rect.height]);
  expect(Object.fromEntries(heights)).toEqual({
    ...{ machines: 5, 'unit-states': 5, units: 8, pending: 30, events: 30 },
  });
  const many = Array.from({ length: 100 }, (_, at) => aMachine(machineId(`${at}x`)));
  const units = Array.from({ length: 1000 }, (_, at) => aUnit(`${at}.service`, A));
  const full = layOut(pageFor({ machines: many, units }), STATE, { columns: 140, rows: 45 });
  expect(Object.fromEntries(full.panels.map(({ id, rect }) => [id, rect.height]))).toEqual({
    ...{ machines: 13, 'unit-states': 13, units: 18, pending: 12, events: 12 },
  });
});

test('a state that some units are in for failing stands with the bad ones', () => {
  const again = (unit: string, exit: string) =>
    aUnit(unit, A, { states: [aState(unit, A, { active: 'activating', sub: 'auto-restart', exit })] });
  const pending = aUnit('b.service', null, { pending: 'pending: no machine' });
  const page = pageFor({ units: [again('a.service', '0'), pending, again('c.service', '1')] });
  expect(linesIn(page, 'unit-states')).toEqual(['3 units', '2 auto-restart', '1 pending']);
  expect(linesIn(page, 'units').map((row) => row.split(' ')[0])).toEqual([
    ...['c.service', 'b.service', 'a.service'],
  ]);
});
