import type { ApiContext } from './context.js';
import { param, type Route } from './route.js';
import type { ServiceList } from './wire.js';

/** Service discovery: where each service answers right now. An unknown service has no instances. */
export function serviceRoutes({ registry }: ApiContext): Route[] {
  const otherMethods = 'services can only be read (GET)';
  return [
    {
      dialect: 'native',
      path: '/v1/services',
      otherMethods,
      roles: { GET: 'unit' },
      methods: {
        async GET(call) {
          const json: ServiceList = { services: await registry.readServices(undefined, call.signal) };
          return { status: 200, json };
        },
      },
    },
    {
      dialect: 'native',
      path: '/v1/services/:name',
      otherMethods,
      roles: { GET: 'unit' },
      methods: {
        async GET(call) {
          const json: ServiceList = {
            services: await registry.readServices(param(call, 'name'), call.signal),
          };
          return { status: 200, json };
        },
      },
    },
  ];
}
