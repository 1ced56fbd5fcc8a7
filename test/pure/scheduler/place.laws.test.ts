import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterSnapshot, Decision, UnitState } from '../../../registry/model.js';
import { apply } from '../../../scheduler/decision.js';
import { type Memory, place } from '../../../scheduler/place.js';
import { Tally, whyNot } from '../../../units/eligibility.js';
import { settled, sketch } from './cluster.js';
import { randomCluster } from './random-cluster.js';
import { type TwinSeat, twinCluster, twinPlace } from './twin.js';

const seed = Number(process.env.TEST_SEED ?? 20260101);
const runs = Number(process.env.TEST_RUNS ?? 1000);

/** Checks a law on random clusters; a failure prints the seed and the smallest cluster that breaks it. */
function law(check: (snapshot: ClusterSnapshot, memory: Memory) => void): void {
  fc.assert(
    fc.property(randomCluster, ({ cluster, memory }) => check(sketch(cluster), memory)),
    { seed, numRuns: runs },
  );
}

function afterwards(snapshot: ClusterSnapshot, memory: Memory): ClusterSnapshot {
  return apply(snapshot, place(snapshot, memory).decisions);
}

function seatsOf(snapshot: ClusterSnapshot): string[] {
  return twinCluster(snapshot)
    .taken.map(({ unit, machine }) => `${unit} ${machine}`)
    .sort();
}

/** The cluster with a report of everything that has just been placed. */
function reported(snapshot: ClusterSnapshot, decisions: readonly Decision[]): ClusterSnapshot {
  const placed = new Set(
    decisions.flatMap(({ kind, unit, machine }) => (kind === 'place' ? [`${unit} ${machine}`] : [])),
  );
  const { states } = settled(snapshot);
  const rows = [...snapshot.machines.keys()].map((machine): [string, Map<string, UnitState>] => [
    machine,
    new Map([
      ...(snapshot.states.get(machine) ?? []),
      ...[...(states.get(machine) ?? [])].filter(([unit]) => placed.has(`${unit} ${machine}`)),
    ]),
  ]);
  return { ...snapshot, states: new Map(rows) };
}

/** All seats but those of units that became global, or ceased to be, and cannot be taken away yet. */
function sitting({ taken, leaving, wanted }: ReturnType<typeof twinCluster>): TwinSeat[] {
  return taken.filter((seat) => !leaving.includes(seat) || !wanted.has(seat.unit));
}

