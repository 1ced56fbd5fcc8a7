import { describe, expect, it } from 'vitest';
import type { Assignment, ClusterSnapshot, UnitState } from '../../../registry/model.js';
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
  return told(decisions.map(inWords), refusals, apply(snapshot, decisions));
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
    snapshot = settled(apply(snapshot, decisions));
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
      'redis.service':
        'stays, since it is moved only by hand (Sticky=yes): machine is draining; move or unload it',
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

describe('Spread', () => {
  const machines = {
    ...{ aaaaaaaa1: { metadata: { az: 'a' } }, bbbbbbbb2: { metadata: { az: 'a' } } },
    ...{ cccccccc3: { metadata: { az: 'b' } }, dddddddd4: {} },
  };
  const convoy = ['Spread=az'];

  it('takes the zone with the fewest siblings, then the fewest units; no zone is a zone, tried last', () => {
    const names = [1, 2, 3, 4, 5].map((instance) => `web@${instance}.service`);
    const { words } = placing(Object.fromEntries(names.map((name) => [name, { convoy }])), machines);
    expect(words).toEqual([
      'place web@1.service on aaaaaaaa: fewest of web@ in az=a; fewest units of the machines that may run it',
      'place web@2.service on cccccccc: fewest of web@ in az=b; fewest units of the machines that may run it',
      'place web@3.service on dddddddd: fewest of web@ where az is not set; fewest units of the machines that may run it',
      'place web@4.service on bbbbbbbb: fewest of web@ in az=a; fewest units of the machines that may run it',
      'place web@5.service on cccccccc: fewest of web@ in az=b; fewest units of the machines that may run it',
    ]);
  });

  it('counts siblings that do not ask for it, and nobody else', () => {
    const { homes } = placing(
      {
        'db@1.service': { on: ['cccccccc3'] },
        'db@2.service': { on: ['cccccccc3'] },
        'web@1.service': { on: ['aaaaaaaa1'] },
        'web@2.service': { convoy },
      },
      { ...machines, dddddddd4: { cordoned: true } },
    );
    expect(homes['web@2.service']).toBe('cccccccc3');
  });
});

describe('Prefer', () => {
  it('takes the machine that meets most, before the one with the fewest units, and any if none does', () => {
    const machines = {
      ...{ aaaaaaaa1: {}, bbbbbbbb2: { metadata: { disk: 'ssd' } } },
      cccccccc3: { metadata: { disk: 'ssd', gpu: 'x' } },
    };
    const both = ['Prefer=disk=ssd', 'Prefer=gpu=x'];
    const { words } = placing(
      {
        'a.service': { on: ['cccccccc3'] },
        'b.service': { convoy: both },
        'c.service': { convoy: ['Prefer=disk=ssd'] },
        'd.service': { convoy: ['Prefer=disk=tape'] },
      },
      machines,
    );
    expect(words).toEqual([
      'place b.service on cccccccc: most preferred: disk=ssd, gpu=x; fewest units of the machines that may run it',
      'place c.service on bbbbbbbb: most preferred: disk=ssd; fewest units of the machines that may run it',
      'place d.service on aaaaaaaa: fewest units of the machines that may run it',
    ]);
  });

  it('comes after Spread', () => {
    const { homes } = placing(
      {
        'web@1.service': { on: ['aaaaaaaa1'] },
        'web@2.service': { convoy: ['Spread=az', 'Prefer=disk=ssd'] },
      },
      { aaaaaaaa1: { metadata: { az: 'a', disk: 'ssd' } }, bbbbbbbb2: { metadata: { az: 'b' } } },
    );
    expect(homes['web@2.service']).toBe('bbbbbbbb2');
  });
});

