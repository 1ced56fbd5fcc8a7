import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { UnitRelations } from '../../../agent/service-settings.js';
import {
  blockersOf,
  conflictsOf,
  installed,
  type Job,
  startedWith,
  stoppedWith,
} from '../../../agent/supervisor/order.js';

const NONE: UnitRelations = {
  after: [],
  before: [],
  requires: [],
  wants: [],
  bindsTo: [],
  partOf: [],
  conflicts: [],
  wantedBy: [],
  requiredBy: [],
};
let count = 0;
const job = (unit: string, kind: Job['kind'], relations: Partial<UnitRelations> = {}): Job => ({
  unit,
  kind,
  relations: { ...NONE, ...relations },
  number: count++,
});
const units = (table: Record<string, Partial<UnitRelations>>) =>
  new Map(Object.entries(table).map(([name, relations]) => [name, { ...NONE, ...relations }]));
const waitsFor = (one: Job, ...others: Job[]): string[] =>
  blockersOf(one, [one, ...others]).map(({ unit }) => unit);

describe('order of jobs', () => {
  test('starts go in order, by After= of one or Before= of the other', () => {
    expect(waitsFor(job('b', 'start', { after: ['a'] }), job('a', 'start'))).toEqual(['a']);
    expect(waitsFor(job('b', 'start'), job('a', 'start', { before: ['b'] }))).toEqual(['a']);
    expect(waitsFor(job('a', 'start', { before: ['b'] }), job('b', 'start'))).toEqual([]);
    expect(waitsFor(job('a', 'start', { requires: ['b'] }), job('b', 'start'))).toEqual([]);
  });

  test('stops go in reverse', () => {
    expect(waitsFor(job('a', 'stop'), job('b', 'stop', { after: ['a'] }))).toEqual(['b']);
    expect(waitsFor(job('b', 'stop', { after: ['a'] }), job('a', 'stop'))).toEqual([]);
  });

  test('a start waits for a stop it is ordered with, or conflicts with; never the other way round', () => {
    expect(waitsFor(job('b', 'start', { after: ['a'] }), job('a', 'stop'))).toEqual(['a']);
    expect(waitsFor(job('a', 'start'), job('b', 'stop', { after: ['a'] }))).toEqual(['b']);
    expect(waitsFor(job('a', 'start', { conflicts: ['b'] }), job('b', 'stop'))).toEqual(['b']);
    expect(waitsFor(job('a', 'start'), job('b', 'stop'))).toEqual([]);
    expect(waitsFor(job('a', 'stop', { after: ['b'] }), job('b', 'start'))).toEqual([]);
  });

  test('jobs of one unit go one after another, but a stop cuts a start short', () => {
    const [stop, start, again] = [job('a', 'stop'), job('a', 'start'), job('a', 'stop')];
    expect(waitsFor(start, stop)).toEqual(['a']);
    expect(waitsFor(stop, start)).toEqual([]);
    expect(waitsFor(again, start)).toEqual([]);
  });

  test('whatever the relations, some job can always go', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const names = fc.uniqueArray(name, { maxLength: 3 });
    const relations = fc.record({ after: names, before: names, conflicts: names });
    const jobs = fc.array(fc.tuple(name, fc.constantFrom('start' as const, 'stop' as const), relations), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(jobs, (rows) => {
        const left = rows.map(([unit, kind, more]) => job(unit, kind, more));
        while (left.length > 0) {
          const free = left.findIndex((one) => blockersOf(one, left).length === 0);
          expect(free).toBeGreaterThanOrEqual(0);
          left.splice(free, 1);
        }
      }),
      { seed: Number(process.env.TEST_SEED ?? 42), verbose: true },
    );
  });
});

describe('what goes along', () => {
  const table = units({
    app: { requires: ['db'], wants: ['cache', 'nowhere'] },
    db: { bindsTo: ['disk'] },
    disk: {},
    cache: {},
    tail: { partOf: ['app'] },
    lone: { requires: ['missing'], conflicts: ['cache'] },
  });

  test('a start brings what is required and wanted, all the way down', () => {
    expect(startedWith('app', table)).toEqual({ names: ['db', 'cache', 'disk'], missing: [] });
    expect(startedWith('lone', table)).toEqual({ names: [], missing: ['missing'] });
  });

  test('a stop takes along what requires it, is bound to it or part of it', () => {
    expect(stoppedWith('disk', table)).toEqual(['db', 'app', 'tail']);
    expect(stoppedWith('cache', table)).toEqual([]);
  });

  test('what [Install] says of others is as if they said it', () => {
    const said = installed(
      units({
        app: { wants: ['cache'] },
        cache: {},
        mate: { wantedBy: ['app', 'multi-user.target'] },
        log: { requiredBy: ['app'] },
      }),
    );
    expect(said.get('app')).toMatchObject({ wants: ['cache', 'mate'], requires: ['log'] });
    expect(startedWith('app', said).names.sort()).toEqual(['cache', 'log', 'mate']);
    expect(stoppedWith('log', said)).toEqual(['app']);
    expect(said.has('multi-user.target')).toBe(false);
  });

  test('conflicts hold both ways', () => {
    expect(conflictsOf('lone', table)).toEqual(['cache']);
    expect(conflictsOf('cache', table)).toEqual(['lone']);
  });
});
