import { expect, test } from 'vitest';
import type { UnitExplanation, UnitReport } from '../../../../api/schemas.js';
import { textOf } from '../../../../cli/dashboard/cells.js';
import type { Detail } from '../../../../cli/dashboard/detail.js';
import { layOut } from '../../../../cli/dashboard/layout.js';
import type { Opened, Snapshot } from '../../../../cli/dashboard/snapshot.js';
import { FIRST_STATE, type State } from '../../../../cli/dashboard/state.js';
import { unitPage } from '../../../../cli/dashboard/unit-page.js';
import {
  A,
  aFleet,
  aMachine,
  aState,
  aUnit,
  B,
  C,
  fleetSnapshot,
  goneMachine,
  heard,
  machineId,
  NOW,
} from '../../../support/fleet-readings.js';
import { blockOf, linesIn, rowIn, spansOf, tableIn } from '../../../support/page-text.js';

type UnitDetail = Extract<Detail, { kind: 'unit' }>;
const NAME = 'copy@3.service';
const DETAIL: UnitDetail = { kind: 'unit', unit: NAME, machine: null };
const D = machineId('dddd4444');
const MACHINES = [
  aMachine(A),
  aMachine(B, { ip: '10.0.0.2' }),
  aMachine(C, { ip: '10.0.0.3' }),
  goneMachine(D),
];

function opened(change: Partial<Extract<Opened, { kind: 'unit' }>> = {}): Opened {
  return { kind: 'unit', of: DETAIL, trouble: null, explanation: null, log: [], ...change };
}

function pageFor(unit: UnitReport | null, change: Partial<Snapshot> = {}, detail = DETAIL) {
  const fleet = aFleet({
    machines: MACHINES,
    units: unit === null ? [] : [aUnit('another.service', B), unit],
  });
  const state: State = { ...FIRST_STATE, page: 'fleet', details: [detail] };
  return unitPage(fleetSnapshot(fleet, change), state, detail);
}

const FAILED = aUnit(NAME, A, {
  record: { restarts: 2, move: { to: B } },
  states: [
    aState(NAME, A, {
      ...{ active: 'failed', sub: 'failed', exit: '7', since: NOW - 40_000, autoRestarts: 5 },
      reason: 'it ended in failure\n\u001b[31mlast line of its log\u001b[0m\nand one more',
    }),
  ],
});

test('a unit that failed: all that is known of it', () => {
  const page = pageFor(FAILED);
  expect(textOf(page.title)).toBe('unit  copy@3.service  failed');
  expect(page.about).toEqual({ unit: NAME });
  expect(linesIn(page, 'facts')).toEqual([
    '    Unit  copy@3.service  Copy 3',
    '  Wanted  launched',
    '    Move  to bbbb2222.../10.0.0.2',
    '  Placed  aaaa1111.../10.0.0.1: fewest units',
    '   State  failed for 40s, since 08:59:20Z',
    '    Exit  7',
    '  Reason  it ended in failure',
    '          last line of its log',
    '          and one more',
    'Restarts  2 asked for, 5 by itself',
    '    Hash  1c6fb6f3684bd0e9e2f8a3a6a4c8d2b7e5f90a11  generation 1,204',
  ]);
  expect(linesIn(page, 'unit-file')).toEqual([
    ...['[Unit]', 'Description=Copy %i', '', '[Service]', 'ExecStart=/usr/bin/copy --shard %i'],
  ]);
});

test('a pending one', () => {
  const page = pageFor(
    aUnit(NAME, null, {
      record: { options: [], move: { to: null } },
      pending: 'pending: 0 of 2 machines: 2 lack az=eu',
    }),
  );
  expect(textOf(page.title)).toBe('unit  copy@3.service  pending');
  expect(linesIn(page, 'facts')).toEqual([
    '   Unit  copy@3.service',
    ' Wanted  launched',
    'Pending  0 of 2 machines: 2 lack az=eu',
    '   Move  elsewhere',
    '   Hash  1c6fb6f3684bd0e9e2f8a3a6a4c8d2b7e5f90a11  generation 1,204',
  ]);
});