describe('Require', () => {
  it('refuses machines that do not meet all of it, globals’ too, and says which', () => {
    const machines = {
      ...{ aaaaaaaa1: { metadata: { az: 'eu' } }, bbbbbbbb2: { metadata: { az: 'us', gpu: 'x' } } },
      cccccccc3: {},
    };
    const { homes, placements, refusals } = placing(
      {
        'a.service': { convoy: ['Require=az!=eu', 'Require=gpu'] },
        'b.service': { convoy: ['Require=az in (eu, us)', 'Require=disk'] },
        'g.service': { fleet: ['Global=true'], convoy: ['Require=az not in (us)'] },
      },
      machines,
    );
    expect(homes).toEqual({ 'a.service': 'bbbbbbbb2' });
    expect(placements).toEqual(['a.service bbbbbbbb2', 'g.service aaaaaaaa1', 'g.service cccccccc3']);
    expect(refusals).toEqual({
      'b.service': 'pending: 0 of 3 machines: 3 do not meet az in (eu,us), disk',
      'g.service': 'runs on 2 of 3 machines: 1 does not meet az not in (us)',
    });
  });

  it('moves a unit whose machine no longer meets it', () => {
    const { words } = settling(
      { 'a.service': { convoy: ['Require=!old'], on: ['aaaaaaaa1'] } },
      {
        aaaaaaaa1: { metadata: { old: 'yes' } },
        bbbbbbbb2: {},
      },
    );
    expect(words).toEqual([
      'unplace a.service from aaaaaaaa: machine does not meet !old',
      'place a.service on bbbbbbbb: fewest units of the machines that may run it',
    ]);
  });
});

describe('MoveAfterFailures', () => {
  const failing: UnitSketch = { convoy: ['MoveAfterFailures=3'], on: ['aaaaaaaa1'], failures: 3 };

  it('moves a unit that failed so often where it is, and remembers where that was', () => {
    expect(placing({ 'a.service': { ...failing, failures: 2 } }).words).toEqual([]);
    const { words, after } = settling({ 'a.service': failing });
    expect(words).toEqual([
      'unplace a.service from aaaaaaaa: failed 3 times on aaaaaaaa',
      'place a.service on bbbbbbbb: failed 3 times on aaaaaaaa; fewest units of the machines that may run it',
    ]);
    expect(after.assigned.get('a.service')?.failedOn).toEqual(['aaaaaaaa1']);
  });

  it('counts a failure that it did not come back from', () => {
    const snapshot = sketch({ machines: THREE, units: { 'a.service': { ...failing, failures: 2 } } });
    const state = snapshot.states.get('aaaaaaaa1')?.get('a.service');
    const failed = (active: string, hash = state?.hash ?? ''): ClusterSnapshot => ({
      ...snapshot,
      states: new Map(state && [['aaaaaaaa1', new Map([['a.service', { ...state, active, hash }]])]]),
    });
    expect(place(failed('failed')).decisions).toHaveLength(1);
    expect(place(failed('activating')).decisions).toEqual([]);
    expect(place(failed('failed', 'of the content before')).decisions).toEqual([]);
  });

  it('goes on to a machine it has not failed on, and stays where none is left', () => {
    const second = settling({ 'a.service': { ...failing, failedOn: ['bbbbbbbb2'] } });
    expect(second.homes).toEqual({ 'a.service': 'cccccccc3' });
    expect(second.after.assigned.get('a.service')?.failedOn).toEqual(['bbbbbbbb2', 'aaaaaaaa1']);
    const last = placing({ 'a.service': { ...failing, failedOn: ['cccccccc3', 'bbbbbbbb2'] } });
    expect(last.words).toEqual([]);
    expect(last.refusals).toEqual({ 'a.service': 'failed on all 3 machines that may run it' });
    const alone = placing({ 'a.service': failing }, { aaaaaaaa1: {}, bbbbbbbb2: { cordoned: true } });
    expect([alone.words, alone.refusals]).toEqual([
      [],
      { 'a.service': 'failed on the only machine that may run it' },
    ]);
  });

  it.each([
    ['a restart', { restarts: 1 }],
    ['another content', { oldHash: 'x' }],
  ])('begins anew with %s', (_, change) => {
    const { after } = settling({
      'a.service': { ...failing, ...change, failedOn: ['bbbbbbbb2', 'cccccccc3'] },
    });
    expect(after.assigned.get('a.service')).toMatchObject({ machine: 'bbbbbbbb2', failedOn: ['aaaaaaaa1'] });
  });

  it('begins anew for what was restarted on its way', () => {
    const snapshot = sketch({
      machines: THREE,
      units: { 'a.service': { ...failing, failedOn: ['bbbbbbbb2'] } },
    });
    const { decisions, transfers } = place(snapshot);
    const stopped = settled(apply(snapshot, decisions));
    const record = stopped.units.get('a.service');
    const again = new Map(record && [['a.service', { ...record, restarts: 1 }]]);
    const { decisions: next } = place({ ...stopped, units: again }, { ...NO_MEMORY, transfers });
    expect(next).toMatchObject([{ kind: 'place', machine: 'aaaaaaaa1', failedOn: [] }]);
  });

  it('keeps the list when its machine is lost', () => {
    const { after } = settling(
      {
        'a.service': { ...failing, failures: 0, failedOn: ['bbbbbbbb2'] },
        'x.service': { on: ['cccccccc3'] },
      },
      { aaaaaaaa1: { gone: true }, bbbbbbbb2: {}, cccccccc3: {} },
    );
    expect(after.assigned.get('a.service')).toMatchObject({ machine: 'cccccccc3', failedOn: ['bbbbbbbb2'] });
  });
});

