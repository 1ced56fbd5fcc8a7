import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keysUnder, type ParsedKey } from '../../../registry/keys.js';
import { seeded } from '../../support/seed.js';

const keys = keysUnder('/convoy/');

describe('keys', () => {
  it('are those of the table, under any prefix, however it is written', () => {
    expect(keys.cluster).toBe('/convoy/cluster');
    expect(keys.unit('web@1.service')).toBe('/convoy/units/web@1.service');
    expect(keys.content('abc')).toBe('/convoy/contents/abc');
    expect(keys.knownMachine('m1')).toBe('/convoy/known/m1');
    expect(keys.unjoined('m1')).toBe('/convoy/unjoined/m1');
    expect(keys.machine('m1')).toBe('/convoy/machines/m1');
    expect(keys.assigned('web.service')).toBe('/convoy/assigned/web.service');
    expect(keys.placement('m1', 'web.service')).toBe('/convoy/placements/m1/web.service');
    expect(keys.state('m1', 'web.service')).toBe('/convoy/states/m1/web.service');
    expect(keys.service('redis', 'zh-redis.service', 'm1')).toBe(
      '/convoy/services/redis/zh-redis.service/m1',
    );
    expect(keys.leader).toBe('/convoy/leader');
    for (const prefix of ['a/b', '/a/b', 'a/b/', '//a/b//'])
      expect(keysUnder(prefix).leader).toBe('/a/b/leader');
    expect(keysUnder('').leader).toBe('/leader');
  });

  it('prefixes end in a slash, so that m1 does not reach m10', () => {
    expect(keys.placement('m10', 'a')).not.toContain(keys.placements('m1'));
    expect(keys.placement('m1', 'a').startsWith(keys.placements('m1'))).toBe(true);
    expect(keys.placement('m1', 'a').startsWith(keys.placements())).toBe(true);
    expect(keys.service('s', 'u', 'm').startsWith(keys.servicesOf('s'))).toBe(true);
  });

  it('parse into what they were built from, whatever the names', () => {
    const name = fc.string({ minLength: 1 });
    fc.assert(
      fc.property(name, name, name, name, (prefix, a, b, c) => {
        const at = keysUnder(prefix);
        const expected: [string, ParsedKey][] = [
          [at.unit(a), { kind: 'unit', unit: a }],
          [at.content(a), { kind: 'content', hash: a }],
          [at.knownMachine(a), { kind: 'known', machine: a }],
          [at.unjoined(a), { kind: 'unjoined', machine: a }],
          [at.machine(a), { kind: 'machine', machine: a }],
          [at.assigned(a), { kind: 'assigned', unit: a }],
          [at.placement(a, b), { kind: 'placement', machine: a, unit: b }],
          [at.state(a, b), { kind: 'state', machine: a, unit: b }],
          [at.service(a, b, c), { kind: 'service', service: a, unit: b, machine: c }],
          [at.leader, { kind: 'leader' }],
          [at.cluster, { kind: 'cluster' }],
        ];
        for (const [key, parsed] of expected) {
          expect(key.startsWith(at.root)).toBe(true);
          expect(at.parse(key)).toEqual(parsed);
        }
      }),
      seeded(),
    );
  });

  it('of another version or another program are none of ours', () => {
    for (const key of [
      '/other/leader',
      '/convoy',
      '/convoy/',
      '/convoy/units',
      '/convoy/units/a/b',
      '/convoy/x/y',
    ])
      expect(keys.parse(key)).toBeNull();
  });
});
