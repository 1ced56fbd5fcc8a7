import { describe, expect, it } from 'vitest';
import {
  type AbsenceReport,
  type Absences,
  NO_ABSENCES,
  watchAbsences,
} from '../../../scheduler/absences.js';
import { type MachineSketch, sketch } from './cluster.js';

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
});