describe('place', () => {
  it('agrees with the plain twin', () => {
    law((snapshot, memory) => {
      expect(seatsOf(afterwards(snapshot, memory))).toEqual(twinPlace(snapshot, memory));
    });
  });

  it('gives the same answer whatever the order of keys', () => {
    const backwards = <T>(map: ReadonlyMap<string, T>): Map<string, T> => new Map([...map].reverse());
    law((snapshot, memory) => {
      const turned: ClusterSnapshot = {
        revision: snapshot.revision,
        units: backwards(snapshot.units),
        machines: backwards(snapshot.machines),
        known: backwards(snapshot.known),
        assigned: backwards(snapshot.assigned),
        placements: backwards(new Map([...snapshot.placements].map(([id, rows]) => [id, backwards(rows)]))),
        states: backwards(new Map([...snapshot.states].map(([id, rows]) => [id, backwards(rows)]))),
      };
      const one = place(snapshot, memory);
      const other = place(turned, {
        holds: { machines: backwards(memory.holds.machines), units: backwards(memory.holds.units) },
        transfers: backwards(memory.transfers),
      });
      expect(other.decisions).toEqual(one.decisions);
      expect([...other.refusals]).toEqual([...one.refusals]);
    });
  });

  it('has nothing more to do once its answer has been carried out', () => {
    law((snapshot, memory) => {
      const { transfers } = place(snapshot, memory);
      expect(place(afterwards(snapshot, memory), { ...memory, transfers }).decisions).toEqual([]);
    });
  });

  it('leaves only eligible seats, but for what nothing moves', () => {
    law((snapshot, memory) => {
      const after = twinCluster(afterwards(snapshot, memory));
      for (const seat of after.taken) {
        const { unit, machine } = seat;
        const candidate = after.candidates.get(machine);
        const known = after.wanted.get(unit);
        if (after.isUnreported(seat) || memory.holds.units.has(unit)) continue;
        expect(known, `${unit} is wanted`).toBeDefined();
        if (known === undefined || known.constraints.sticky) continue;
        if (candidate === undefined) {
          expect(memory.holds.machines.has(machine), `${machine} is held`).toBe(true);
          continue;
        }
        // What is not reported yet stays in spite of everything, and the others do not suffer for it.
        const reported = after.taken.filter((other) => !after.isUnreported(other));
        const { has } = after.neighbours(machine, after.taken);
        const neighbours = { ...after.neighbours(machine, reported), has };
        expect(whyNot(known, { ...candidate, cordoned: false }, neighbours)).toBeNull();
      }
    });
  });

  it('places only where the unit may come to, and no unit twice', () => {
    law((snapshot, memory) => {
      const { decisions, transfers } = place(snapshot, memory);
      const after = twinCluster(apply(snapshot, decisions));
      for (const { kind, unit, machine, global } of decisions) {
        if (kind !== 'place') continue;
        const others = sitting(after).filter((seat) => seat.unit !== unit || seat.machine !== machine);
        const candidate = after.candidates.get(machine);
        const moves = transfers.has(unit);
        expect(candidate && after.refusal(after.unit(unit), candidate, others, moves)).toBeNull();
        expect([...memory.holds.units.keys()].filter((held) => held === unit && !global)).toEqual([]);
      }
      for (const { kind, unit, global } of decisions)
        if (kind === 'place' && !global)
          expect(after.taken.filter((seat) => seat.unit === unit)).toHaveLength(1);
    });
  });

  it('never moves a legal placement that nothing replaces', () => {
    law((snapshot, memory) => {
      const before = twinCluster(snapshot);
      const leaving = new Set(
        place(snapshot, memory).decisions.flatMap(({ kind, unit, machine }) =>
          kind === 'unplace' ? [`${unit} ${machine}`] : [],
        ),
      );
      const asked = before.taken.filter(({ unit }) => before.wanted.has(unit));
      for (const { unit, machine, assigned } of asked) {
        const known = before.unit(unit);
        const candidate = before.candidates.get(machine);
        const replaced = [...before.wanted.keys()].some((other) => before.replaces(other, unit));
        const { global, peers } = known.constraints;
        const wish = before.wish(unit);
        if (wish?.machine === machine && (wish.move !== null || wish.failed)) continue;
        if (candidate === undefined || replaced || peers.length > 0 || global === assigned) continue;
        if (whyNot(known, { ...candidate, cordoned: false }, before.neighbours(machine, asked)) === null)
          expect([...leaving]).not.toContain(`${unit} ${machine}`);
      }
    });
  });

  it('has a refusal for every machine of each unit that has no place', () => {
    law((snapshot, memory) => {
      const { decisions, refusals, transfers } = place(snapshot, memory);
      const after = twinCluster(reported(apply(snapshot, decisions), decisions));
      for (const [name, unit] of after.wanted) {
        const seats = after.taken.filter((seat) => seat.unit === name);
        if (
          memory.holds.units.has(name) ||
          seats.length > 0 ||
          (after.candidates.size === 0 && unit.constraints.global)
        )
          continue;
        const tally = new Tally();
        for (const machine of after.candidates.values()) {
          const refusal = after.refusal(unit, machine, sitting(after), transfers.has(name));
          expect(refusal, `${machine.id} refuses ${name}`).not.toBeNull();
          if (refusal !== null) tally.add(refusal);
        }
        expect(refusals.get(name)).toBe(`pending: ${tally.summary()}`);
      }
    });
  });
});