describe('a move by hand', () => {
  it('goes to the machine named, or to the best other one, once the unit has stopped', () => {
    const named = settling({ 'a.service': { on: ['aaaaaaaa1'], move: 'cccccccc3' } });
    expect(named.words).toEqual([
      'unplace a.service from aaaaaaaa: moved by hand',
      'place a.service on cccccccc: moved by hand from aaaaaaaa',
    ]);
    const units = { 'a.service': { on: ['aaaaaaaa1'], move: null }, 'b.service': { on: ['bbbbbbbb2'] } };
    expect(settling(units).homes['a.service']).toBe('cccccccc3');
    expect(settling(units, { aaaaaaaa1: {}, bbbbbbbb2: {} }).homes['a.service']).toBe('bbbbbbbb2');
    const first = placing(units);
    expect(first.words).toEqual(['unplace a.service from aaaaaaaa: moved by hand']);
    expect(first.refusals).toEqual({
      'a.service': 'pending: 0 of 3 machines: 3 wait: still stopping on aaaaaaaa',
    });
  });

  it('is over once the unit has been placed anew', () => {
    const { after, words } = settling({ 'a.service': { on: ['aaaaaaaa1'], move: 'bbbbbbbb2' } });
    expect(words).toHaveLength(2);
    const lost = { ...after, machines: new Map([...after.machines].filter(([id]) => id !== 'bbbbbbbb2')) };
    expect(place(lost).decisions.map(inWords)).toEqual([
      'unplace a.service from bbbbbbbb: machine bbbbbbbb went away',
      'place a.service on aaaaaaaa: fewest units of the machines that may run it',
    ]);
  });

  it('stays where no machine would have it, and says why', () => {
    const told = (move: string | null, machines: ClusterSketch['machines'], more: UnitSketch = {}) => {
      const { words, refusals } = placing({ 'a.service': { on: ['aaaaaaaa1'], move, ...more } }, machines);
      expect(words).toEqual([]);
      return refusals['a.service'];
    };
    const others = { aaaaaaaa1: {}, bbbbbbbb2: { cordoned: true }, cccccccc3: { draining: true } };
    expect(told(null, others)).toBe('move: 0 of 2 other machines: 1 is cordoned, 1 is draining');
    expect(told('bbbbbbbb2', others)).toBe('move to bbbbbbbb: machine is cordoned');
    expect(told('cccccccc3', others)).toBe('move to cccccccc: machine is draining');
    expect(told('aaaaaaaa1', others)).toBe('move: it is on aaaaaaaa already');
    expect(told('dddddddd4', others)).toBe('move: machine dddddddd is not there');
    expect(told(null, { aaaaaaaa1: {} })).toBe('move: no other machine is alive');
    expect(told(null, THREE, { fleet: ['MachineID=aaaaaaaa'] })).toBe(
      'move: 0 of 2 other machines: 2 are not aaaaaaaa',
    );
    expect(told(null, THREE, { reported: [] })).toBe('move: no report yet of a.service on aaaaaaaa');
  });

  it('moves sticky units, from lost machines too once they are given up', () => {
    const redis: UnitSketch = { convoy: ['Sticky=yes'], on: ['aaaaaaaa1'], move: 'cccccccc3' };
    expect(settling({ 'redis.service': redis }).homes).toEqual({ 'redis.service': 'cccccccc3' });
    const lost = { ...THREE, aaaaaaaa1: { gone: true } };
    const moved = placing({ 'redis.service': redis }, lost);
    expect(moved.homes).toEqual({ 'redis.service': 'cccccccc3' });
    const held = placing({ 'redis.service': redis }, lost, ['aaaaaaaa1']);
    expect(held.homes).toEqual({ 'redis.service': 'aaaaaaaa1' });
    expect(held.refusals).toEqual({ 'redis.service': 'pending: aaaaaaaa1 is in its grace' });
  });

  it('names the machine for a unit that has to leave anyway', () => {
    const { homes } = settling(
      { 'a.service': { on: ['aaaaaaaa1'], move: 'cccccccc3' } },
      { ...THREE, aaaaaaaa1: { draining: true } },
    );
    expect(homes).toEqual({ 'a.service': 'cccccccc3' });
  });

  it('ends elsewhere, or where it was, if the machine named is lost on the way', () => {
    const snapshot = sketch({
      machines: THREE,
      units: { 'a.service': { on: ['aaaaaaaa1'], move: 'cccccccc3' } },
    });
    const { decisions, transfers } = place(snapshot);
    const stopped = settled(apply(snapshot, decisions));
    const without = (...gone: string[]): ClusterSnapshot => ({
      ...stopped,
      machines: new Map([...stopped.machines].filter(([id]) => !gone.includes(id))),
    });
    const home = (...gone: string[]) =>
      place(without(...gone), { ...NO_MEMORY, transfers }).decisions.map(({ machine }) => machine);
    expect([home('cccccccc3'), home('bbbbbbbb2', 'cccccccc3')]).toEqual([['bbbbbbbb2'], ['aaaaaaaa1']]);
  });

  it('takes followers along', () => {
    const { homes } = settling({
      'ping.service': { on: ['aaaaaaaa1'], move: 'cccccccc3' },
      'pong.service': { fleet: ['MachineOf=ping.service'], on: ['aaaaaaaa1'] },
    });
    expect(homes).toEqual({ 'ping.service': 'cccccccc3', 'pong.service': 'cccccccc3' });
  });
});

