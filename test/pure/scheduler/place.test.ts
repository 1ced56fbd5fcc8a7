import { describe, expect, it } from 'vitest';
import type { ClusterSnapshot } from '../../../registry/model.js';
import { apply, describe as inWords } from '../../../scheduler/decision.js';
import { type Memory, NO_MEMORY, place } from '../../../scheduler/place.js';
import recorded from '../../fixtures/fleetctl/conflicts.json' with { type: 'json' };
import { type ClusterSketch, settled, sketch, type UnitSketch } from './cluster.js';

const THREE = { aaaaaaaa1: {}, bbbbbbbb2: {}, cccccccc3: {} };

type Sketches = Record<string, UnitSketch>;

/** The look of one leader: decisions in words, refusals, and what comes of it. */
function placing(units: Sketches, machines: ClusterSketch['machines'] = THREE, held: string[] = []) {
  const memory = memoryOf(held);
  const snapshot = sketch({ machines, units });
  const { decisions, refusals } = place(snapshot, memory);
  return told(decisions.map(inWords), refusals, decisions.reduce(apply, snapshot));
}

/** Looks until nothing is left to do, while every machine does and reports what it is told. */
function settling(units: Sketches, machines: ClusterSketch['machines'] = THREE) {
  let snapshot = sketch({ machines, units });
  let memory = NO_MEMORY;
  const words: string[] = [];
  for (let look = 0; look < 20; look++) {
    const { decisions, refusals, transfers } = place(snapshot, memory);
    if (decisions.length === 0) return told(words, refusals, snapshot);
    words.push(...decisions.map(inWords));
    snapshot = settled(decisions.reduce(apply, snapshot));
    memory = { ...memory, transfers };
  }
  throw new Error(`it never comes to rest: ${words.join('; ')}`);
}

function memoryOf(held: readonly string[]): Memory {
  const machines = new Map(held.map((id) => [id, `${id} is in its grace`]));
  return { ...NO_MEMORY, holds: { machines, units: new Map() } };
}

function told(words: string[], refusals: ReadonlyMap<string, string>, after: ClusterSnapshot) {
  return {
    words,
    refusals: Object.fromEntries(refusals),
    homes: Object.fromEntries(
      [...after.assigned.values()].map(({ unit, machine }) => [unit, machine]).sort(),
    ),
    placements: [...after.placements]
      .flatMap(([machine, rows]) => [...rows.keys()].map((u) => `${u} ${machine}`))
      .sort(),
    after,
  };
}

describe('rank', () => {
  it('takes the machine with the fewest units, globals included, then the first by id', () => {
    const units = {
      'g.service': { fleet: ['Global=true'], on: ['aaaaaaaa1', 'bbbbbbbb2', 'cccccccc3'], global: true },
      'one.service': { on: ['aaaaaaaa1'] },
      ...{ 'x1.service': {}, 'x2.service': {}, 'x3.service': {}, 'x4.service': {} },
    };
    expect(placing(units).words).toEqual([
      'place x1.service on bbbbbbbb: fewest units of the machines that may run it',
      'place x2.service on cccccccc: fewest units of the machines that may run it',
      'place x3.service on aaaaaaaa: fewest units of the machines that may run it',
      'place x4.service on bbbbbbbb: fewest units of the machines that may run it',
    ]);
  });

  it('places three recorded units in conflict as fleet did, and says why the fourth has no place', () => {
    const fleet = ['Conflicts=clash@*.service'];
    const names = [1, 2, 3, 4].map((instance) => `clash@${instance}.service`);
    const machines = Object.fromEntries(recorded.machines.map((id) => [id, {}]));
    const { homes, refusals } = placing(Object.fromEntries(names.map((name) => [name, { fleet }])), machines);
    expect(homes).toEqual(Object.fromEntries(recorded.placed));
    expect(refusals).toEqual({
      'clash@4.service': `pending: 0 of 3 machines: 3 conflict with clash@1.service, clash@2.service, clash@3.service`,
    });
  });
});

describe('target state', () => {
  it('places what is loaded or launched, never an inactive unit or a template', () => {
    const { homes, placements } = placing({
      ...{ 'a.service': { target: 'inactive' }, 'b.service': { target: 'loaded' }, 't@.service': {} },
    });
    expect(homes).toEqual({ 'b.service': 'aaaaaaaa1' });
    expect(placements).toHaveLength(1);
  });

  it('takes away what is inactive, destroyed or a template', () => {
    const on = ['aaaaaaaa1'];
    const { words } = placing({
      ...{
        'a.service': { on, target: 'inactive' },
        'b.service': { on, destroyed: true },
        't@.service': { on },
      },
    });
    expect(words).toEqual([
      'unplace a.service from aaaaaaaa: target state inactive',
      'unplace b.service from aaaaaaaa: unit destroyed',
      'unplace t@.service from aaaaaaaa: a template is never placed',
    ]);
  });

  it('keeps the machine when the content changes', () => {
    const { words } = placing({
      'a.service': { on: ['cccccccc3'], oldHash: 'x', restarts: 2, target: 'loaded' },
    });
    expect(words).toEqual(['update a.service on cccccccc: unit file replaced, restart requested']);
  });
});

