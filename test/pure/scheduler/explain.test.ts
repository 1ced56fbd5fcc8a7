import { expect, test } from 'vitest';
import { explainUnit } from '../../../scheduler/explain.js';
import { type ClusterSketch, sketch } from './cluster.js';

const MACHINES: ClusterSketch['machines'] = {
  a: { metadata: { az: 'x' } },
  b: { metadata: { az: 'x' }, cordoned: true },
  c: { metadata: { az: 'x' }, draining: true },
  d: {},
  e: { metadata: { az: 'x' } },
  f: { gone: true },
};
const asked = (unit: ClusterSketch['units'][string]): Record<string, string> => {
  const units = { 'u.service': unit, 'v.service': { on: ['e'], fleet: ['Conflicts=u*'] } };
  return Object.fromEntries(explainUnit(sketch({ machines: MACHINES, units }), 'u.service'));
};
const REFUSED = {
  b: 'machine is cordoned',
  c: 'machine is draining',
  d: 'machine lacks az=x',
  e: 'conflict with v.service',
};

test('each machine that is there and cannot have a unit says why, in the words of the scheduler', () => {
  expect(asked({ fleet: ['MachineMetadata=az=x'] })).toEqual(REFUSED);
});

test('it is the same of a unit that runs, and of one that is not wanted now', () => {
  expect(asked({ fleet: ['MachineMetadata=az=x'], on: ['a'] })).toEqual(REFUSED);
  expect(asked({ fleet: ['MachineMetadata=az=x'], target: 'inactive' })).toEqual(REFUSED);
});

test('a machine that has it is not asked', () => {
  const { b, ...rest } = REFUSED;
  expect(asked({ fleet: ['MachineMetadata=az=x'], on: ['b'] })).toEqual(rest);
  expect(b).toBe('machine is cordoned');
});

test('of a global unit every machine that does not run it says why', () => {
  expect(asked({ fleet: ['Global=true', 'MachineMetadata=az=x'], global: true, on: ['a'] })).toEqual(REFUSED);
});

test('nothing is known of a unit that is not there, or of a template', () => {
  const empty = sketch({ machines: MACHINES, units: { 't@.service': {} } });
  expect(explainUnit(empty, 'u.service').size).toBe(0);
  expect(explainUnit(empty, 't@.service').size).toBe(0);
});
