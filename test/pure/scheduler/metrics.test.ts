import { expect, test } from 'vitest';
import type { ClusterSnapshot, Decision } from '../../../registry/model.js';
import { prometheusMeter } from '../../../runtime/prometheus.js';
import { WHY } from '../../../scheduler/decision.js';
import { type Leadership, schedulerMetrics } from '../../../scheduler/metrics.js';
import { parseMetrics, sample } from '../../support/prometheus-text.js';

const NOT_LEADING: Leadership = { since: null, pending: new Map(), frozen: null };

/** As much of a cluster as is looked at: what is wanted of units, and which machines are there. */
const cluster = (target: string, machines: readonly string[]) =>
  ({
    units: new Map([['a.service', { target }]]),
    machines: new Map(machines.map((id) => [id, {}])),
  }) as unknown as ClusterSnapshot;
const leaves = (why: string) => ({ kind: 'unplace', unit: 'a.service', machine: 'm', why }) as Decision;

test.each([
  ['its machine went away', 'launched', [], WHY.machineGone('m'), 1, 0],
  ['its machine may not run it any more', 'launched', ['m'], 'machine lacks az=a', 0, 1],
  ['it was moved by hand', 'launched', ['m'], WHY.moved, 0, 0],
  ['it is not wanted any more', 'inactive', ['m'], WHY.inactive, 0, 0],
])('a unit that leaves because %s', async (_, target, machines, why, away, run) => {
  const meter = prometheusMeter();
  const metrics = schedulerMetrics(meter, () => NOT_LEADING);
  metrics.decided(cluster(target, machines), leaves(why), 'committed');
  const told = parseMetrics(await meter.text());
  const failures = (type: string) =>
    sample(told, `fleet_engine_reconcile_failure_count_total{type="${type}"}`);
  expect([failures('machine_away'), failures('run'), failures('schedule')]).toEqual([away, run, 0]);
  expect(sample(told, 'fleet_engine_task_count_total{type="unscheduleunit"}')).toBe(1);
  expect(sample(told, 'fleet_engine_task_failure_count_total{type="unscheduleunit"}')).toBe(0);
});

test.each(['stale', 'deposed', 'failed'] as const)(
  'what is %s is a task that failed, and no unit that did',
  async (outcome) => {
    const meter = prometheusMeter();
    const metrics = schedulerMetrics(meter, () => NOT_LEADING);
    metrics.decided(cluster('launched', []), leaves(WHY.machineGone('m')), outcome);
    const told = parseMetrics(await meter.text());
    expect(sample(told, 'fleet_engine_task_failure_count_total{type="unscheduleunit"}')).toBe(1);
    expect(sample(told, 'fleet_engine_reconcile_failure_count_total{type="machine_away"}')).toBe(0);
    expect(sample(told, `convoy_scheduler_decisions_total{kind="unplace",outcome="${outcome}"}`)).toBe(1);
  },
);

test('who leads tells since when, what is pending and whether evictions stand still', async () => {
  let now: Leadership = NOT_LEADING;
  const meter = prometheusMeter();
  schedulerMetrics(meter, () => now);
  const before = parseMetrics(await meter.text());
  expect([...(before.get('convoy_pending_units')?.samples ?? [])]).toEqual([]);
  expect(sample(before, 'fleet_engine_leader_start_time')).toBe(0);
  now = {
    since: 5_000,
    pending: new Map([
      ['a.service', 'conflict'],
      ['b.service', 'conflict'],
      ['c.service', 'no-machine'],
    ]),
    frozen: 'too many machines are missing',
  };
  // Twice: fleet added the time up with every look.
  await meter.text();
  const told = parseMetrics(await meter.text());
  expect(sample(told, 'fleet_engine_leader_start_time')).toBe(5);
  expect(sample(told, 'convoy_leader')).toBe(1);
  expect(sample(told, 'convoy_evictions_frozen')).toBe(1);
  expect(sample(told, 'convoy_pending_units{reason="conflict"}')).toBe(2);
  expect(sample(told, 'convoy_pending_units{reason="no-machine"}')).toBe(1);
  expect(sample(told, 'convoy_pending_units{reason="metadata"}')).toBe(0);
});
