import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readUnitBody } from '../../../api/fleet-body.js';
import { decidePut } from '../../../api/put-unit.js';
import type { UnitRecord } from '../../../registry/model.js';
import { TARGET_STATES } from '../../../units/state.js';
import { hashOf, type UnitFile } from '../../../units/unit-file.js';
import { seeded } from '../../support/seed.js';

const UNIT: UnitFile = { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/true' }] };
const OTHER: UnitFile = { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/false' }] };
const BROKEN: UnitFile = {
  options: [
    ...UNIT.options,
    { section: 'X-Fleet', name: 'Global', value: 'true' },
    { section: 'X-Fleet', name: 'MachineID', value: 'a' },
  ],
};
const body = (desiredState: string, unit: UnitFile | null, name = '') => ({
  name,
  desiredState,
  options: unit?.options ?? [],
});
const record = (name: string): UnitRecord => ({
  ...{ name, hash: hashOf(UNIT), unit: UNIT, target: 'inactive', restarts: 0, move: null, generation: 7 },
});
const known = record('a.service');

describe('the order of decisions', () => {
  test.each([
    [
      'the name of the body',
      body('bogus', BROKEN, 'b.service'),
      null,
      400,
      /^name in URL "a.service" differs/,
    ],
    [
      'no options for a new unit',
      body('bogus', null),
      null,
      409,
      /^unit does not exist and options field empty$/,
    ],
    [
      'options before the desired state',
      body('bogus', BROKEN),
      null,
      400,
      /^MachineID cannot be used with Global$/,
    ],
    ['options of a replacement', body('', BROKEN), known, 400, /^MachineID cannot be used with Global$/],
    [
      'a new unit wanted in no state there is',
      body('bogus', UNIT),
      null,
      400,
      /^invalid desired state "bogus"/,
    ],
    ['a known one too', body('bogus', null), known, 400, /^invalid desired state "bogus"/],
    ['nothing asked for', body('', UNIT), known, 409, /^must provide DesiredState to update existing unit$/],
  ])('%s', (_what, put, existing, status, message) => {
    expect(decidePut('a.service', put, existing)).toMatchObject({
      kind: 'refuse',
      status,
      message: expect.stringMatching(message),
    });
  });

  test('a template is never activated: new, replaced or known', () => {
    for (const existing of [null, record('t@.service')])
      for (const unit of [UNIT, OTHER, ...(existing === null ? [] : [null])])
        expect(decidePut('t@.service', body('launched', unit), existing)).toMatchObject({
          status: 400,
          message: 'cannot activate template "t@.service"',
        });
  });

  test('a replacement without a desired state is inactive; the same options only set the state', () => {
    expect(decidePut('a.service', body('', OTHER), known)).toEqual({
      kind: 'submit',
      unit: OTHER,
      target: 'inactive',
    });
    expect(decidePut('a.service', body('loaded', UNIT), known)).toEqual({
      kind: 'set-target',
      target: 'loaded',
    });
  });
});

test('whatever is put, only a state there is gets through', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.constantFrom(...TARGET_STATES)),
      fc.constantFrom(null, UNIT, OTHER, BROKEN),
      fc.constantFrom('a.service', 't@.service', 't@1.service', fc.sample(fc.string(), 1)[0] ?? ''),
      fc.boolean(),
      (desired, unit, name, exists) => {
        const put = decidePut(name, body(desired, unit), exists ? record(name) : null);
        if (put.kind === 'refuse') return put.message !== '' && [400, 409].includes(put.status);
        return TARGET_STATES.includes(put.target) && (put.kind === 'set-target' || put.unit !== BROKEN);
      },
    ),
    seeded(500),
  );
});

describe('the body', () => {
  test('fields nobody may set are dropped, missing ones are empty', () => {
    const text =
      '{"currentState":"launched","machineID":"m","nosuch":1,"options":[{"section":"S","name":"N"}]}';
    expect(readUnitBody(text)).toEqual({
      name: '',
      desiredState: '',
      options: [{ section: 'S', name: 'N', value: '' }],
    });
    const nothing = { name: '', desiredState: '', options: [] };
    expect(readUnitBody('{"Name":"a.service","DESIREDSTATE":"launched"}')).toEqual(nothing);
    expect(readUnitBody('null')).toEqual(nothing);
  });

  test.each([
    '',
    '{',
    '[]',
    '"x"',
    '{"name":5}',
    '{"options":{}}',
    '{"options":[1]}',
    '{"options":[{"value":1}]}',
  ])('%j is refused in words', (text) => {
    expect(() => readUnitBody(text)).toThrow(/./);
  });
});