test('a global one is told of as it is on the machine that was chosen', () => {
  const states = [
    aState(NAME, A),
    aState(NAME, B, { active: 'inactive', sub: 'dead', exit: '0', since: NOW - 172_800_000 }),
  ];
  const global = aUnit(NAME, null, {
    record: { global: true, options: [] },
    states,
    pending: 'runs on 2 of 3 machines',
  });
  const facts = (machine: string | null) => linesIn(pageFor(global, {}, { ...DETAIL, machine }), 'facts');
  expect(facts(B)).toEqual([
    '  Unit  copy@3.service',
    'Wanted  launched, on every machine that may run it',
    'Leader  runs on 2 of 3 machines',
    '    On  bbbb2222.../10.0.0.2',
    ' State  inactive (dead) for 2d, since 2026-11-19T09:00:00Z',
    '  Exit  0',
    '  Hash  1c6fb6f3684bd0e9e2f8a3a6a4c8d2b7e5f90a11  generation 1,204',
  ]);
  expect(facts(null)).toContain('    On  aaaa1111.../10.0.0.1');
  expect(facts(C).join()).not.toContain('State');
});

const EXPLAINED: UnitExplanation = {
  ...{ unit: NAME, target: 'launched', global: false, machine: A, pending: null, reason: null },
  machines: [
    { machine: A, alive: true, placed: 'fewest units', refusal: null, state: aState(NAME, A) },
    { machine: B, alive: true, placed: null, refusal: 'it lacks az=eu', state: null },
    { machine: C, alive: true, placed: null, refusal: null, state: null },
    { machine: D, alive: false, placed: null, refusal: null, state: null },
  ],
};

test('every machine says why it has the unit, or has not', () => {
  const page = pageFor(aUnit(NAME, A), { opened: opened({ explanation: EXPLAINED }) });
  expect(linesIn(page, 'machines')).toEqual([
    'aaaa1111.../10.0.0.1 | active (running) | 5min | fewest units',
    'cccc3333.../10.0.0.3 | - | - | it could run here as well',
    'bbbb2222.../10.0.0.2 | - | - | it lacks az=eu',
    'dddd4444... | - | - | it is not there',
  ]);
  expect(rowIn(page, 'machines', B)).toMatchObject({
    opens: { kind: 'machine', machine: B },
    about: { machine: B },
  });
});

test('before it is explained, those that tell of it, or are to have it', () => {
  expect(linesIn(pageFor(FAILED), 'machines')).toEqual([
    'aaaa1111.../10.0.0.1 | failed | 40s | exit 7, it ended in failure',
  ]);
  expect(linesIn(pageFor(aUnit(NAME, B, { states: [] })), 'machines')).toEqual([
    'bbbb2222.../10.0.0.2 | placed | - | fewest units',
  ]);
  const nowhere = pageFor(aUnit(NAME, null));
  expect(tableIn(nowhere, 'machines')).toMatchObject({ rows: [], empty: 'no machine has it' });
});

test('a machine that has it opens its log there; the one shown opens the machine', () => {
  const states = [aState(NAME, A), aState(NAME, B, { active: 'failed', sub: 'failed', exit: '1' })];
  const global = aUnit(NAME, null, { record: { global: true }, states });
  const page = pageFor(global, {}, { ...DETAIL, machine: A });
  expect(linesIn(page, 'machines')).toEqual([
    'bbbb2222.../10.0.0.2 | failed | 5min | exit 1',
    'aaaa1111.../10.0.0.1 | active (running) | 5min | ',
  ]);
  expect(rowIn(page, 'machines', B).opens).toEqual({ kind: 'unit', unit: NAME, machine: B });
  expect(rowIn(page, 'machines', A).opens).toEqual({ kind: 'machine', machine: A });
});

