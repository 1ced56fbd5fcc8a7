import { describe, expect, it } from 'vitest';
import { meets, parseRequirement } from '../../../units/requirement.js';

const asked = (text: string, metadata: Record<string, string>): boolean => {
  const requirement = parseRequirement(text);
  if (requirement === null) throw new Error(`${text} is not read`);
  return meets(metadata, requirement);
};

describe('Require=', () => {
  it.each([
    ['az=a', ['a']],
    ['az!=a', ['b', 'c d', null]],
    ['az in (a,b)', ['a', 'b']],
    ['az not in (a, c d )', ['b', null]],
    ['az', ['a', 'b', 'c d']],
    ['!az', [null]],
    ['az = c d', ['c d']],
  ])('%s', (text, met) => {
    const values = ['a', 'b', 'c d', null];
    expect(values.filter((value) => asked(text, value === null ? { x: 'a' } : { az: value }))).toEqual(met);
  });

  it('does not take what every object has for metadata', () => {
    expect([asked('toString', {}), asked('!constructor', {})]).toEqual([false, true]);
  });

  it.each([
    ['az  =  eu', 'az=eu'],
    ['az!=eu', 'az!=eu'],
    ['az   in ( a ,b )', 'az in (a,b)'],
    ['az  not   in (a)', 'az not in (a)'],
    ['! gpu', '!gpu'],
    ['in', 'in'],
  ])('says %j in one way', (text, said) => {
    expect(parseRequirement(text)?.text).toBe(said);
  });

  it.each([
    '',
    '=a',
    'az=',
    'az==a',
    'az in a',
    'az in ()',
    'az in (a,)',
    'az > 3',
    '!az=a',
    'a b',
    'az in (a',
    '!',
  ])('is not %j', (text) => expect(parseRequirement(text)).toBeNull());
});