describe('MachineID', () => {
  it('pins a unit by full or short id, and leaves it without a machine otherwise', () => {
    const { homes, refusals } = placing({
      ...{ 'a.service': { fleet: ['MachineID=cccccccc'] }, 'b.service': { fleet: ['MachineID=bbbbbbbb2'] } },
      'c.service': { fleet: ['MachineID=dddddddd'] },
    });
    expect(homes).toEqual({ 'a.service': 'cccccccc3', 'b.service': 'bbbbbbbb2' });
    expect(refusals).toEqual({ 'c.service': 'pending: 0 of 3 machines: 3 are not dddddddd' });
  });
});

describe('MachineMetadata', () => {
  it('places instances by their own name, and moves a unit whose machine no longer fits', () => {
    const machines = { aaaaaaaa1: { metadata: { host: 'a' } }, bbbbbbbb2: { metadata: { host: 'b' } } };
    const fleet = ['MachineMetadata=host=%i'];
    const { words, refusals } = settling(
      { 'm@a.service': { fleet }, 'm@b.service': { fleet, on: ['aaaaaaaa1'] }, 'm@c.service': { fleet } },
      machines,
    );
    expect(words).toEqual([
      'unplace m@b.service from aaaaaaaa: machine lacks host=b',
      'place m@a.service on aaaaaaaa: fewest units of the machines that may run it',
      'place m@b.service on bbbbbbbb: fewest units of the machines that may run it',
    ]);
    expect(refusals).toEqual({ 'm@c.service': 'pending: 0 of 2 machines: 2 lack host=c' });
  });

  it('takes a machine’s metadata from the daemon with the operator’s laid over it', () => {
    const snapshot = sketch({
      machines: { aaaaaaaa1: { metadata: { az: 'a' } } },
      units: { 'a.service': { fleet: ['MachineMetadata=az=b'] } },
    });
    const base = { id: 'aaaaaaaa1', firstSeen: 1, cordoned: false, draining: false, away: null };
    const known = { ...base, metadata: { az: 'b' } };
    expect(place({ ...snapshot, known: new Map([['aaaaaaaa1', known]]) }).decisions).toHaveLength(1);
    expect(place(snapshot).decisions).toHaveLength(0);
  });
});

describe('MachineOf', () => {
  it('puts pairs together whatever their names, and chains in one pass', () => {
    const { homes, words } = placing({
      ...{ 'a.service': { fleet: ['MachineOf=b.service'] }, 'b.service': { fleet: ['MachineOf=z.service'] } },
      ...{ 'm.service': {}, 'z.service': {} },
    });
    expect(homes).toEqual({
      ...{
        'a.service': 'bbbbbbbb2',
        'b.service': 'bbbbbbbb2',
        'm.service': 'aaaaaaaa1',
        'z.service': 'bbbbbbbb2',
      },
    });
    expect(words[0]).toBe('place a.service on bbbbbbbb: together with b.service');
  });

  it('moves the follower with its peer when their machine is lost', () => {
    const { words } = placing(
      {
        'ping.service': { on: ['aaaaaaaa1'] },
        'pong.service': { fleet: ['MachineOf=ping.service'], on: ['aaaaaaaa1'] },
      },
      { aaaaaaaa1: { gone: true }, bbbbbbbb2: {} },
    );
    expect(words).toEqual([
      'unplace ping.service from aaaaaaaa: machine aaaaaaaa went away',
      'unplace pong.service from aaaaaaaa: machine aaaaaaaa went away',
      'place ping.service on bbbbbbbb: fewest units of the machines that may run it',
      'place pong.service on bbbbbbbb: together with ping.service',
    ]);
  });

  it('lets nobody stay whose peer is gone', () => {
    const { words, refusals } = placing({
      'pong.service': { fleet: ['MachineOf=ping.service'], on: ['aaaaaaaa1'] },
    });
    expect(words).toEqual(['unplace pong.service from aaaaaaaa: machine lacks peer ping.service']);
    expect(refusals).toEqual({ 'pong.service': 'pending: 0 of 3 machines: 3 lack peer ping.service' });
  });
});

