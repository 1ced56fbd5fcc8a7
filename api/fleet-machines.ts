import { messageOf } from '../runtime/errors.js';
import type { ApiContext } from './context.js';
import { type MetadataPatch, readPatches } from './fleet-body.js';
import type { Pager } from './page.js';
import { type Route, refuse } from './route.js';
import { machinesToWire } from './wire.js';

/** Fleet's `/machines`: live machines with their metadata, which PATCH changes. */
export function fleetMachineRoutes({ registry }: ApiContext, prefix: string, pager: Pager): Route[] {
  return [
    {
      dialect: 'fleet',
      path: `${prefix}/machines`,
      otherMethods: 'only GET and PATCH supported against this resource',
      roles: { GET: 'unit', PATCH: 'admin' },
      methods: {
        GET: (call) =>
          pager.page(call, 'machines', 'machines', async () => {
            const { machines, known } = await registry.readMachines(call.signal);
            return machinesToWire(machines, known);
          }),
        async PATCH(call) {
          const patches = readBody(await call.body());
          if (patches.length > 0) await registry.patchMetadata(patches);
          return { status: 204, type: 'application/json' };
        },
      },
    },
  ];
}

function readBody(text: string): MetadataPatch[] {
  try {
    return readPatches(text);
  } catch (error) {
    throw refuse(400, 'bad-body', messageOf(error));
  }
}
