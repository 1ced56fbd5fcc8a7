import type { Clock } from '../runtime/clock.js';
import { ConvoyError } from '../runtime/errors.js';
import { CALL_SECONDS, type Meter } from '../runtime/meter.js';
import type { OnEtcdCall } from './etcd-meter.js';
import type { Registry } from './registry.js';

/** Counts what is said to etcd, by kind of call. */
export function etcdMetrics(meter: Meter): OnEtcdCall {
  const calls = meter.counter({
    name: 'convoy_etcd_requests_total',
    help: 'Calls to etcd that were answered (ok) or failed, and messages that came over a watch.',
    labels: ['operation', 'outcome'],
  });
  const bytes = meter.counter({
    name: 'convoy_etcd_bytes_total',
    help: 'Length of the messages to (out) and from (in) etcd, without gRPC and TLS around them.',
    labels: ['operation', 'direction'],
  });
  const seconds = meter.histogram({
    name: 'convoy_etcd_request_duration_seconds',
    help: 'From a call to its answer or failure, connecting included.',
    labels: ['operation'],
    buckets: CALL_SECONDS,
  });
  return ({ operation, ms, ok, bytesIn, bytesOut }) => {
    calls({ operation, outcome: ok ? 'ok' : 'failed' });
    bytes({ operation, direction: 'in' }, bytesIn);
    bytes({ operation, direction: 'out' }, bytesOut);
    if (ms !== null) seconds({ operation }, ms / 1000);
  };
}

/** What fleet's metrics call the operations of a registry. */
const FLEET_TYPES = {
  readUnit: 'get',
  readStates: 'get',
  readLeader: 'get',
  readAll: 'get_all',
  readAllStates: 'get_all',
  readMachines: 'get_all',
  readServices: 'get_all',
  submitUnit: 'set',
  writeUnits: 'set',
  setTargetState: 'set',
  requestRestart: 'set',
  requestMove: 'set',
  destroyUnit: 'set',
  changeMachine: 'set',
  patchMetadata: 'set',
  forgetMachine: 'set',
  evictMachine: 'set',
  commit: 'set',
} as const satisfies Partial<Record<keyof Registry, string>>;

/** The same registry, its operations counted as fleet counted them. A refusal is an answer, not a failure. */
export function withFleetMetrics(registry: Registry, meter: Meter, clock: Clock): Registry {
  const count = meter.counter({
    name: 'fleet_registry_operation_count_total',
    help: 'Operations on the registry.',
    labels: ['type'],
  });
  const failures = meter.counter({
    name: 'fleet_registry_operation_failed_count_total',
    help: 'Operations that the registry did not answer.',
    labels: ['type'],
  });
  const seconds = meter.histogram({
    name: 'fleet_registry_operation_duration_second',
    help: 'How long operations on the registry took, in seconds.',
    labels: ['ops'],
    buckets: CALL_SECONDS,
  });
  for (const type of new Set(Object.values(FLEET_TYPES))) {
    count({ type }, 0);
    failures({ type }, 0);
  }

  async function counted<T>(type: string, operation: () => Promise<T>): Promise<T> {
    const startedAt = clock.steady();
    count({ type });
    try {
      return await operation();
    } catch (error) {
      if (!(error instanceof ConvoyError) || error.kind === 'transient') failures({ type });
      throw error;
    } finally {
      seconds({ ops: type }, (clock.steady() - startedAt) / 1000);
    }
  }

  const operations = Object.entries(FLEET_TYPES).map(([name, type]) => {
    const operation = registry[name as keyof typeof FLEET_TYPES] as (...given: unknown[]) => Promise<unknown>;
    return [name, (...given: unknown[]) => counted(type, () => operation(...given))] as const;
  });
  return { ...registry, ...(Object.fromEntries(operations) as Pick<Registry, keyof typeof FLEET_TYPES>) };
}
