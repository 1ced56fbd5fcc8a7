import type { ApiContext } from './context.js';
import { param, type Route } from './route.js';
import { machinesToReport } from './wire.js';

/** What the operator may want of a machine. `drain` takes no new units either. */
const WISHES = {
  cordon: { cordoned: true },
  drain: { cordoned: true, draining: true },
  uncordon: { cordoned: false, draining: false },
} as const;

/** `/v1/machines`: machines that ever joined, and which of them leads; cordon, drain, uncordon, evict. */
export function machineRoutes({ registry }: ApiContext): Route[] {
  const changes = Object.entries(WISHES).map(
    ([verb, wish]): Route => ({
      dialect: 'native',
      path: `/v1/machines/:id/${verb}`,
      otherMethods: 'only POST here',
      roles: { POST: 'admin' },
      methods: {
        async POST(call) {
          await registry.changeMachine(param(call, 'id'), wish);
          return { status: 204 };
        },
      },
    }),
  );
  return [
    {
      dialect: 'native',
      path: '/v1/machines',
      otherMethods: 'machines can only be read (GET)',
      roles: { GET: 'unit' },
      methods: {
        async GET(call) {
          const [{ machines, known }, leader] = await Promise.all([
            registry.readMachines(call.signal),
            registry.readLeader(),
          ]);
          return {
            status: 200,
            json: { machines: machinesToReport(machines, known, leader?.machine ?? null) },
          };
        },
      },
    },
    ...changes,
    {
      dialect: 'native',
      path: '/v1/machines/:id/evict',
      otherMethods: 'only POST here',
      roles: { POST: 'admin' },
      methods: {
        async POST(call) {
          await registry.evictMachine(param(call, 'id'));
          return { status: 204 };
        },
      },
    },
  ];
}
