import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterSnapshot } from '../../../registry/model.js';
import { apply } from '../../../scheduler/decision.js';
import { NO_MEMORY, place } from '../../../scheduler/place.js';
import { planRebalance } from '../../../scheduler/rebalance.js';
import { whyNot } from '../../../units/eligibility.js';
import { type ClusterSketch, settled, sketch, type UnitSketch } from './cluster.js';
import { twinCluster } from './twin.js';

const seed = Number(process.env.TEST_SEED ?? 20260101);
const numRuns = Number(process.env.TEST_RUNS ?? 300);

const THREE = { aaaaaaaa1: {}, bbbbbbbb2: {}, cccccccc3: {} };
const onFirst = (count: number, more: UnitSketch = {}, name = 'u'): Record<string, UnitSketch> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, at) => [`${name}${at}.service`, { on: ['aaaaaaaa1'], ...more }]),
  );
const plan = (units: Record<string, UnitSketch>, machines: ClusterSketch['machines'] = THREE) =>
  planRebalance(sketch({ machines, units })).map(({ unit, to, why }) => `${unit} ${to.slice(0, 1)}: ${why}`);

const az = fc.constantFrom('a', 'b');
const machine = fc.record({
  metadata: fc.record({ az }, { requiredKeys: [] }),
  cordoned: fc.constantFrom(false, false, false, false, true),
  draining: fc.constantFrom(false, false, false, false, false, true),
});
const unit = fc.record({
  on: fc.constantFrom(['aaaaaaaa1'], ['aaaaaaaa1'], ['bbbbbbbb2'], []),
  fleet: fc.constantFrom(
    ...[[], [], [], ['Conflicts=web@[12].service'], ['Replaces=db.service'], ['MachineMetadata=az=a']],
    ...[['MachineOf=db.service'], ['Global=true']],
  ),
});
const options = fc.constantFrom(
  ['Spread=az'],
  ['Spread=az'],
  [],
  ['Require=az!=b'],
  ['Prefer=az=a'],
  ['Sticky=yes'],
);

/** Clusters with most units on one machine. */
const crowded: fc.Arbitrary<ClusterSketch> = fc
  .record({
    machines: fc.tuple(machine, machine, machine, machine),
    units: fc.array(fc.tuple(unit, options), { minLength: 10, maxLength: 10 }),
  })
  .map(({ machines, units }) => ({
    machines: Object.fromEntries(
      ['aaaaaaaa1', 'bbbbbbbb2', 'cccccccc3', 'dddddddd4'].map((id, at) => [id, machines[at] ?? {}]),
    ),
    units: Object.fromEntries(
      units.map(([sketchOf, convoy], at) => {
        const global = sketchOf.fleet.includes('Global=true');
        const chooses = sketchOf.fleet.length === 0;
        const name = at === 9 ? 'db.service' : `web@${at}.service`;
        const asks = at === 9 || !chooses ? convoy.filter((line) => line.startsWith('Require')) : convoy;
        return [name, { ...sketchOf, convoy: asks, global }];
      }),
    ),
  }));

/** The cluster once a move has been carried out. */
function moved(snapshot: ClusterSnapshot, unit: string, to: string): ClusterSnapshot {
  const assignment = snapshot.assigned.get(unit);
  const record = snapshot.units.get(unit);
  if (assignment === undefined || record === undefined) throw new Error(`${unit} is nowhere`);
  const move = { assignment: assignment.created, to };
  let now: ClusterSnapshot = {
    ...snapshot,
    units: new Map([...snapshot.units, [unit, { ...record, move }]]),
  };
  let memory = NO_MEMORY;
  for (let look = 0; look < 4; look++) {
    const { decisions, transfers } = place(now, memory);
    const mine = decisions.filter((decision) => decision.unit === unit && decision.kind !== 'update');
    now = settled(apply(now, mine));
    memory = { ...memory, transfers };
  }
  return now;
}