describe('Conflicts', () => {
  it('holds in both directions', () => {
    const fleet = ['Conflicts=hello.service'];
    const one = placing(
      { 'hello.service': { on: ['aaaaaaaa1'] }, 'x.service': { fleet } },
      { aaaaaaaa1: {} },
    );
    const other = placing(
      { 'hello.service': {}, 'x.service': { fleet, on: ['aaaaaaaa1'] } },
      { aaaaaaaa1: {} },
    );
    expect(one.refusals).toEqual({ 'x.service': 'pending: 0 of 1 machine: 1 conflicts with hello.service' });
    expect(other.refusals).toEqual({
      'hello.service': 'pending: 0 of 1 machine: 1 conflicts with x.service',
    });
  });

  it('concerns globals too: the second of two in conflict runs nowhere', () => {
    const fleet = ['Global=true', 'Conflicts=g*.service'];
    const { placements, refusals } = placing({ 'g1.service': { fleet }, 'g2.service': { fleet } });
    expect(placements).toEqual(['g1.service aaaaaaaa1', 'g1.service bbbbbbbb2', 'g1.service cccccccc3']);
    expect(refusals).toEqual({ 'g2.service': 'pending: 0 of 3 machines: 3 conflict with g1.service' });
  });

  it('moves only the unit of the lost machine, to the free one', () => {
    const fleet = ['Conflicts=c*.service'];
    const machines = { aaaaaaaa1: {}, bbbbbbbb2: { gone: true }, cccccccc3: {}, dddddddd4: {} };
    const { words, homes } = placing(
      {
        'c1.service': { fleet, on: ['aaaaaaaa1'] },
        'c2.service': { fleet, on: ['bbbbbbbb2'] },
        'c3.service': { fleet, on: ['cccccccc3'] },
      },
      machines,
    );
    expect(words).toHaveLength(2);
    expect(homes['c2.service']).toBe('dddddddd4');
  });

  it('parts two that came to be in conflict: the first by name stays', () => {
    const { words } = settling({
      'a.service': { on: ['aaaaaaaa1'] },
      'b.service': { fleet: ['Conflicts=a.service'], on: ['aaaaaaaa1'] },
    });
    expect(words).toEqual([
      'unplace b.service from aaaaaaaa: conflict with a.service',
      'place b.service on bbbbbbbb: fewest units of the machines that may run it',
    ]);
  });
});

