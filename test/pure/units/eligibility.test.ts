import { describe, expect, it } from 'vitest';
import {
  type Candidate,
  type Neighbours,
  placeable,
  type Refusal,
  Tally,
  whyNot,
} from '../../../units/eligibility.js';
import { parse } from '../../../units/parse.js';

const unit = (...lines: string[]) =>
  placeable('web@1.service', parse(`[X-Fleet]\n${lines.join('\n')}\n`).unit);
const nobody: Neighbours = {
  has: () => false,
  conflicting: () => null,
  replacing: () => null,
  immovable: () => null,
};
const machine: Candidate = {
  ...{
    id: '472d6cb2f262ea34e2385ef99b9555fd',
    metadata: { az: 'a', disk: 'ssd' },
    cordoned: false,
    draining: false,
  },
};
const ask = (
  lines: string[],
  change: Partial<Candidate> = {},
  neighbours: Partial<Neighbours> = {},
): Refusal | null => whyNot(unit(...lines), { ...machine, ...change }, { ...nobody, ...neighbours });

describe('whyNot', () => {
  it('takes a full id or the first eight characters', () => {
    expect(ask(['MachineID=472d6cb2f262ea34e2385ef99b9555fd'])).toBeNull();
    expect(ask(['MachineID=472d6cb2'])).toBeNull();
    for (const id of ['472d6cb', '472d6cb2f', 'b38a1340'])
      expect(ask([`MachineID=${id}`])).toEqual({ kind: 'machine-id', detail: id });
  });

  it('wants one of the values of every key', () => {
    expect(ask(['MachineMetadata=az=b', 'MachineMetadata=az=a', 'MachineMetadata=disk=ssd'])).toBeNull();
    expect(ask(['MachineMetadata=az=b', 'MachineMetadata=az=c'])).toEqual({
      kind: 'metadata',
      detail: 'az=b|c',
    });
    expect(ask(['MachineMetadata=rack=1'])).toEqual({ kind: 'metadata', detail: 'rack=1' });
    expect(ask(['MachineMetadata=toString=x'])).toEqual({ kind: 'metadata', detail: 'toString=x' });
  });

  it('wants all peers', () => {
    const lines = ['MachineOf=a.service', 'MachineOf=b.service'];
    expect(ask(lines, {}, { has: () => true })).toBeNull();
    expect(ask(lines, {}, { has: (name) => name === 'a.service' })).toEqual({
      kind: 'peer',
      detail: 'b.service',
    });
  });

  it('is refused by neighbours', () => {
    expect(ask([], {}, { conflicting: () => 'x.service' })).toEqual({
      kind: 'conflict',
      detail: 'x.service',
    });
    expect(ask([], {}, { replacing: () => 'x.service' })).toEqual({ kind: 'replaced', detail: 'x.service' });
    expect(ask([], {}, { immovable: () => 'x.service' })).toEqual({ kind: 'immovable', detail: 'x.service' });
  });

  it('is refused by machines that take nothing, for which everything else is asked first', () => {
    expect(ask([], { cordoned: true })).toEqual({ kind: 'cordoned', detail: '' });
    expect(ask([], { draining: true, cordoned: true })).toEqual({ kind: 'draining', detail: '' });
    expect(ask(['MachineMetadata=az=b'], { draining: true })?.kind).toBe('metadata');
  });

  it('never lets a mistake in the constraints vanish', () => {
    expect(ask(['MachineMetadata=az'])).toEqual({
      kind: 'invalid',
      detail: 'malformed MachineMetadata "az": expected one key=value',
    });
  });
});

describe('Tally', () => {
  const tally = (...refusals: [Refusal['kind'], string, number][]): Tally => {
    const result = new Tally();
    for (const [kind, detail, machines] of refusals) result.add({ kind, detail }, machines);
    return result;
  };

  it('says how many machines refuse and why, most first', () => {
    expect(tally(['conflict', 'web@1.service', 5], ['metadata', 'az=eu-west', 7]).summary()).toBe(
      '0 of 12 machines: 7 lack az=eu-west, 5 conflict with web@1.service',
    );
    expect(tally(['conflict', 'x', 1], ['metadata', 'az=b', 1]).summary(1)).toBe(
      '1 of 3 machines: 1 conflicts with x, 1 lacks az=b',
    );
    expect(tally(['cordoned', '', 1], ['draining', '', 2], ['stopping', '472d6cb2', 3]).summary()).toBe(
      '0 of 6 machines: 3 wait: still stopping on 472d6cb2, 2 are draining, 1 is cordoned',
    );
    expect(tally(['machine-id', 'abc', 2], ['peer', 'p.service', 1]).summary()).toBe(
      '0 of 3 machines: 2 are not abc, 1 lacks peer p.service',
    );
  });

  it('names no more than a line holds', () => {
    const names = ['e', 'd', 'c', 'b', 'a'].map((name): [Refusal['kind'], string, number] => [
      'conflict',
      name,
      1,
    ]);
    expect(tally(...names).summary()).toBe('0 of 5 machines: 5 conflict with a, b, c and 2 more');
  });

  it('says so when there is no machine at all', () => {
    expect(new Tally().summary()).toBe('no machine is alive');
    expect(tally(['invalid', 'bad', 1]).summary()).toBe('0 of 1 machine: 1 refuses it: bad');
  });
});
