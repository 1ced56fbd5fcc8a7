import type { ApiContext } from './context.js';
import type { Route } from './route.js';
import type { AcceptedRegistry, HoldReport } from './wire.js';

/** `/v1/rejoin`: whether this machine's convoyd holds, and the operator's word that the registry is the right one. */
export function rejoinRoutes({ registry, machineId, hold }: ApiContext): Route[] {
  return [
    {
      dialect: 'native',
      path: '/v1/rejoin',
      otherMethods: 'only GET (why it holds) and POST (accept the registry) here',
      roles: { POST: 'admin' },
      methods: {
        async GET() {
          const json: HoldReport = { machine: machineId, hold: hold() };
          return { status: 200, json };
        },
        async POST() {
          const { clusterId, revision } = await registry.accept();
          const json: AcceptedRegistry = { clusterId, revision };
          return { status: 200, json };
        },
      },
    },
  ];
}
