import * as v from 'valibot';
import type { ApiContext } from './context.js';
import { listed, operation, resource } from './operation.js';
import { type Call, param, type Route } from './route.js';
import { listOf, ServiceEntry } from './schemas.js';

/** Service discovery: where each service answers right now. An unknown service has no instances. */
export function serviceRoutes({ registry }: ApiContext): Route[] {
  const answer = listed(v.strictObject({ services: listOf(ServiceEntry) }));
  const found = async (call: Call, service?: string) => {
    const { services, revision } = await registry.readServices(service, call.signal);
    return { json: { services }, revision };
  };
  const list = operation({
    id: 'listServices',
    summary: 'Where each service answers right now; by service, unit, machine.',
    ...{ role: 'unit', answer, errors: [] },
    handle: (call) => found(call),
  });
  const read = operation({
    id: 'readService',
    summary: 'Where one service answers right now; nowhere, if there is no such service.',
    ...{ role: 'unit', answer, errors: [] },
    handle: (call) => found(call, param(call, 'name')),
  });
  return [resource('/v1/services', { GET: list }), resource('/v1/services/:name', { GET: read })];
}
