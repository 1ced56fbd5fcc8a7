import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { UnitReport } from '../../../api/wire.js';
import { firstNumbers, instanceName, instanceNumber, planScale } from '../../../cli/scale-plan.js';
import { TARGET_STATES } from '../../../units/state.js';
import { seeded } from '../../support/seed.js';

const TEMPLATE = 'web@.service';

function unit(name: string, target: UnitReport['record']['target'], hash = 'h'): UnitReport {
  const record = { name, hash, target, restarts: 0, generation: 1, move: null, global: false, options: [] };
  return { record, machine: null, why: null, states: [], pending: null, reason: null };
}
const names = (units: readonly UnitReport[]): string[] => units.map(({ record }) => record.name);

test.each([
  ['web@12.service', 12],
  ['web@0.service', null],
  ['web@01.service', null],
  ['web@1a.service', null],
  ['web@.service', null],
  ['web@1.socket', null],
  ['webs@1.service', null],
  ['web.service', null],
])('%s is number %s', (name, number) => {
  expect(instanceNumber(TEMPLATE, name)).toBe(number);
});

test('gaps are filled, what is above goes from the highest down, what is off with another text is renewed', () => {
  const units = [
    unit('web@2.service', 'launched'),
    unit('web@3.service', 'inactive', 'former'),
    unit('web@4.service', 'launched', 'former'),
    unit('web@5.service', 'loaded'),
    ...[7, 10, 9].map((at) => unit(`web@${at}.service`, 'launched')),
    unit('web@8.service', 'inactive'),
    unit('web@blue.service', 'launched'),
  ];
  const plan = planScale(TEMPLATE, 'h', firstNumbers(6), units);
  expect(plan.create).toEqual(['web@1.service', 'web@6.service']);
  expect(names(plan.renew)).toEqual(['web@3.service']);
  expect(names(plan.start)).toEqual(['web@5.service']);
  expect(plan.differing).toEqual(['web@4.service']);
  expect(names(plan.remove)).toEqual(['web@10.service', 'web@9.service', 'web@7.service']);
});

test('carried out, exactly 1 to N run, and a second plan is empty', () => {
  const numbers = fc.uniqueArray(
    fc.tuple(
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom(...TARGET_STATES),
      fc.constantFrom('h', 'former'),
    ),
    { selector: ([number]) => number },
  );
  fc.assert(
    fc.property(numbers, fc.integer({ min: 0, max: 12 }), (instances, count) => {
      const units = new Map(
        instances.map(([at, target, hash]) => [
          instanceName(TEMPLATE, at),
          unit(instanceName(TEMPLATE, at), target, hash),
        ]),
      );
      const plan = planScale(TEMPLATE, 'h', firstNumbers(count), [...units.values()]);
      for (const name of plan.create) units.set(name, unit(name, 'launched'));
      for (const { record } of [...plan.renew, ...plan.start])
        units.set(record.name, unit(record.name, 'launched'));
      for (const { record } of plan.remove)
        units.set(record.name, unit(record.name, 'inactive', record.hash));
      const running = [...units.values()].filter(({ record }) => record.target === 'launched');
      expect(new Set(names(running))).toEqual(
        new Set(Array.from({ length: count }, (_, at) => instanceName(TEMPLATE, at + 1))),
      );
      const again = planScale(TEMPLATE, 'h', firstNumbers(count), [...units.values()]);
      expect([again.create, again.renew, again.start, again.remove]).toEqual([[], [], [], []]);
    }),
    seeded(),
  );
});
