import type { ErrorKind } from '../runtime/errors.js';
import type { Count, Labels, Meter, Observe } from '../runtime/meter.js';
import type { Side } from './environment.js';
import type { Location } from './location.js';

/** Whose store it is, and what kind of location it is at: labels, each of a closed set. */
export interface MeteredAs {
  readonly side: Side | 'other';
  readonly kind: Location['kind'];
}

/**
 * Asked once for a store that is opened: what hears how many ms each attempt took, whatever came of it, but for those that
 * were broken off here.
 */
export type LatencyOf = (side: Side, kind: Location['kind']) => (ms: number) => void;

type Outcome = 'ok' | Exclude<ErrorKind, 'conflict'>;

interface StoreMetrics {
  readonly seconds: Observe<'side' | 'kind' | 'operation' | 'outcome'>;
  readonly bytes: Count<'side' | 'kind' | 'operation'>;
}

/** What one store's operations are counted with. */
export interface StoreCounts {
  seconds(operation: string, outcome: Outcome, seconds: number): void;
  bytes(operation: string, bytes: number): void;
}

/** From a file on a near disk to a store that times out. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** A program opens many stores; a meter gives out each name once. */
const declared = new WeakMap<Meter, StoreMetrics>();

function metricsOf(meter: Meter): StoreMetrics {
  const known = declared.get(meter);
  if (known !== undefined) return known;
  const made: StoreMetrics = {
    seconds: meter.histogram({
      name: 'convoy_zh_store_seconds',
      help: 'Requests to a store, each attempt by itself, by how long they took.',
      labels: ['side', 'kind', 'operation', 'outcome'],
      buckets: SECONDS,
    }),
    bytes: meter.counter({
      name: 'convoy_zh_store_bytes_total',
      help: 'Bytes of objects read from and written to a store.',
      labels: ['side', 'kind', 'operation'],
    }),
  };
  declared.set(meter, made);
  return made;
}

type Timed = Labels<'side' | 'kind' | 'operation' | 'outcome'>;

/** The labels of all series of an operation, made once: they are needed with every tile. */
interface OperationLabels extends Readonly<Record<Outcome, Timed>> {
  readonly plain: Labels<'side' | 'kind' | 'operation'>;
}

export function storeCounts(meter: Meter, { side, kind }: MeteredAs, latencyOf?: LatencyOf): StoreCounts {
  const hear = side === 'other' ? undefined : latencyOf?.(side, kind);
  const metrics = metricsOf(meter);
  const labels = new Map<string, OperationLabels>();

  function labelsOf(operation: string): OperationLabels {
    const known = labels.get(operation);
    if (known !== undefined) return known;
    const plain = { side, kind, operation };
    const timed = (outcome: Outcome): Timed => ({ ...plain, outcome });
    const made = {
      ...{ plain, ok: timed('ok'), aborted: timed('aborted') },
      ...{ transient: timed('transient'), permanent: timed('permanent') },
    };
    labels.set(operation, made);
    return made;
  }

  return {
    seconds(operation, outcome, seconds) {
      metrics.seconds(labelsOf(operation)[outcome], seconds);
      if (outcome !== 'aborted') hear?.(seconds * 1000);
    },
    bytes: (operation, bytes) => metrics.bytes(labelsOf(operation).plain, bytes),
  };
}
