import { conditionRoutes } from './condition.js';
import type { ApiContext } from './context.js';
import { eventRoutes } from './events.js';
import { DISCOVERY } from './fleet-discovery.js';
import { fleetMachineRoutes } from './fleet-machines.js';
import { fleetStateRoutes } from './fleet-state.js';
import { fleetUnitRoutes } from './fleet-units.js';
import { healthRoutes } from './health.js';
import { leaderRoutes } from './leader.js';
import { machineRoutes } from './machines.js';
import { metricsRoutes } from './metrics.js';
import { openApiRoutes } from './openapi.js';
import { Pager } from './page.js';
import { placementRoutes } from './placements.js';
import { rebalanceRoutes } from './rebalance.js';
import { rejoinRoutes } from './rejoin.js';
import { reloadRoutes } from './reload.js';
import type { Route } from './route.js';
import { serviceRoutes } from './services.js';
import { unitLogRoutes } from './unit-log.js';
import { unitRoutes } from './units.js';
import { whyRoutes } from './why.js';

/** Fleet's own prefix and the one of its first versions: the same resources. */
const FLEET_PREFIXES = ['/fleet/v1', '/v1-alpha'];

/** The whole API. */
export function allRoutes(context: ApiContext): Route[] {
  const pager = new Pager(context.clock);
  const routes: Route[] = [
    ...FLEET_PREFIXES.flatMap((prefix): Route[] => [
      ...fleetMachineRoutes(context, prefix, pager),
      ...fleetUnitRoutes(context, prefix, pager),
      ...fleetStateRoutes(context, prefix, pager),
      {
        dialect: 'fleet',
        path: `${prefix}/discovery`,
        otherMethods: 'only HTTP GET supported against this resource',
        otherStatus: 400,
        methods: { GET: async () => ({ status: 200, json: DISCOVERY }) },
      },
    ]),
    ...['/', ...FLEET_PREFIXES].map(
      (path): Route => ({ dialect: 'fleet', path, otherMethods: '', methods: {} }),
    ),
    ...unitRoutes(context),
    ...unitLogRoutes(context),
    ...whyRoutes(context),
    ...reloadRoutes(context),
    ...placementRoutes(context),
    ...eventRoutes(context),
    ...machineRoutes(context),
    ...conditionRoutes(context),
    ...leaderRoutes(context),
    ...rebalanceRoutes(context),
    ...rejoinRoutes(context),
    ...serviceRoutes(context),
    ...healthRoutes(context),
    ...metricsRoutes(context),
  ];
  return openApiRoutes(routes, context.version);
}

export interface Match {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** The route of a decoded path. A parameter is one part of it: never empty, never with a slash. */
export function matchRoute(routes: readonly Route[], path: string): Match | null {
  const parts = path.split('/');
  for (const route of routes) {
    const wanted = route.path.split('/');
    if (wanted.length !== parts.length) continue;
    const params: Record<string, string> = {};
    const fits = wanted.every((want, at) => {
      const part = parts[at] ?? '';
      if (!want.startsWith(':')) return want === part;
      params[want.slice(1)] = part;
      return part !== '';
    });
    if (fits) return { route, params };
  }
  return null;
}

/** The path a careful client would have sent: no empty, `.` or `..` parts; a final slash is kept. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  const final = path.endsWith('/') && parts.length > 0 ? '/' : '';
  return `/${parts.join('/')}${final}`;
}