test.each<[string, Opened | null, string[]]>([
  ['is asked for', null, ['asking for it']],
  [
    'is of another unit',
    opened({ of: { ...DETAIL, unit: 'other.service' }, log: ['late'] }),
    ['asking for it'],
  ],
  ['is of another machine', opened({ of: { ...DETAIL, machine: B }, log: ['late'] }), ['asking for it']],
  ['is empty', opened(), ['it has written nothing']],
  [
    'has colours',
    opened({ log: ['\u001b[1;31mred\u001b[0m', 'tab\there\u001b[2J'] }),
    ['red', 'tab here�[2J'],
  ],
  [
    'is of one of our programs',
    opened({ log: ['{"level":30,"time":"2026-11-21T19:07:14.123Z","name":"x","msg":"idle: finished"}'] }),
    ['19:07:14Z idle: finished'],
  ],
  ['cannot be read', opened({ log: ['before'], trouble: 'no answer' }), ['before', 'no answer']],
])('a log that %s', (_, looked, lines) => {
  const page = pageFor(FAILED, { opened: looked });
  expect(linesIn(page, 'log')).toEqual(lines);
  expect(blockOf(page, 'log')).toMatchObject({ title: 'Log on aaaa1111.../10.0.0.1', body: { from: 'end' } });
});

test('no machine, no log', () => {
  const page = pageFor(aUnit(NAME, null), { opened: opened() });
  expect(linesIn(page, 'log')).toEqual(['no machine has it: there is no output']);
  expect(blockOf(page, 'log').title).toBe('Log');
});

test('what happened to it, and to no other', () => {
  const fleet = aFleet({
    units: [FAILED],
    events: [
      heard({ kind: 'placement', revision: 9, unit: NAME, machine: A, value: null }),
      heard({ kind: 'placement', revision: 8, unit: 'other.service', machine: A, value: null }),
    ],
  });
  const state: State = { ...FIRST_STATE, details: [DETAIL] };
  expect(linesIn(unitPage(fleetSnapshot(fleet), state, DETAIL), 'events')).toEqual([
    '09:00:00Z | copy@3.service taken off aaaa1111...',
  ]);
  expect(pageFor(FAILED).blocks.map(({ id }) => id)).toEqual(['facts', 'unit-file', 'machines', 'log']);
});

test('one that is not in the registry, and a fleet that was never read', () => {
  const page = pageFor(null);
  expect(textOf(page.title)).toBe('unit  copy@3.service  unknown');
  expect(linesIn(page, 'facts')).toEqual(['it is not in the registry: it was destroyed, or never submitted']);
  const unread = unitPage(fleetSnapshot(null), FIRST_STATE, DETAIL);
  expect(textOf(unread.title)).toBe('unit  copy@3.service');
  expect(linesIn(unread, 'facts')).toEqual(['asking convoyd for the fleet']);
});

test('too small for blocks: the facts, then the end of its log', () => {
  const log = ['one', 'two', 'three', 'four', 'five', 'six'];
  const brief = pageFor(FAILED, { opened: opened({ log }) }).brief.map(textOf);
  expect(brief.slice(0, 2)).toEqual(['    Unit  copy@3.service  Copy 3', '  Wanted  launched']);
  expect(brief.slice(-5)).toEqual(['two', 'three', 'four', 'five', 'six']);
});

test.each([
  [140, 45, ['facts', 'unit-file', 'machines', 'log']],
  [80, 24, ['facts', 'machines', 'log']],
  [60, 15, ['facts', 'machines', 'log']],
])('on %d x %d there are %j', (columns, rows, ids) => {
  const { panels } = layOut(pageFor(FAILED), FIRST_STATE, { columns, rows });
  expect(panels.map(({ id }) => id)).toEqual(ids);
});

test('what a unit, its file, its log or a refusal holds never reaches the terminal as it is', () => {
  const evil = 'x\u001b[2J\n\r\u0007\u202e\u009b31m';
  const detail: UnitDetail = { kind: 'unit', unit: evil, machine: null };
  const unit = aUnit(evil, evil, {
    record: { hash: evil, options: [{ section: evil, name: evil, value: evil }] },
    ...{ why: evil, pending: evil },
    states: [aState(evil, evil, { reason: evil, exit: evil, sub: evil })],
  });
  const machines = [{ machine: evil, alive: true, placed: null, refusal: evil, state: null }];
  const looked = opened({ of: detail, explanation: { ...EXPLAINED, machines }, log: [evil], trouble: evil });
  const page = pageFor(unit, { opened: looked }, detail);
  const spans = spansOf(page);
  expect(spans.length).toBeGreaterThan(30);
  for (const { text } of spans) expect(text).not.toMatch(/[\p{Cc}\u202e]/u);
  expect(linesIn(page, 'machines').join()).toContain('x�[2J');
});