describe('draining', () => {
  it('empties a machine of units, followers and globals, and leaves the sticky', () => {
    const { words, refusals, placements } = settling(
      {
        'g.service': { fleet: ['Global=true'], on: ['aaaaaaaa1', 'bbbbbbbb2'], global: true },
        'ping.service': { on: ['aaaaaaaa1'] },
        'pong.service': { fleet: ['MachineOf=ping.service'], on: ['aaaaaaaa1'] },
        'redis.service': { convoy: ['Sticky=yes'], on: ['aaaaaaaa1'] },
      },
      { aaaaaaaa1: { draining: true }, bbbbbbbb2: {} },
    );
    expect(words.slice(0, 3)).toEqual([
      'unplace g.service from aaaaaaaa: machine is draining',
      'unplace ping.service from aaaaaaaa: machine is draining',
      'unplace pong.service from aaaaaaaa: machine is draining',
    ]);
    expect(placements).toEqual([
      ...['g.service bbbbbbbb2', 'ping.service bbbbbbbb2', 'pong.service bbbbbbbb2'],
      'redis.service aaaaaaaa1',
    ]);
    expect(refusals).toEqual({
      'g.service': 'runs on 1 of 2 machines: 1 is draining',
      'redis.service':
        'stays, since it is moved only by hand (Sticky=yes): machine is draining; move or unload it',
    });
  });
});

