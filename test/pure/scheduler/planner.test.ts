import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterSnapshot } from '../../../registry/model.js';
import { apply } from '../../../scheduler/decision.js';
import { type Memory, NO_MEMORY, place } from '../../../scheduler/place.js';
import { Planner } from '../../../scheduler/planner.js';
import { type ClusterSketch, settled, sketch, type UnitSketch } from './cluster.js';
import { randomCluster } from './random-cluster.js';

const seed = Number(process.env.TEST_SEED ?? 20260101);
const numRuns = Number(process.env.TEST_RUNS ?? 300);

/** What happens to a cluster between two looks. */
type Event =
  | { readonly kind: 'carried out' | 'reported' | 'held differently' | 'nothing' }
  /** These units, and what is said of them, become as in the other cluster; with `machines`, all of these too. */
  | { readonly kind: 'changed'; readonly units: readonly number[]; readonly machines: boolean };

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Event>({ kind: 'carried out' }) },
  { weight: 2, arbitrary: fc.constant<Event>({ kind: 'reported' }) },
  { weight: 1, arbitrary: fc.constantFrom<Event>({ kind: 'held differently' }, { kind: 'nothing' }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('changed' as const),
      units: fc.array(fc.nat(7), { maxLength: 2 }),
      machines: fc.constantFrom(false, false, false, false, false, true),
    }),
  },
);

/** Half of the clusters are of units most of which have to do with no other, as in most real ones. */
const cluster = fc.tuple(randomCluster, fc.boolean(), fc.nat(7)).map(([random, loners, but]) => {
  if (!loners) return random;
  const units = Object.entries(random.cluster.units).map(([name, unit], at): [string, UnitSketch] => [
    name,
    at === but ? unit : { ...unit, fleet: onlyOwn(unit.fleet), convoy: onlyOwn(unit.convoy) },
  ]);
  return { ...random, cluster: { ...random.cluster, units: Object.fromEntries(units) } };
});
const onlyOwn = (lines: readonly string[] = []): string[] =>
  lines.filter((line) => !/^(Conflicts|Replaces|MachineOf|Spread)=/.test(line));

/** Rows get revisions of their own in each sketch: the same revision is the same row. */
function snapshotOf(cluster: ClusterSketch, from: number): ClusterSnapshot {
  const at = sketch(cluster);
  const later = <T extends { readonly revision: number }>(row: T): T => ({
    ...row,
    revision: row.revision + from,
  });
  return {
    ...at,
    units: mapped(at.units, (unit) => ({ ...unit, generation: unit.generation + from })),
    assigned: mapped(at.assigned, (row) => ({ ...later(row), created: row.created })),
    placements: mapped(at.placements, (rows) => mapped(rows, later)),
  };
}

function mapped<T>(rows: ReadonlyMap<string, T>, change: (row: T) => T): Map<string, T> {
  return new Map([...rows].map(([key, row]) => [key, change(row)]));
}

/** One cluster with some units as they are in another. */
function blended(one: ClusterSnapshot, other: ClusterSnapshot, names: readonly string[], machines: boolean) {
  const row = <T>(rows: ReadonlyMap<string, T>, others: ReadonlyMap<string, T>): Map<string, T> =>
    new Map([
      ...[...rows].filter(([name]) => !names.includes(name)),
      ...[...others].filter(([name]) => names.includes(name)),
    ]);
  const rows = <T>(
    all: ReadonlyMap<string, ReadonlyMap<string, T>>,
    others: ReadonlyMap<string, ReadonlyMap<string, T>>,
  ): Map<string, Map<string, T>> =>
    new Map(
      [...new Set([...all.keys(), ...others.keys()])]
        .map((id): [string, Map<string, T>] => [
          id,
          row(all.get(id) ?? new Map(), others.get(id) ?? new Map()),
        ])
        .filter(([, here]) => here.size > 0),
    );
  return {
    revision: one.revision + 1,
    machines: machines ? other.machines : one.machines,
    known: machines ? other.known : one.known,
    units: row(one.units, other.units),
    assigned: row(one.assigned, other.assigned),
    placements: rows(one.placements, other.placements),
    states: rows(one.states, other.states),
  };
}

describe('Planner', () => {
  it('answers after each of many changes as if it looked for the first time', () => {
    fc.assert(
      fc.property(cluster, cluster, fc.array(event, { minLength: 1, maxLength: 6 }), (one, other, events) => {
        const planner = new Planner();
        let now = sketch(one.cluster);
        const then = snapshotOf(other.cluster, 5000);
        const names = [...new Set([...now.units.keys(), ...then.units.keys()])].sort();
        let memory: Memory = one.memory;
        planner.place(now, memory);
        for (const happened of events) {
          const fresh = place(now, memory);
          if (happened.kind === 'carried out') now = apply(now, fresh.decisions);
          if (happened.kind === 'reported') now = settled(now);
          if (happened.kind === 'held differently') memory = { ...memory, holds: other.memory.holds };
          if (happened.kind === 'changed') {
            const some = happened.units.flatMap((at) => names[at] ?? []);
            now = blended(now, then, some, happened.machines);
          }
          memory = { ...memory, transfers: fresh.transfers };
          const expected = place(now, memory);
          const got = planner.place(now, memory);
          expect(got.decisions).toEqual(expected.decisions);
          expect([...got.refusals]).toEqual([...expected.refusals]);
          expect([...got.pending]).toEqual([...expected.pending]);
          expect(got.transfers).toEqual(expected.transfers);
        }
      }),
      { seed, numRuns },
    );
  });

  it('asks those again whom a unit that is gone stood in the way of', () => {
    const planner = new Planner();
    const at = sketch({
      machines: { aaaaaaaa1: {} },
      units: { 'a.service': { fleet: ['Conflicts=*'], on: ['aaaaaaaa1'] }, 'b.service': {} },
    });
    expect([...planner.place(at, NO_MEMORY).pending.keys()]).toEqual(['b.service']);
    const units = new Map([...at.units].filter(([name]) => name === 'b.service'));
    const gone = { ...at, units, assigned: new Map(), placements: new Map(), states: new Map() };
    expect(planner.place(gone, NO_MEMORY).decisions.map(({ unit }) => unit)).toEqual(['b.service']);
  });

  it('knows a cluster again in which nothing matters that has changed', () => {
    const planner = new Planner();
    const at = sketch({ machines: { aaaaaaaa1: {} }, units: { 'a.service': { on: ['aaaaaaaa1'] } } });
    expect(planner.isAsBefore(at)).toBe(false);
    planner.place(at, NO_MEMORY);
    expect(planner.isAsBefore({ ...at, revision: at.revision + 1 })).toBe(true);
    expect(planner.isAsBefore({ ...at, units: new Map() })).toBe(false);
  });
});
