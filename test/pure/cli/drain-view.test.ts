import { expect, test } from 'vitest';
import type { UnitReport } from '../../../api/wire.js';
import { emptying, listOccupants } from '../../../cli/drain-view.js';
import type { UnitState } from '../../../registry/model.js';

const STATE: UnitState = {
  ...{ unit: '', machine: 'm1', hash: 'h1', load: 'loaded', active: 'active', sub: 'running' },
  ...{ reached: 'launched', since: 100, exit: null, autoRestarts: 0, reason: '', heard: 0 },
};
function unit(name: string, machine: string | null, states: Partial<UnitState>[], more = {}): UnitReport {
  return {
    record: {
      ...{
        name,
        hash: 'h1',
        target: 'launched',
        restarts: 0,
        move: null,
        generation: 1,
        global: false,
        options: [],
      },
      ...more,
    },
    ...{ machine, why: null, pending: null, reason: null },
    states: states.map((state) => ({ ...STATE, unit: name, ...state })),
  };
}
const STICKY = { options: [{ section: 'X-Convoy', name: 'Sticky', value: 'yes' }] };

test.each<[string, UnitReport, string[], string[]]>([
  ['placed and running', unit('a', 'm1', [{}]), ['a (active (running))'], []],
  ['placed, not loaded yet', unit('a', 'm1', []), ['a (placed)'], []],
  [
    'still stopping',
    unit('a', null, [{ active: 'deactivating', sub: 'stop' }]),
    ['a (deactivating (stop))'],
    [],
  ],
  [
    'stopping here, placed elsewhere',
    unit('a', 'm2', [{ active: 'deactivating' }]),
    ['a (deactivating (running))'],
    [],
  ],
  ['elsewhere', unit('a', 'm2', [{ machine: 'm2' }]), [], []],
  ['nowhere', unit('a', null, []), [], []],
  ['global, still here', unit('a', null, [{}], { global: true }), ['a (active (running))'], []],
  [
    'sticky',
    unit('a', 'm1', [{}], STICKY),
    [],
    ['a (it is moved only by hand (Sticky=yes): convoyctl move a)'],
  ],
  ['sticky, moved already, still stopping', unit('a', 'm2', [{}], STICKY), ['a (active (running))'], []],
])('%s', (_what, report, leaving, staying) => {
  const found = emptying('m1', [report]);
  expect(found.leaving.map((one) => listOccupants([one]))).toEqual(leaving);
  expect(found.staying.map((one) => listOccupants([one]))).toEqual(staying);
});

test('what is pending is said before the state', () => {
  const stuck = { ...unit('a', 'm1', [{}]), pending: 'stays until m1 has reported it' };
  expect(emptying('m1', [stuck]).leaving).toEqual([{ unit: 'a', why: 'stays until m1 has reported it' }]);
});

test('three are named, the rest counted', () => {
  const many = [1, 2, 3, 4, 5].map((at) => ({ unit: `u${at}`, why: 'w' }));
  expect(listOccupants(many)).toBe('u1 (w), u2 (w), u3 (w) and 2 more');
  expect(listOccupants(many.slice(0, 3))).toBe('u1 (w), u2 (w), u3 (w)');
});