describe('what a live machine has not reported yet', () => {
  const unseen: UnitSketch = { on: ['aaaaaaaa1'], reported: [] };

  it('is neither moved nor taken away', () => {
    const { words, refusals } = placing(
      {
        'a.service': unseen,
        'b.service': { ...unseen, target: 'inactive' },
        'c.service': { ...unseen, destroyed: true },
        'g.service': { ...unseen, global: true, fleet: ['Global=true'] },
        'h.service': { ...unseen, global: true, destroyed: true },
      },
      { aaaaaaaa1: { draining: true }, bbbbbbbb2: {} },
    );
    expect(words).toEqual(['place g.service on bbbbbbbb: global: runs on every machine that may run it']);
    expect(refusals).toEqual({
      'a.service': 'stays until aaaaaaaa has reported it, though machine is draining',
    });
  });

  it('is brought up to date where it is', () => {
    expect(placing({ 'a.service': { ...unseen, oldHash: 'x' } }).words).toEqual([
      'update a.service on aaaaaaaa: unit file replaced',
    ]);
  });

  it('keeps away what would replace it or is in conflict with it', () => {
    const { words, refusals } = placing(
      {
        ...{ 'new.service': { fleet: ['Replaces=a.service'] }, 'a.service': unseen },
        ...{ 'foe.service': { fleet: ['Conflicts=b.service'] }, 'b.service': { ...unseen, destroyed: true } },
      },
      { aaaaaaaa1: {} },
    );
    expect(words).toEqual([]);
    expect(refusals).toEqual({
      'foe.service': 'pending: 0 of 1 machine: 1 conflicts with b.service',
      'new.service': 'pending: 0 of 1 machine: 1 waits: no report yet of a.service',
    });
  });

  it('is not placed anew beside what it was', () => {
    const ceased = placing({ 'a.service': { ...unseen, global: true } });
    expect([ceased.words, ceased.refusals]).toEqual([
      [],
      { 'a.service': 'pending: 0 of 3 machines: 3 wait: no report yet of a.service on aaaaaaaa' },
    ]);
    const became = placing({ 'a.service': { ...unseen, fleet: ['Global=true'] } });
    expect(became.placements).toEqual(['a.service aaaaaaaa1', 'a.service bbbbbbbb2', 'a.service cccccccc3']);
    expect(became.words).toHaveLength(2);
    expect(became.refusals).toEqual({
      'a.service': 'runs on 2 of 3 machines: 1 waits: no report yet of a.service on aaaaaaaa',
    });
  });

  it('goes the way of everything else when the machine is lost', () => {
    const lost = { aaaaaaaa1: { gone: true }, bbbbbbbb2: {} };
    expect(placing({ 'a.service': unseen, 'b.service': { ...unseen, destroyed: true } }, lost).homes).toEqual(
      {
        'a.service': 'bbbbbbbb2',
      },
    );
  });
});

describe('what a live machine has reported before it heard of the placement', () => {
  it.each<[string, UnitSketch]>([
    ['destroyed', { destroyed: true }],
    ['unloaded', { target: 'inactive' }],
    ['on a machine it may not be on any more', { fleet: ['MachineID=bbbbbbbb2'] }],
    ['moved by hand', { move: null }],
  ])('does not take it away: %s', (_, change) => {
    const units = { 'a.service': { on: ['aaaaaaaa1'], ...change } };
    expect(placing({ 'a.service': { ...units['a.service'], stale: true } }).words).toEqual([]);
    expect(placing(units).words).not.toEqual([]);
  });
});

