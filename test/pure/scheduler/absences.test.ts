import { describe, expect, it } from 'vitest';
import {
  type AbsenceReport,
  type Absences,
  NO_ABSENCES,
  watchAbsences,
} from '../../../scheduler/absences.js';
import { type MachineSketch, sketch, type UnitSketch } from './cluster.js';

const GRACE_MS = 5000;
const ids = (count: number): string[] => Array.from({ length: count }, (_, n) => `machine${n + 1}`);

/** `count` machines with a unit each; those in `gone` are away. */
function look(
  count: number,
  gone: readonly string[],
  now: number,
  before: Absences = NO_ABSENCES,
  more: MachineSketch = {},
): AbsenceReport {
  const machines = Object.fromEntries(
    ids(count).map((id) => [id, gone.includes(id) ? { gone: true, ...more } : {}]),
  );
  const units = Object.fromEntries(ids(count).map((id) => [`on-${id}.service`, { on: [id] }]));
  return watchAbsences(sketch({ machines, units }), before, now, GRACE_MS);
}

describe('watchAbsences', () => {
  it('holds a machine for the grace, says when it ends, then gives it up', () => {
    const first = look(3, ['machine2'], 1000);
    expect(first).toMatchObject({ evicted: [], frozen: null, nextDue: 6000 });
    expect([...first.holds.machines.keys()]).toEqual(['machine2']);
    const later = look(3, ['machine2'], 5999, first.absences);
    expect(later).toMatchObject({ evicted: [], nextDue: 6000 });
    const last = look(3, ['machine2'], 6000, later.absences);
    expect(last).toMatchObject({ evicted: ['machine2'], frozen: null, nextDue: null });
    expect(last.holds.machines.size).toBe(0);
  });

  it('starts anew when a machine has been back', () => {
    const first = look(3, ['machine2'], 1000);
    const back = look(3, [], 4000, first.absences);
    expect(look(3, ['machine2'], 7000, back.absences)).toMatchObject({ evicted: [], nextDue: 12_000 });
  });

  it('takes no notice of machines that hold nothing', () => {
    const snapshot = sketch({ machines: { machine1: { gone: true }, machine2: {} }, units: {} });
    expect(watchAbsences(snapshot, NO_ABSENCES, 1000, GRACE_MS)).toMatchObject({
      nextDue: null,
      frozen: null,
    });
  });

  it.each([
    [3, 2, false],
    [3, 3, true],
    [8, 3, true],
    [9, 3, false],
    [9, 4, true],
    [1000, 333, false],
    [1000, 334, true],
  ])('of %d machines, %d missing: frozen is %j', (count, missing, frozen) => {
    const gone = ids(count).slice(0, missing);
    const report = look(count, gone, 6000, look(count, gone, 1000).absences);
    expect(report.frozen !== null).toBe(frozen);
    expect(report.evicted).toHaveLength(frozen ? 0 : missing);
    expect(report.holds.machines.size).toBe(frozen ? missing : 0);
  });

  it('counts those given up in the last ten minutes, once each, and forgets them then', () => {
    let absences = look(6, ['machine1', 'machine2'], 0).absences;
    let report = look(6, ['machine1', 'machine2'], GRACE_MS, absences);
    expect(report.evicted).toEqual(['machine1', 'machine2']);
    absences = look(6, ['machine3'], 10_000, report.absences).absences;
    report = look(6, ['machine3'], 15_000, absences);
    expect(report).toMatchObject({ evicted: [], frozen: expect.stringContaining('3 of 6 machines') });
    report = look(6, ['machine3'], 604_999, report.absences);
    expect(report.frozen).not.toBeNull();
    report = look(6, ['machine3'], 605_000, report.absences);
    expect(report).toMatchObject({ evicted: [], frozen: null, nextDue: 610_000 });
    report = look(6, ['machine3'], 610_000, report.absences);
    expect(report).toMatchObject({ evicted: ['machine3'], frozen: null });
  });

  it('does not count those that were given up and then forgotten', () => {
    const gone = ['machine1', 'machine2'];
    let report = look(6, gone, GRACE_MS, look(6, gone, 0).absences);
    report = look(6, ['machine3'], 15_000, look(6, ['machine3'], 10_000, report.absences).absences);
    expect(report.frozen).not.toBeNull();
    const machines = { machine3: { gone: true }, machine4: {}, machine5: {}, machine6: {} };
    const snapshot = sketch({ machines, units: { 'on-3.service': { on: ['machine3'] } } });
    report = watchAbsences(snapshot, report.absences, 16_000, GRACE_MS);
    expect(report).toMatchObject({ evicted: [], frozen: null, nextDue: 21_000 });
    report = watchAbsences(snapshot, report.absences, 21_000, GRACE_MS);
    expect(report).toMatchObject({ evicted: ['machine3'], frozen: null });
  });

  it('gives the rest their grace once more when a freeze is over: they come back one after another', () => {
    let report = look(6, ['machine1', 'machine2', 'machine3'], 0);
    report = look(6, ['machine1', 'machine2', 'machine3'], 60_000, report.absences);
    expect(report.frozen).not.toBeNull();
    report = look(6, ['machine2', 'machine3'], 70_000, report.absences);
    expect(report).toMatchObject({ evicted: [], frozen: null, nextDue: 75_000 });
    report = look(6, ['machine3'], 72_000, report.absences);
    expect(report).toMatchObject({ evicted: [], frozen: null, nextDue: 75_000 });
    report = look(6, ['machine3'], 75_000, report.absences);
    expect(report).toMatchObject({ evicted: ['machine3'], frozen: null });
  });

  it('gives up a draining machine even while evictions are frozen', () => {
    const machines = Object.fromEntries(ids(6).map((id, at) => [id, { gone: at < 4, draining: at === 0 }]));
    const units = Object.fromEntries(ids(6).map((id) => [`on-${id}.service`, { on: [id] }]));
    const snapshot = sketch({ machines, units });
    const { absences } = watchAbsences(snapshot, NO_ABSENCES, 1000, GRACE_MS);
    const report = watchAbsences(snapshot, absences, 6000, GRACE_MS);
    expect(report).toMatchObject({
      evicted: ['machine1'],
      frozen: expect.stringContaining('3 of 6 machines'),
    });
    expect([...report.holds.machines.keys()]).toEqual(['machine2', 'machine3', 'machine4']);
  });

  it('does not count machines that are draining', () => {
    const gone = ids(3);
    const before = look(4, gone, 1000, NO_ABSENCES, { draining: true }).absences;
    expect(look(4, gone, 6000, before, { draining: true })).toMatchObject({ evicted: gone, frozen: null });
  });

  it('does not wait for machines that left or were given up, nor count them, even while it is frozen', () => {
    const state = (at: number): MachineSketch => ({
      ...(at < 5 ? { gone: true } : {}),
      ...(at === 0 ? { away: 'left' } : at === 1 ? { away: 'evicted' } : {}),
    });
    const machines = Object.fromEntries(ids(8).map((id, at) => [id, state(at)]));
    const units = Object.fromEntries(ids(8).map((id) => [`on-${id}.service`, { on: [id] }]));
    const snapshot = sketch({ machines, units });
    const first = watchAbsences(snapshot, NO_ABSENCES, 1000, GRACE_MS);
    expect(first).toMatchObject({ evicted: ['machine1', 'machine2'], frozen: null, nextDue: 6000 });
    const later = watchAbsences(snapshot, first.absences, 6000, GRACE_MS);
    expect(later.evicted).toEqual(['machine1', 'machine2']);
    expect(later.frozen).toBe(
      '3 of 8 machines are missing or were given up in the last ten minutes: nothing is moved until they return, or `convoyctl evict MACHINE` gives them up',
    );
    expect([...later.absences.evictedAt]).toEqual([]);
  });
});

