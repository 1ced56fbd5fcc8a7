import type { ApiContext } from './context.js';
import { json, operation, resource } from './operation.js';
import type { Route } from './route.js';
import { AcceptedRegistry, HoldReport } from './schemas.js';

/** `/v1/rejoin`: whether this machine's convoyd holds, and the operator's word that the registry is the right one. */
export function rejoinRoutes({ registry, machineId, hold }: ApiContext): Route[] {
  const read = operation({
    id: 'readHold',
    summary: 'Whether the machine that answers touches nothing, and why.',
    answer: json(HoldReport),
    errors: [],
    handle: async () => ({ machine: machineId, hold: hold() }),
  });
  const accept = operation({
    id: 'acceptRegistry',
    summary: 'Tells the machine that answers that the registry it reaches is the right one.',
    role: 'admin',
    answer: json(AcceptedRegistry),
    errors: [],
    async handle() {
      const { clusterId, revision } = await registry.accept();
      return { clusterId, revision };
    },
  });
  return [resource('/v1/rejoin', { GET: read, POST: accept })];
}
