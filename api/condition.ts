import type { ApiContext } from './context.js';
import { json, operation, resource } from './operation.js';
import { passOn, refusalOf, WRONG_MACHINE } from './pass-on.js';
import { type Call, param, type Route, refuse } from './route.js';
import { MachineCondition } from './schemas.js';

/** `/v1/machines/ID/condition`: how busy a machine is, from itself. */
export function conditionRoutes(context: ApiContext): Route[] {
  const read = operation({
    id: 'readCondition',
    summary: 'How busy a machine is, and whether it touches nothing; asked of the machine itself.',
    answer: json(MachineCondition),
    errors: ['not-found', 'machine-gone', 'machine-unreachable'],
    handle: (call) => conditionOf(context, call, param(call, 'id')),
  });
  return [resource('/v1/machines/:id/condition', { GET: read })];
}

/** Of its own machine a convoyd can tell also while the registry does not answer. */
async function conditionOf(context: ApiContext, call: Call, id: string): Promise<MachineCondition> {
  const { machineId, localCondition, hold, registry } = context;
  if (id === machineId) return { machine: id, ...localCondition(), hold: hold() };
  if (call.passedOn) throw refuse(WRONG_MACHINE, 'wrong-machine', `this is machine ${machineId}, not ${id}`);
  const { machines, known } = await registry.readMachines(call.signal);
  const machine = machines.find((one) => one.id === id);
  if (machine === undefined) {
    if (known.some((one) => one.id === id)) throw refuse(404, 'machine-gone', `machine ${id} is gone`);
    throw refuse(404, 'not-found', `there is no machine ${id}`);
  }
  const answer = await passOn(call, machine, { patient: false });
  const body = await answer.json();
  if (answer.status !== 200) throw refusalOf(answer.status, body);
  return body as MachineCondition;
}
