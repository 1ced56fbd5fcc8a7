import * as v from 'valibot';
import { expect, test } from 'vitest';
import { Event } from '../../../api/event-schemas.js';
import { describeEvent } from '../../../cli/event-text.js';

const A = 'a'.repeat(32);
const unit = 'web@1.service';
const record = {
  name: unit,
  hash: '1c6fb6f3684b',
  target: 'launched',
  restarts: 0,
  generation: 9,
  move: null,
};
const placement = {
  unit,
  machine: A,
  hash: 'h',
  target: 'launched',
  restarts: 0,
  why: 'fewest units',
  fence: 9,
  revision: 9,
};
const state = {
  ...{ unit, machine: A, hash: 'h', load: 'loaded', active: 'active', sub: 'running', reached: 'launched' },
  ...{ since: 1, exit: null, autoRestarts: 0, reason: '', heard: 9 },
};
const machine = { id: A, ip: '10.0.0.1', metadata: {}, apiAddress: '', version: '0.1.0', bootId: 'b' };
const known = { id: A, firstSeen: 1, cordoned: false, draining: false, away: null, metadata: {} };
const service = { service: 'redis', unit, machine: A, host: '10.0.0.1', port: 6379 };
const of = { revision: 9, unit, machine: A };

test.each([
  [{ kind: 'unit', revision: 9, unit, value: record }, 'web@1.service is to be launched (hash 1c6fb6f)'],
  [
    { kind: 'unit', revision: 9, unit, value: { ...record, restarts: 2, move: { to: null } } },
    'web@1.service is to be launched (hash 1c6fb6f, 2 restarts asked for, to be moved elsewhere)',
  ],
  [
    { kind: 'unit', revision: 9, unit, value: { ...record, move: { to: A } } },
    'web@1.service is to be launched (hash 1c6fb6f, to be moved to aaaaaaaa)',
  ],
  [{ kind: 'unit', revision: 9, unit, value: null }, 'web@1.service destroyed'],
  [{ kind: 'placement', ...of, value: placement }, 'web@1.service placed on a: fewest units'],
  [
    { kind: 'placement', ...of, revision: 12, value: { ...placement, target: 'loaded', why: 'stop' } },
    'web@1.service on a told to be loaded: stop',
  ],
  [{ kind: 'placement', ...of, value: null }, 'web@1.service taken off a'],
  [{ kind: 'state', ...of, value: state }, 'web@1.service active (running) on a'],
  [
    {
      kind: 'state',
      ...of,
      value: { ...state, active: 'failed', sub: 'failed', exit: '7', reason: 'boom\nmore' },
    },
    'web@1.service failed (failed) on a: exit 7, boom',
  ],
  [{ kind: 'state', ...of, value: null }, 'web@1.service unloaded from a'],
  [{ kind: 'machine', revision: 9, machine: A, value: machine }, 'machine a is there, with convoyd 0.1.0'],
  [{ kind: 'machine', revision: 9, machine: A, value: null }, 'machine a is gone'],
  [
    { kind: 'known', revision: 9, machine: A, value: known },
    'machine a as the operator wants it: takes units',
  ],
  [
    {
      kind: 'known',
      ...{ revision: 9, machine: A },
      value: { ...known, cordoned: true, draining: true, away: 'left', metadata: { zone: 'b', disk: null } },
    },
    'machine a as the operator wants it: draining, left, disk hidden, zone=b',
  ],
  [{ kind: 'known', revision: 9, machine: A, value: null }, 'machine a forgotten'],
  [
    { kind: 'service', ...of, service: 'redis', value: service },
    'service redis: web@1.service on a answers at 10.0.0.1:6379',
  ],
  [
    { kind: 'service', ...of, service: 'redis', value: null },
    'service redis: web@1.service on a is withdrawn',
  ],
  [{ kind: 'leader', revision: 9, value: { machine: A, term: 9, frozen: null } }, 'machine a leads'],
  [
    { kind: 'leader', revision: 9, value: { machine: A, term: 9, frozen: '3 are missing' } },
    'machine a leads: 3 are missing',
  ],
  [{ kind: 'leader', revision: 9, value: null }, 'nobody leads'],
])('%j', (event, text) => {
  expect(describeEvent(v.parse(Event, event), (id) => id.slice(0, 1))).toBe(text);
});