describe('units with OnPartition=stop', () => {
  const stop = (seconds: number): UnitSketch => ({
    convoy: ['OnPartition=stop'],
    service: [`TimeoutStopSec=${seconds}s`],
  });
  const [here, there, gone] = [{}, {}, { gone: true }];
  const watch = (
    machines: Record<string, MachineSketch>,
    units: Record<string, UnitSketch>,
    now: number,
    before: Absences = NO_ABSENCES,
  ): AbsenceReport => watchAbsences(sketch({ machines, units }), before, now, GRACE_MS);
  const held = ({ holds }: AbsenceReport): Record<string, string> => Object.fromEntries(holds.units);

  it('wait for the stop and two seconds after their machine was missed, longer than the grace', () => {
    const units = { 'a.service': { ...stop(10), on: ['machine1'] }, 'b.service': { on: ['machine1'] } };
    const first = watch({ machine1: gone, machine2: there }, units, 1000);
    expect(first).toMatchObject({ nextDue: 6000, evicted: [] });
    const second = watch({ machine1: gone, machine2: there }, units, 6000, first.absences);
    expect(second).toMatchObject({ nextDue: 23_000, evicted: ['machine1'] });
    expect(held(second)).toEqual({
      'a.service':
        'machine machine1 went away and may still be stopping it (OnPartition=stop): placed elsewhere 22 s after it was missed',
    });
    const third = watch({ machine1: gone, machine2: there }, units, 23_000, second.absences);
    expect([held(third), third.nextDue]).toEqual([{}, null]);
  });

  it('wait when the operator gives the machine up, not when it left in order', () => {
    const units = { 'a.service': { ...stop(10), on: ['machine1'] } };
    const evicted = watch({ machine1: { ...gone, away: 'evicted' }, machine2: there }, units, 1000);
    expect([evicted.evicted, Object.keys(held(evicted)), evicted.nextDue]).toEqual([
      ...[['machine1'], ['a.service'], 23_000],
    ]);
    const left = watch({ machine1: { ...gone, away: 'left' }, machine2: there }, units, 1000);
    expect([left.evicted, held(left), left.nextDue]).toEqual([['machine1'], {}, null]);
  });

  it('wait as long when they are destroyed, or were to leave the machine just then', () => {
    const placed = { 'a.service': { ...stop(10), on: ['machine1'] } };
    const leaving = { 'a.service': { ...stop(10), reported: ['machine1'] } };
    const stopped = { 'a.service': stop(10) };
    const first = watch({ machine1: here, machine2: there }, placed, 0);
    const second = watch({ machine1: here, machine2: there }, leaving, 1000, first.absences);
    expect(held(second)).toEqual({});
    const third = watch({ machine1: gone, machine2: there }, stopped, 2000, second.absences);
    expect([Object.keys(held(third)), third.nextDue]).toEqual([['a.service'], 24_000]);
    const destroyed = watch({ machine1: gone, machine2: there }, {}, 3000, third.absences);
    expect(held(destroyed)).toEqual({});
    const anew = watch({ machine1: gone, machine2: there }, stopped, 4000, destroyed.absences);
    expect([held(anew), anew.nextDue]).toEqual([held(third), 24_000]);
    const after = watch({ machine1: gone, machine2: there }, stopped, 24_000, third.absences);
    expect([held(after), after.absences.leaseBound?.size]).toEqual([{}, 0]);
    const quick = watch({ machine1: here, machine2: there }, stopped, 1500, second.absences);
    expect(held(watch({ machine1: gone, machine2: there }, stopped, 2000, quick.absences))).toEqual({});
  });

  it('wait for a new leader that does not know where they were, if any machine is missing', () => {
    const units = { 'a.service': stop(10), 'b.service': {}, 'c.service': { ...stop(5), on: ['machine2'] } };
    const first = watch({ machine1: gone, machine2: there }, units, 1000);
    expect(held(first)).toEqual({
      'a.service':
        'a machine is missing and may still be stopping it (OnPartition=stop): placed 22 s after the leader’s election',
    });
    expect(first.nextDue).toBe(23_000);
    const later = watch(
      { machine1: gone, machine2: there },
      { ...units, 'd.service': stop(10) },
      2000,
      first.absences,
    );
    expect(Object.keys(held(later))).toEqual(['a.service']);
    expect(held(watch({ machine1: gone, machine2: there }, units, 23_000, later.absences))).toEqual({});
    expect(held(watch({ machine1: here, machine2: there }, units, 1000))).toEqual({});
    expect(held(watch({ machine1: { ...gone, away: 'left' }, machine2: there }, units, 1000))).toEqual({});
  });

  it('do not wait any more once the machine is back', () => {
    const units = { 'a.service': { ...stop(10), on: ['machine1'] } };
    const first = watch({ machine1: gone, machine2: there }, units, 1000);
    const back = watch({ machine1: here, machine2: there }, units, 2000, first.absences);
    expect(held(back)).toEqual({});
    expect(watch({ machine1: gone, machine2: there }, units, 20_000, back.absences).nextDue).toBe(25_000);
  });
});
