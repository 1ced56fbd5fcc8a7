import type { ApiContext } from './context.js';
import { Pager } from './page.js';
import { type Route, refuse } from './route.js';
import { machinesToWire, type WireMachine } from './wire.js';

/** Fleet's `/machines`: live machines with their metadata. */
export function fleetMachineRoutes({ registry }: ApiContext, prefix: string): Route[] {
  const pager = new Pager<WireMachine>();
  return [
    {
      dialect: 'fleet',
      path: `${prefix}/machines`,
      otherMethods: 'only GET and PATCH supported against this resource',
      methods: {
        async GET(call) {
          const { rows, next } = await pager.page(call, 'machines', async () => {
            const { machines, known } = await registry.readMachines(call.signal);
            return machinesToWire(machines, known);
          });
          return {
            status: 200,
            json: {
              ...(rows.length === 0 ? {} : { machines: rows }),
              ...(next === undefined ? {} : { nextPageToken: next }),
            },
          };
        },
        async PATCH() {
          throw refuse(501, 'not-implemented', 'this version does not change metadata over the API');
        },
      },
    },
  ];
}