describe('Replaces', () => {
  const kick = { fleet: ['Replaces=old.service'] };

  it('moves the victim, whichever name comes first, and only if they meet', () => {
    for (const name of ['a-new.service', 'z-new.service']) {
      const met = settling(
        {
          [name]: kick,
          'old.service': { on: ['aaaaaaaa1'] },
          'x.service': { on: ['bbbbbbbb2'] },
          'y.service': { on: ['bbbbbbbb2'] },
        },
        { aaaaaaaa1: {}, bbbbbbbb2: {} },
      );
      expect(met.words).toEqual([
        `unplace old.service from aaaaaaaa: replaced by ${name}`,
        `place ${name} on aaaaaaaa: fewest units of the machines that may run it`,
        'place old.service on bbbbbbbb: fewest units of the machines that may run it',
      ]);
      const apart = settling({ [name]: kick, 'old.service': { on: ['aaaaaaaa1'] } });
      expect(apart.homes).toEqual({ [name]: 'bbbbbbbb2', 'old.service': 'aaaaaaaa1' });
    }
  });

  it('holds the victim’s constraints: it waits rather than go where it may not', () => {
    const fleet = ['MachineMetadata=az=a'];
    const { homes, refusals } = placing(
      { 'new.service': kick, 'old.service': { fleet, on: ['aaaaaaaa1'] } },
      { aaaaaaaa1: { metadata: { az: 'a' } } },
    );
    expect(homes).toEqual({ 'new.service': 'aaaaaaaa1' });
    expect(refusals).toEqual({
      'old.service': 'pending: 0 of 1 machine: 1 runs new.service, which replaces it',
    });
  });

  it('ignores two that replace each other, and longer circles', () => {
    const on = ['aaaaaaaa1'];
    const two = {
      'a.service': { fleet: ['Replaces=b.service'], on },
      'b.service': { fleet: ['Replaces=a.service'], on },
    };
    expect(placing(two).words).toEqual([]);
    const three = {
      'a.service': { fleet: ['Replaces=b.service'], on },
      'b.service': { fleet: ['Replaces=c.service'], on },
      'c.service': { fleet: ['Replaces=a.service'], on },
    };
    expect(placing(three).words).toEqual([]);
    const viaPeer = {
      'a.service': { fleet: ['Replaces=b.service'], on },
      'b.service': { on },
      'c.service': { fleet: ['MachineOf=b.service', 'Replaces=a.service'], on },
    };
    expect(placing(viaPeer).words).toEqual([]);
  });

  it('moves a follower together with the victim', () => {
    const { homes } = settling(
      {
        ...{ 'new.service': kick, 'old.service': { on: ['aaaaaaaa1'] } },
        'side.service': { fleet: ['MachineOf=old.service'], on: ['aaaaaaaa1'] },
        ...{
          'x.service': { on: ['bbbbbbbb2'] },
          'y.service': { on: ['bbbbbbbb2'] },
          'z.service': { on: ['bbbbbbbb2'] },
        },
      },
      { aaaaaaaa1: {}, bbbbbbbb2: {} },
    );
    expect(homes).toMatchObject({
      ...{ 'new.service': 'aaaaaaaa1', 'old.service': 'bbbbbbbb2', 'side.service': 'bbbbbbbb2' },
    });
  });

  it('counts the room a victim leaves', () => {
    const { homes } = settling(
      {
        'a-new.service': kick,
        'old.service': { on: ['aaaaaaaa1'] },
        'x.service': {},
        'y.service': { on: ['bbbbbbbb2'] },
      },
      { aaaaaaaa1: {}, bbbbbbbb2: {} },
    );
    expect(homes).toMatchObject({ 'x.service': 'aaaaaaaa1', 'old.service': 'bbbbbbbb2' });
  });

  it('takes a sticky follower along that is not anywhere yet', () => {
    const { homes } = placing(
      {
        ...{ 'a.service': { fleet: ['MachineOf=old.service'], convoy: ['Sticky=yes'] }, 'new.service': kick },
        'old.service': { on: ['aaaaaaaa1'] },
      },
      { aaaaaaaa1: {} },
    );
    expect(homes).toEqual({ 'new.service': 'aaaaaaaa1' });
  });

  it('does not move a sticky unit', () => {
    const old = { convoy: ['Sticky=yes'], on: ['aaaaaaaa1'] };
    const { refusals } = placing({ 'new.service': kick, 'old.service': old }, { aaaaaaaa1: {} });
    expect(refusals).toEqual({
      'new.service':
        'pending: 0 of 1 machine: 1 runs old.service, which it replaces but which is moved only by hand',
    });
  });
});

describe('Global', () => {
  it('runs wherever it may, on new machines too, and needs no assignment', () => {
    const machines = {
      aaaaaaaa1: { metadata: { az: 'a' } },
      bbbbbbbb2: { metadata: { az: 'a' } },
      cccccccc3: {},
    };
    const { words, homes, refusals } = placing(
      { 'g.service': { fleet: ['Global=true', 'MachineMetadata=az=a'], on: ['aaaaaaaa1'], global: true } },
      machines,
    );
    expect(words).toEqual(['place g.service on bbbbbbbb: global: runs on every machine that may run it']);
    expect(homes).toEqual({});
    expect(refusals).toEqual({ 'g.service': 'runs on 2 of 3 machines: 1 lacks az=a' });
  });

  it('changes over when a unit becomes global or ceases to be', () => {
    const became = settling({ 'g.service': { fleet: ['Global=true'], on: ['bbbbbbbb2'] } });
    expect(became.words[0]).toBe('unplace g.service from bbbbbbbb: the unit became global');
    expect(became.placements).toHaveLength(3);
    const ceased = settling({ 'g.service': { on: ['aaaaaaaa1', 'bbbbbbbb2'], global: true } });
    expect(ceased.words.slice(0, 2)).toEqual([
      'unplace g.service from aaaaaaaa: the unit is not global and not assigned to this machine',
      'unplace g.service from bbbbbbbb: the unit is not global and not assigned to this machine',
    ]);
    expect(ceased.homes).toEqual({ 'g.service': 'aaaaaaaa1' });
  });
});

