import { describe, expect, it } from 'vitest';
import {
  expandSpecifiers,
  FLEETCTL_SUFFIXES,
  isTemplate,
  nameFromArgument,
  nameParts,
  templateOf,
  UNIT_SUFFIXES,
  whyBadName,
} from '../../../units/name.js';
import recorded from '../../fixtures/fleetctl/names.json' with { type: 'json' };

describe('whyBadName', () => {
  it.each(recorded)('judges $argument as fleetctl did', ({ argument, looked, error }) => {
    expect(nameFromArgument(argument, FLEETCTL_SUFFIXES)).toBe(looked);
    expect(whyBadName(looked)).toBe(error ?? null);
  });

  // In the order of the checks: each name breaks every later rule that it can, too.
  it.each([
    ['', 'unit name cannot be empty'],
    [`@${'%'.repeat(256)}`, 'unit name exceeds maximum length (256)'],
    [`${'é'.repeat(124)}.service`, "invalid character 'é' in unit name"],
    [`${'é'.repeat(125)}.service`, 'unit name exceeds maximum length (256)'],
    ['@%', 'unit name must contain "."'],
    ['@%.', 'unit name cannot end in "."'],
    ['@%.foo', 'invalid unit type: "foo"'],
    ['@%.Service', 'invalid unit type: "Service"'],
    ['@%.mount', 'invalid unit type for template: "mount"'],
    ['@%.service', "invalid character '%' in unit name"],
    ['a/b.service', "invalid character '/' in unit name"],
    ['a\nb.service', "invalid character '\\n' in unit name"],
    ["a'b.service", "invalid character '\\'' in unit name"],
    ['a"b.service', "invalid character '\"' in unit name"],
    ['@a.service', 'unit name cannot start in "@"'],
  ])('refuses %j: %s', (name, why) => {
    expect(whyBadName(name)).toBe(why);
  });

  it('accepts every type and every allowed character', () => {
    for (const suffix of UNIT_SUFFIXES) expect(whyBadName(`a.${suffix}`)).toBeNull();
    for (const suffix of ['path', 'service', 'socket', 'target', 'timer'])
      expect(whyBadName(`a@b.${suffix}`)).toBeNull();
    expect(whyBadName('azAZ09:-_.\\x2d@a@b.service')).toBeNull();
    expect(whyBadName(`${'a'.repeat(248)}.service`)).toBeNull();
  });
});

describe('name parts', () => {
  it('splits at the last dot and the first @', () => {
    expect(nameParts('a.b@c@d.e.service')).toEqual({
      ...{ stem: 'a.b@c@d.e', suffix: 'service', prefix: 'a.b', instance: 'c@d.e' },
    });
    expect(nameParts('web.service')).toEqual({
      stem: 'web',
      suffix: 'service',
      prefix: 'web',
      instance: null,
    });
  });

  it('tells templates from instances', () => {
    expect(['a@.service', 'a@1.service', 'a.service'].map(isTemplate)).toEqual([true, false, false]);
    expect(['a@.service', 'a@1.b@c.timer', 'a.service'].map(templateOf)).toEqual([null, 'a@.timer', null]);
  });

  it('reads arguments as fleetctl did', () => {
    const arguments_ = ['foo', 'foo.1', 'a/b.socket', 'foo.target', 'dir/x@1.service', 'dir/'];
    expect(arguments_.map((argument) => nameFromArgument(argument, FLEETCTL_SUFFIXES))).toEqual([
      ...['foo.service', 'foo.1.service', 'b.socket', 'foo.target.service', 'x@1.service', 'dir.service'],
    ]);
  });

  it('takes any type that a unit can have for one', () => {
    const arguments_ = ['foo', 'foo.1', 'foo.target', 'dir/x.slice'];
    expect(arguments_.map((argument) => nameFromArgument(argument, UNIT_SUFFIXES))).toEqual([
      ...['foo.service', 'foo.1.service', 'foo.target', 'x.slice'],
    ]);
  });

  it('replaces its four specifiers and leaves every other alone', () => {
    expect(expandSpecifiers('%n|%N|%p|%i', 'web@a.1.service')).toBe('web@a.1.service|web@a.1|web|a.1');
    expect(expandSpecifiers('%n|%N|%p|%i', 'web.service')).toBe('web.service|web|web|');
    expect(expandSpecifiers('%H %m %%n 100%', 'web@1.service')).toBe('%H %m %web@1.service 100%');
  });
});
