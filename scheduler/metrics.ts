import type { ClusterSnapshot, Decision } from '../registry/model.js';
import { CALL_SECONDS, type Meter, TASK_SECONDS } from '../runtime/meter.js';
import { WHY } from './decision.js';
import { PENDING_REASONS, type PendingReason } from './place.js';

/** What came of a decision: `failed` is of all that were to be written when the write itself broke. */
export type DecisionOutcome = 'committed' | 'stale' | 'deposed' | 'failed';

/** What the leader's loop counts. Names with `fleet_` are those of fleet's engine, and mean what it said they mean. */
export interface SchedulerMetrics {
  /** One look with a decision at its end, in ms. */
  reconciled(ms: number): void;
  decided(snapshot: ClusterSnapshot, decision: Decision, outcome: DecisionOutcome): void;
  /** From the change of a unit's record to the commit that acts on it, in ms. */
  scheduled(ms: number): void;
  /** Units that run nowhere since this look. */
  unplaceable(count: number): void;
}

/** What is read of the scheduler when somebody asks. */
export interface Leadership {
  /** ms since the epoch; null while this machine does not lead. */
  readonly since: number | null;
  readonly pending: ReadonlyMap<string, PendingReason>;
  readonly frozen: string | null;
}

/** fleet knew no other tasks: what stays where it is and is only told of a change was not the engine's matter. */
const FLEET_TASK = { place: 'attemptscheduleunit', unplace: 'unscheduleunit', update: null } as const;

export function schedulerMetrics(meter: Meter, leadership: () => Leadership): SchedulerMetrics {
  const latency = meter.histogram({
    name: 'convoy_scheduling_latency_seconds',
    help: 'From the change of a unit, as the leader hears of it, to the commit of its placement.',
    buckets: TASK_SECONDS,
  });
  const duration = meter.histogram({
    name: 'convoy_scheduler_reconcile_duration_seconds',
    help: 'One look of the leader at the cluster, its decision and the writes that follow.',
    buckets: CALL_SECONDS,
  });
  const decisions = meter.counter({
    name: 'convoy_scheduler_decisions_total',
    help: 'Decisions of the leader and what came of them: committed, stale (something changed), deposed, failed.',
    labels: ['kind', 'outcome'],
  });
  const tasks = meter.counter({
    name: 'fleet_engine_task_count_total',
    help: 'Placements tried and taken back by the engine.',
    labels: ['type'],
  });
  const failedTasks = meter.counter({
    name: 'fleet_engine_task_failure_count_total',
    help: 'Those of them that could not be written.',
    labels: ['type'],
  });
  const reconciles = meter.counter({
    name: 'fleet_engine_reconcile_count_total',
    help: 'Times the engine has worked out where units should be.',
  });
  const fleetDuration = meter.histogram({
    name: 'fleet_engine_reconcile_duration_second',
    help: 'How long that took, writes included, in seconds.',
    buckets: CALL_SECONDS,
  });
  const failures = meter.counter({
    name: 'fleet_engine_reconcile_failure_count_total',
    help: 'Units whose machine went away (machine_away), may not run them any more (run), or that no machine takes (schedule).',
    labels: ['type'],
  });
  for (const type of ['machine_away', 'run', 'schedule']) failures({ type }, 0);
  for (const type of [FLEET_TASK.place, FLEET_TASK.unplace]) {
    tasks({ type }, 0);
    failedTasks({ type }, 0);
  }
  const one = (value: number) => [{ labels: {}, value }];
  meter.reading(
    'gauge',
    {
      name: 'fleet_engine_leader_start_time',
      help: 'When this machine became the leader, in seconds since the Unix epoch; 0 while it does not lead.',
    },
    () => one((leadership().since ?? 0) / 1000),
  );
  meter.reading('gauge', { name: 'convoy_leader', help: '1 while this machine leads, else 0.' }, () =>
    one(leadership().since === null ? 0 : 1),
  );
  meter.reading(
    'gauge',
    {
      name: 'convoy_evictions_frozen',
      help: '1 while the leader moves no units of missing machines, because too many are missing, else 0.',
    },
    () => one(leadership().frozen === null ? 0 : 1),
  );
  meter.reading(
    'gauge',
    {
      name: 'convoy_pending_units',
      help: 'Units that should run and run nowhere, by what stands in the way; told by the leader only.',
      labels: ['reason'],
    },
    () => {
      const { since, pending } = leadership();
      if (since === null) return [];
      const reasons = [...pending.values()];
      return PENDING_REASONS.map((reason) => ({
        labels: { reason },
        value: reasons.filter((other) => other === reason).length,
      }));
    },
  );

  return {
    reconciled(ms) {
      reconciles({});
      duration({}, ms / 1000);
      fleetDuration({}, ms / 1000);
    },
    decided(snapshot, decision, outcome) {
      const { kind } = decision;
      decisions({ kind, outcome });
      const type = FLEET_TASK[kind];
      if (type === null) return;
      tasks({ type });
      if (outcome !== 'committed') failedTasks({ type });
      else if (kind === 'unplace') {
        const why = whyFailed(snapshot, decision);
        if (why !== null) failures({ type: why });
      }
    },
    scheduled: (ms) => latency({}, ms / 1000),
    unplaceable: (count) => failures({ type: 'schedule' }, count),
  };
}

/** Why a unit that is still wanted had to leave, as fleet counted it; null if nothing failed. */
function whyFailed({ machines, units }: ClusterSnapshot, decision: Decision): 'machine_away' | 'run' | null {
  const { unit, machine, why } = decision;
  const target = units.get(unit)?.target ?? 'inactive';
  if (target === 'inactive' || why === WHY.moved || why === WHY.becameGlobal) return null;
  return machines.has(machine) ? 'run' : 'machine_away';
}
