import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterSnapshot } from '../../../registry/model.js';
import { apply } from '../../../scheduler/decision.js';
import { place } from '../../../scheduler/place.js';
import { Tally, whyNot } from '../../../units/eligibility.js';
import { sketch } from './cluster.js';
import { randomCluster } from './random-cluster.js';
import { twinCluster, twinPlace } from './twin.js';

const seed = Number(process.env.TEST_SEED ?? 20260101);
const runs = Number(process.env.TEST_RUNS ?? 1000);

/** Checks a law on random clusters; a failure prints the seed and the smallest cluster that breaks it. */
function law(check: (snapshot: ClusterSnapshot, held: Map<string, string>) => void): void {
  fc.assert(
    fc.property(randomCluster, ({ cluster, held }) => check(sketch(cluster), held)),
    { seed, numRuns: runs },
  );
}

function afterwards(snapshot: ClusterSnapshot, held: Map<string, string>): ClusterSnapshot {
  return place(snapshot, held).decisions.reduce(apply, snapshot);
}

function seatsOf(snapshot: ClusterSnapshot): string[] {
  return twinCluster(snapshot)
    .taken.map(({ unit, machine }) => `${unit} ${machine}`)
    .sort();
}

describe('place', () => {
  it('agrees with the plain twin', () => {
    law((snapshot, held) => {
      expect(seatsOf(afterwards(snapshot, held))).toEqual(twinPlace(snapshot, held));
    });
  });

  it('gives the same answer whatever the order of keys', () => {
    const backwards = <T>(map: ReadonlyMap<string, T>): Map<string, T> => new Map([...map].reverse());
    law((snapshot, held) => {
      const turned: ClusterSnapshot = {
        revision: snapshot.revision,
        units: backwards(snapshot.units),
        machines: backwards(snapshot.machines),
        known: backwards(snapshot.known),
        assigned: backwards(snapshot.assigned),
        placements: backwards(new Map([...snapshot.placements].map(([id, rows]) => [id, backwards(rows)]))),
        states: backwards(new Map([...snapshot.states].map(([id, rows]) => [id, backwards(rows)]))),
      };
      const one = place(snapshot, held);
      const other = place(turned, backwards(held));
      expect(other.decisions).toEqual(one.decisions);
      expect([...other.refusals]).toEqual([...one.refusals]);
    });
  });

  it('has nothing more to do once its answer has been carried out', () => {
    law((snapshot, held) => {
      expect(place(afterwards(snapshot, held), held).decisions).toEqual([]);
    });
  });

  it('leaves only eligible seats, but for what nothing moves', () => {
    law((snapshot, held) => {
      const after = twinCluster(afterwards(snapshot, held));
      for (const { unit, machine } of after.taken) {
        const candidate = after.candidates.get(machine);
        const known = after.wanted.get(unit);
        expect(known, `${unit} is wanted`).toBeDefined();
        if (known === undefined || known.constraints.sticky) continue;
        if (candidate === undefined) {
          expect(held.has(machine), `${machine} is held`).toBe(true);
          continue;
        }
        const neighbours = after.neighbours(machine, after.taken);
        expect(whyNot(known, { ...candidate, cordoned: false }, neighbours)).toBeNull();
      }
    });
  });

  it('places only where the unit may come to, and no unit twice', () => {
    law((snapshot, held) => {
      const { decisions } = place(snapshot, held);
      const after = twinCluster(decisions.reduce(apply, snapshot));
      for (const { kind, unit, machine } of decisions) {
        if (kind !== 'place') continue;
        const others = after.taken.filter((seat) => seat.unit !== unit || seat.machine !== machine);
        const candidate = after.candidates.get(machine);
        expect(candidate && after.refusal(after.unit(unit), candidate, others)).toBeNull();
      }
      const single = after.taken.filter(({ unit }) => !after.unit(unit).constraints.global);
      expect(new Set(single.map(({ unit }) => unit)).size).toBe(single.length);
    });
  });

  it('never moves a legal placement that nothing replaces', () => {
    law((snapshot, held) => {
      const before = twinCluster(snapshot);
      const leaving = new Set(
        place(snapshot, held).decisions.flatMap(({ kind, unit, machine }) =>
          kind === 'unplace' ? [`${unit} ${machine}`] : [],
        ),
      );
      const asked = before.taken.filter(({ unit }) => before.wanted.has(unit));
      for (const { unit, machine, assigned } of asked) {
        const known = before.unit(unit);
        const candidate = before.candidates.get(machine);
        const replaced = [...before.wanted.keys()].some((other) => before.replaces(other, unit));
        const { global, peers } = known.constraints;
        if (candidate === undefined || replaced || peers.length > 0 || global === assigned) continue;
        if (whyNot(known, { ...candidate, cordoned: false }, before.neighbours(machine, asked)) === null)
          expect([...leaving]).not.toContain(`${unit} ${machine}`);
      }
    });
  });

  it('has a refusal for every machine of each unit that has no place', () => {
    law((snapshot, held) => {
      const { decisions, refusals } = place(snapshot, held);
      const after = twinCluster(decisions.reduce(apply, snapshot));
      for (const [name, unit] of after.wanted) {
        const seats = after.taken.filter((seat) => seat.unit === name);
        if (seats.length > 0 || (after.candidates.size === 0 && unit.constraints.global)) continue;
        const tally = new Tally();
        for (const machine of after.candidates.values()) {
          const refusal = after.refusal(unit, machine, after.taken);
          expect(refusal, `${machine.id} refuses ${name}`).not.toBeNull();
          if (refusal !== null) tally.add(refusal);
        }
        expect(refusals.get(name)).toBe(`pending: ${tally.summary()}`);
      }
    });
  });
});