describe('planRebalance', () => {
  it('needs no more moves than there are units too many', () => {
    expect(plan(onFirst(5))).toEqual([
      'u0.service b: 5 units on aaaaaaaa, 0 on bbbbbbbb',
      'u1.service c: 4 units on aaaaaaaa, 0 on cccccccc',
      'u2.service b: 3 units on aaaaaaaa, 1 on bbbbbbbb',
    ]);
    expect(plan(onFirst(1))).toEqual([]);
    expect(
      plan({ ...onFirst(2), 'b.service': { on: ['bbbbbbbb2'] }, 'c.service': { on: ['cccccccc3'] } }),
    ).toEqual([]);
  });

  it('leaves alone what is sticky, global, pinned, with peers, or on its way', () => {
    const on = ['aaaaaaaa1'];
    const movable: Record<string, UnitSketch> = {
      'sticky.service': { on, convoy: ['Sticky=yes'] },
      'global.service': { on, global: true, fleet: ['Global=true'] },
      'pinned.service': { on, fleet: ['MachineID=aaaaaaaa'] },
      'ping.service': { on },
      'pong.service': { on, fleet: ['MachineOf=ping.service'] },
      'going.service': { on, move: null },
    };
    expect(plan(movable)).toEqual([]);
    expect(plan({ ...movable, 'z.service': { on, target: 'loaded' } })).toEqual([
      'z.service b: 7 units on aaaaaaaa, 0 on bbbbbbbb',
    ]);
  });

  it('keeps constraints, and off cordoned and draining machines', () => {
    const machines = { aaaaaaaa1: {}, bbbbbbbb2: { cordoned: true }, cccccccc3: { draining: true } };
    expect(plan(onFirst(4), machines)).toEqual([]);
    expect(
      plan(onFirst(4, { convoy: ['Require=az=a'] }), { ...THREE, aaaaaaaa1: { metadata: { az: 'a' } } }),
    ).toEqual([]);
    expect(
      plan(onFirst(4, { fleet: ['Conflicts=x.service'] }, 'u'), { aaaaaaaa1: {}, bbbbbbbb2: {} }),
    ).toHaveLength(2);
    const foes = { ...onFirst(4, { fleet: ['Conflicts=x.service'] }), 'x.service': { on: ['bbbbbbbb2'] } };
    expect(plan(foes, { aaaaaaaa1: {}, bbbbbbbb2: {} })).toEqual([]);
    const failed = onFirst(4, { convoy: ['MoveAfterFailures=2'], failedOn: ['bbbbbbbb2'] });
    expect(plan(failed, { aaaaaaaa1: {}, bbbbbbbb2: {} })).toEqual([]);
  });

  it('evens out zones where machines have as many units or one more', () => {
    const machines = {
      ...{ aaaaaaaa1: { metadata: { az: 'a' } }, bbbbbbbb2: { metadata: { az: 'b' } } },
    };
    const spread = { on: ['aaaaaaaa1'], convoy: ['Spread=az'] };
    expect(
      plan(
        { 'web@1.service': spread, 'web@2.service': spread, 'x.service': { on: ['bbbbbbbb2'] } },
        machines,
      ),
    ).toEqual(['web@1.service b: 2 more of web@ in az=a than in az=b']);
    expect(
      plan(
        { 'web@1.service': spread, 'x.service': { on: ['aaaaaaaa1'] }, 'y.service': { on: ['aaaaaaaa1'] } },
        machines,
      ),
    ).toEqual(['web@1.service b: 3 units on aaaaaaaa, 0 on bbbbbbbb']);
  });

  it('ends in a cluster that is legal, no less even, and needs no second plan', () => {
    const counts = (snapshot: ClusterSnapshot): number[] =>
      [...snapshot.machines.keys()]
        .filter((id) => !snapshot.known.get(id)?.cordoned && !snapshot.known.get(id)?.draining)
        .map((id) => twinCluster(snapshot).taken.filter(({ machine }) => machine === id).length);
    const gap = (numbers: number[]): number =>
      Math.max(0, ...numbers) - Math.min(...numbers, Number.MAX_VALUE);
    let planned = 0;
    fc.assert(
      fc.property(crowded, (cluster) => {
        // From rest: what a leader has left to do is none of the plan's business.
        let snapshot = sketch(cluster);
        let memory = NO_MEMORY;
        for (let look = 0; look < 30; look++) {
          const { decisions, transfers } = place(snapshot, memory);
          if (decisions.length === 0) break;
          memory = { ...memory, transfers };
          snapshot = settled(apply(snapshot, decisions));
        }
        const { decisions, refusals } = place(snapshot, memory);
        expect(decisions).toEqual([]);
        // A unit that waits for a place may take one that a move frees, or the very one a later move is to have.
        if ([...refusals.values()].some((words) => words.startsWith('pending'))) return;
        const moves = planRebalance(snapshot);
        planned += moves.length;
        for (const { unit, from, to } of moves) {
          const before = counts(snapshot);
          expect(snapshot.assigned.get(unit)?.machine).toBe(from);
          const twin = twinCluster(snapshot);
          const candidate = twin.candidates.get(to);
          const others = twin.taken.filter((seat) => seat.unit !== unit);
          expect(candidate && whyNot(twin.unit(unit), candidate, twin.neighbours(to, others))).toBeNull();
          snapshot = moved(snapshot, unit, to);
          expect(snapshot.assigned.get(unit)?.machine).toBe(to);
          expect(gap(counts(snapshot))).toBeLessThanOrEqual(gap(before));
        }
        expect(planRebalance(snapshot)).toEqual([]);
      }),
      { seed, numRuns },
    );
    expect(planned).toBeGreaterThan(numRuns / 4);
  });
});
