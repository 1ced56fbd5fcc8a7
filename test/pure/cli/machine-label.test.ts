import { expect, test } from 'vitest';
import type { MachineReport } from '../../../api/wire.js';
import { findMachine, labelOf, machineState } from '../../../cli/machine-label.js';

const MACHINE: MachineReport = {
  ...{ id: '472d6cb2f262ea34e2385ef99b9555fd', alive: true, cordoned: false, draining: false, away: null },
  ...{ ip: '10.42.0.13', metadata: {}, apiAddress: '', version: '', bootId: '', leader: false },
};
const OTHER = { ...MACHINE, id: '472d0000f262ea34e2385ef99b9555fd' };

test.each([MACHINE.id, '472d6', '472d6cb2', '472d6cb2...', '472d6cb2.../10.42.0.13'])(
  '%s is found',
  (argument) => {
    expect(findMachine([OTHER, MACHINE], argument)).toBe(MACHINE);
  },
);

test.each([
  ['472d', /^machine 472d could be any of 472d0000\w+, 472d6cb2\w+: give more of its id$/],
  ['x', /^there is no machine x \(see convoyctl list-machines --all\)$/],
  ['', /^there is no machine /],
  ['10.42.0.13', /^there is no machine/],
])('%j is not', (argument, message) => {
  expect(() => findMachine([OTHER, MACHINE], argument)).toThrow(message);
});

test.each([
  [{}, 'ready'],
  [{ cordoned: true }, 'cordoned'],
  [{ cordoned: true, draining: true }, 'draining'],
  [{ alive: false }, 'gone'],
  [{ alive: false, draining: true }, 'gone'],
  [{ alive: false, away: 'left' }, 'left'],
  [{ alive: false, away: 'evicted' }, 'evicted'],
] as const)('%j is %s', (change, state) => {
  expect(machineState({ ...MACHINE, ...change })).toBe(state);
});

test('a lost machine has no address to show', () => {
  expect(labelOf(MACHINE)).toBe('472d6cb2.../10.42.0.13');
  expect(labelOf({ ...MACHINE, ip: '' })).toBe('472d6cb2...');
});