describe('the stop bound of an assignment', () => {
  const STOP_5 = { convoy: ['OnPartition=stop'], service: ['TimeoutStopSec=5s'] };
  /** The bound that is written when the unit is as sketched and was assigned with this one. */
  function written(change: UnitSketch, stopBoundMs: number | null) {
    const snapshot = sketch({ machines: THREE, units: { 'a.service': { on: ['aaaaaaaa1'], ...change } } });
    const assignment = snapshot.assigned.get('a.service') as Assignment;
    const assigned = new Map([['a.service', { ...assignment, stopBoundMs }]]);
    const { decisions } = place({ ...snapshot, assigned });
    const after = apply({ ...snapshot, assigned }, decisions).assigned.get('a.service');
    expect(after?.created).toBe(assignment.created);
    return after?.stopBoundMs;
  }

  it.each<[string, UnitSketch, number | null, number | null]>([
    [
      'stays when it is shorter now and the machine has not reported that',
      { ...STOP_5, oldHash: 'x' },
      20_000,
      20_000,
    ],
    ['stays when the machine has not heard of it', { ...STOP_5, stale: true }, 20_000, 20_000],
    ['stays endless until then', { ...STOP_5, oldHash: 'x' }, null, null],
    ['is lowered once that is reported', STOP_5, 20_000, 10_000],
    ['ends once that is reported', STOP_5, null, 10_000],
    ['is raised at once', { ...STOP_5, oldHash: 'x' }, 4_000, 10_000],
    ['is endless at once', { oldHash: 'x' }, 10_000, null],
  ])('%s', (_, change, before, after) => {
    expect(written(change, before)).toBe(after);
  });

  it('is endless where the unit is placed while another content of it is there', () => {
    const units = { 'a.service': STOP_5 };
    const bare = sketch({ machines: THREE, units });
    expect(place(bare).decisions).toMatchObject([{ kind: 'place', stopBoundMs: 10_000 }]);
    const snapshot = sketch({
      machines: THREE,
      units: { 'a.service': { ...STOP_5, reported: ['aaaaaaaa1'] } },
    });
    const state = snapshot.states.get('aaaaaaaa1')?.get('a.service') as UnitState;
    const states = new Map([['aaaaaaaa1', new Map([['a.service', { ...state, hash: 'x' }]])]]);
    expect(place({ ...snapshot, states }).decisions).toMatchObject([{ kind: 'place', stopBoundMs: null }]);
  });
});

describe('a unit that may still be stopping out of sight', () => {
  const hold = (units: Sketches, machines: ClusterSketch['machines']) => {
    const holds = { machines: new Map(), units: new Map([['a.service', 'it may still be stopping']]) };
    const { decisions, refusals } = place(sketch({ machines, units }), { ...NO_MEMORY, holds });
    return { words: decisions.map(inWords), refusals: Object.fromEntries(refusals) };
  };
  const lost = { aaaaaaaa1: { gone: true }, bbbbbbbb2: {} };

  it.each<[string, UnitSketch]>([
    ['assigned to a machine that was given up', { on: ['aaaaaaaa1'] }],
    ['not assigned any more', {}],
  ])('is not placed: %s', (_, unit) => {
    expect(hold({ 'a.service': unit }, lost)).toEqual({
      words: [],
      refusals: { 'a.service': 'pending: it may still be stopping' },
    });
  });

  it.each<[string, UnitSketch]>([
    ['destroyed', { destroyed: true }],
    ['unloaded', { target: 'inactive' }],
    ['moved by hand', { convoy: ['Sticky=yes'], move: null }],
  ])('keeps its assignment: %s', (_, change) => {
    expect(hold({ 'a.service': { on: ['aaaaaaaa1'], ...change } }, lost).words).toEqual([]);
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
