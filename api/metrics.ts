import { CALL_SECONDS, type Meter } from '../runtime/meter.js';
import { PROMETHEUS_TEXT } from '../runtime/prometheus.js';
import type { ApiContext } from './context.js';
import type { Route } from './route.js';

/** `/metrics`: all that this convoyd counts, in Prometheus's text. The same on every address, also without a registry. */
export function metricsRoutes({ meter }: ApiContext): Route[] {
  return [
    {
      dialect: 'native',
      path: '/metrics',
      otherMethods: 'metrics can only be read (GET)',
      roles: { GET: 'unit' },
      methods: { GET: async () => ({ status: 200, lines: once(await meter.text()), type: PROMETHEUS_TEXT }) },
    },
  ];
}

async function* once(text: string): AsyncGenerator<string> {
  yield text.trimEnd();
}

/** One request that is over. `route`: the path of its route, with `:name` where that has a parameter. */
export interface Answered {
  readonly route: string | null;
  readonly method: string;
  /** Null: the caller went before there was any. */
  readonly status: number | null;
  /** Until the answer began. */
  readonly ms: number;
}

const METHODS = new Set(['GET', 'PUT', 'POST', 'DELETE', 'PATCH']);

/** Counts requests. What a caller makes up (paths, methods) is told as `none` and `other`. */
export function apiMetrics(meter: Meter): (answered: Answered) => void {
  const seconds = meter.histogram({
    name: 'convoy_api_request_duration_seconds',
    help: 'From a request to the begin of its answer, by the path of its route; status gone: nobody waited for it.',
    labels: ['route', 'method', 'status'],
    buckets: CALL_SECONDS,
  });
  return ({ route, method, status, ms }) =>
    seconds(
      {
        route: route ?? 'none',
        method: METHODS.has(method) ? method : 'other',
        status: status === null ? 'gone' : String(status),
      },
      ms / 1000,
    );
}
