import { kindOf } from '../runtime/errors.js';
import { CALL_SECONDS, type Meter, TASK_SECONDS } from '../runtime/meter.js';
import type { Outcome } from './execute.js';

/** What an agent's loops count. */
export interface AgentMetrics {
  /** One look at the placements and the unit manager, and what follows from it, in ms. */
  reconciled(ms: number): void;
  settled(outcome: Outcome): void;
}

/** What is read of the agent when somebody asks. */
export interface Presence {
  /** How long this machine may still count on its lease, in ms; 0 or less: it may not. */
  readonly heldMs: number;
  readonly joined: boolean;
  readonly hold: string | null;
}

export function agentMetrics(meter: Meter, presence: () => Presence): AgentMetrics {
  const duration = meter.histogram({
    name: 'convoy_agent_reconcile_duration_seconds',
    help: 'One look of the agent at its placements and at the unit manager; the tasks that follow are not in it.',
    buckets: CALL_SECONDS,
  });
  const tasks = meter.counter({
    name: 'convoy_agent_tasks_total',
    help: 'Tasks of the agent by what came of them: done, failed, aborted.',
    labels: ['kind', 'outcome'],
  });
  const taskSeconds = meter.histogram({
    name: 'convoy_agent_task_duration_seconds',
    help: 'From the begin of a task to its end, whatever that was.',
    labels: ['kind'],
    buckets: TASK_SECONDS,
  });
  const gauge = (name: string, help: string, value: (now: Presence) => number): void =>
    meter.reading('gauge', { name, help }, () => [{ labels: {}, value: value(presence()) }]);
  gauge(
    'convoy_lease_held',
    '1 while this machine is joined and its lease was renewed in time, else 0.',
    ({ joined, heldMs }) => Number(joined && heldMs > 0),
  );
  gauge(
    'convoy_lease_trusted_seconds',
    'What is left of the time for which this machine may count on its lease; 0: nothing.',
    ({ heldMs }) => Math.max(0, heldMs) / 1000,
  );
  gauge(
    'convoy_hold',
    '1 while this machine touches nothing, because the registry is not the one it knew, else 0.',
    ({ hold }) => Number(hold !== null),
  );

  return {
    reconciled: (ms) => duration({}, ms / 1000),
    settled({ task: { kind }, error, ms }) {
      tasks({
        kind,
        outcome: error === undefined ? 'done' : kindOf(error) === 'aborted' ? 'aborted' : 'failed',
      });
      taskSeconds({ kind }, ms / 1000);
    },
  };
}
