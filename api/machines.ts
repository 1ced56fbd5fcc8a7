import type { ApiContext } from './context.js';
import type { Route } from './route.js';
import { machinesToReport } from './wire.js';

/** `/v1/machines`: live machines, and which of them leads. */
export function machineRoutes({ registry }: ApiContext): Route[] {
  return [
    {
      dialect: 'native',
      path: '/v1/machines',
      otherMethods: 'machines can only be read (GET)',
      methods: {
        async GET(call) {
          const [{ machines, known }, leader] = await Promise.all([
            registry.readMachines(call.signal),
            registry.readLeader(),
          ]);
          return { status: 200, json: { machines: machinesToReport(machines, known, leader) } };
        },
      },
    },
  ];
}
