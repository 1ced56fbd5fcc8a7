import { expect, test } from 'vitest';
import { agentMetrics } from '../../../agent/metrics.js';
import { aborted, permanent } from '../../../runtime/errors.js';
import { prometheusMeter } from '../../../runtime/prometheus.js';
import { parseMetrics, sample } from '../../support/prometheus-text.js';

test.each([
  [{ joined: true, heldMs: 2500, hold: null }, [1, 2.5, 0]],
  [{ joined: true, heldMs: -10, hold: null }, [0, 0, 0]],
  [{ joined: false, heldMs: 2500, hold: null }, [0, 2.5, 0]],
  [{ joined: true, heldMs: 1000, hold: 'etcd holds another cluster' }, [1, 1, 1]],
])('lease and hold of %j', async (presence, expected) => {
  const meter = prometheusMeter();
  agentMetrics(meter, () => presence);
  const told = parseMetrics(await meter.text());
  const names = ['convoy_lease_held', 'convoy_lease_trusted_seconds', 'convoy_hold'];
  expect(names.map((name) => sample(told, name))).toEqual(expected);
});

test('tasks by what came of them', async () => {
  const meter = prometheusMeter();
  const metrics = agentMetrics(meter, () => ({ joined: true, heldMs: 1, hold: null }));
  const task = { kind: 'stop', unit: 'a.service', why: '' } as const;
  metrics.settled({ task, ms: 20 });
  metrics.settled({ task, ms: 20, error: permanent('it would not stop') });
  metrics.settled({ task, ms: 20, error: aborted('overtaken') });
  const told = parseMetrics(await meter.text());
  for (const outcome of ['done', 'failed', 'aborted'])
    expect(sample(told, `convoy_agent_tasks_total{kind="stop",outcome="${outcome}"}`)).toBe(1);
  expect(sample(told, 'convoy_agent_task_duration_seconds_count{kind="stop"}')).toBe(3);
  expect(sample(told, 'convoy_agent_task_duration_seconds_sum{kind="stop"}')).toBeCloseTo(0.06);
});
