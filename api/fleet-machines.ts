import { type MetadataPatch, MOST_WRITES } from '../registry/registry.js';
import { messageOf } from '../runtime/errors.js';
import type { ApiContext } from './context.js';
import { readPatches } from './fleet-body.js';
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
          for (const batch of inBatches(readBody(await call.body()))) await registry.patchMetadata(batch);
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

/** In order, each of no more machines than one transaction takes: of so many, all or none are changed. */
function inBatches(patches: readonly MetadataPatch[]): MetadataPatch[][] {
  const batches: MetadataPatch[][] = [];
  const machines = new Set<string>();
  for (const patch of patches) {
    const isFull = !machines.has(patch.machine) && machines.size === MOST_WRITES;
    if (isFull) machines.clear();
    if (isFull || batches.length === 0) batches.push([]);
    machines.add(patch.machine);
    batches.at(-1)?.push(patch);
  }
  return batches;
}
