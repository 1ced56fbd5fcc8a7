import * as v from 'valibot';
import type { ApiContext } from './context.js';
import { json, operation, resource } from './operation.js';
import { param, type Route } from './route.js';
import { listOf, ServiceEntry } from './schemas.js';

/** Service discovery: where each service answers right now. An unknown service has no instances. */
export function serviceRoutes({ registry }: ApiContext): Route[] {
  const answer = json(v.strictObject({ services: listOf(ServiceEntry) }));
  const list = operation({
    id: 'listServices',
    summary: 'Where each service answers right now; by service, unit, machine.',
    ...{ role: 'unit', answer, errors: [] },
    handle: async (call) => ({ services: await registry.readServices(undefined, call.signal) }),
  });
  const read = operation({
    id: 'readService',
    summary: 'Where one service answers right now; nowhere, if there is no such service.',
    ...{ role: 'unit', answer, errors: [] },
    handle: async (call) => ({ services: await registry.readServices(param(call, 'name'), call.signal) }),
  });
  return [resource('/v1/services', { GET: list }), resource('/v1/services/:name', { GET: read })];
}