describe('machines that go away', () => {
  const units = {
    'a.service': { on: ['aaaaaaaa1'] },
    'g.service': { fleet: ['Global=1'], on: ['aaaaaaaa1'], global: true },
  };
  const machines = { aaaaaaaa1: { gone: true }, bbbbbbbb2: {} };

  it('keep what they have while they are held', () => {
    const { words, refusals } = placing(units, machines, ['aaaaaaaa1']);
    expect(words).toEqual(['place g.service on bbbbbbbb: global: runs on every machine that may run it']);
    expect(refusals).toEqual({ 'a.service': 'pending: aaaaaaaa1 is in its grace' });
  });

  it('lose it afterwards', () => {
    const { words } = placing(units, machines);
    expect(words.slice(0, 2)).toEqual([
      'unplace a.service from aaaaaaaa: machine aaaaaaaa went away',
      'unplace g.service from aaaaaaaa: machine aaaaaaaa went away',
    ]);
  });

  it('never lose a sticky unit, unless it is unloaded', () => {
    const sticky = { convoy: ['Sticky=yes'], on: ['aaaaaaaa1'] };
    const lost = placing({ 'redis.service': sticky }, machines);
    expect(lost.words).toEqual([]);
    expect(lost.refusals).toEqual({
      'redis.service':
        'pending: machine aaaaaaaa is gone; moved only by hand (Sticky=yes): move it, or unload it, then start it',
    });
    expect(placing({ 'redis.service': { ...sticky, target: 'inactive' } }, machines).words).toHaveLength(1);
    const drained = placing({ 'redis.service': sticky }, { aaaaaaaa1: { draining: true }, bbbbbbbb2: {} });
    expect(drained.words).toEqual([]);
    expect(drained.refusals).toEqual({
      'redis.service': 'moved only by hand (Sticky=yes): move or unload it, for machine is draining',
    });
  });

  it('are not filled when cordoned, and emptied when draining', () => {
    const { words, refusals } = placing(
      { 'a.service': { on: ['aaaaaaaa1'] }, 'b.service': { on: ['bbbbbbbb2'] }, 'c.service': {} },
      { aaaaaaaa1: { cordoned: true }, bbbbbbbb2: { draining: true } },
    );
    expect(words).toEqual(['unplace b.service from bbbbbbbb: machine is draining']);
    expect(refusals['c.service']).toBe('pending: 0 of 2 machines: 1 is cordoned, 1 is draining');
  });

  it('hand over only what they no longer report', () => {
    const draining = { aaaaaaaa1: { draining: true }, bbbbbbbb2: {} };
    const { words, refusals } = placing(
      { 'a.service': { on: ['aaaaaaaa1'], reported: ['aaaaaaaa1'] } },
      draining,
    );
    expect(words).toEqual(['unplace a.service from aaaaaaaa: machine is draining']);
    expect(refusals).toEqual({
      'a.service': 'pending: 0 of 2 machines: 1 is draining, 1 waits: still stopping on aaaaaaaa',
    });
    expect(placing({ 'a.service': { reported: ['aaaaaaaa1'] } }, draining).homes).toEqual({});
    expect(placing({ 'a.service': { reported: ['cccccccc3'] } }).homes).toEqual({ 'a.service': 'cccccccc3' });
    expect(placing({ 'a.service': { reported: ['aaaaaaaa1', 'cccccccc3'] } }).homes).toEqual({});
  });
});

describe('what got past submit', () => {
  it('is never placed, and says why', () => {
    const { words, refusals } = placing({ 'a.service': { fleet: ['MachineMetadata=az'] } });
    expect(words).toEqual([]);
    expect(refusals).toEqual({
      'a.service':
        'pending: 0 of 3 machines: 3 refuse it: malformed MachineMetadata "az": expected one key=value',
    });
  });
});

describe('decisions', () => {
  it('carry what they are based on', () => {
    const snapshot = sketch({
      machines: THREE,
      units: {
        'a.service': {},
        'b.service': { on: ['aaaaaaaa1'], destroyed: true },
        'c.service': { on: ['bbbbbbbb2'], oldHash: 'x' },
      },
    });
    const { decisions } = place(snapshot);
    expect(
      decisions.map(({ kind, unit, generation, revision }) => ({ kind, unit, generation, revision })),
    ).toEqual([
      {
        kind: 'unplace',
        unit: 'b.service',
        generation: 0,
        revision: snapshot.assigned.get('b.service')?.revision,
      },
      {
        ...{ kind: 'update', unit: 'c.service', generation: snapshot.units.get('c.service')?.generation },
        revision: snapshot.assigned.get('c.service')?.revision,
      },
      {
        kind: 'place',
        unit: 'a.service',
        generation: snapshot.units.get('a.service')?.generation,
        revision: 0,
      },
    ]);
  });

  it('come in time for a large fleet', () => {
    const machines = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`machine-${1000 + n}`, {}]));
    const units = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`u${n}.service`, {}]));
    const snapshot = sketch({ machines, units });
    const { decisions } = place(snapshot);
    const counts = new Map<string, number>();
    for (const { machine } of decisions) counts.set(machine, (counts.get(machine) ?? 0) + 1);
    expect([decisions.length, counts.size, new Set(counts.values())]).toEqual([10_000, 1000, new Set([10])]);
  });
});
