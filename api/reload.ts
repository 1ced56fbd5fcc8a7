import type { ApiContext } from './context.js';
import { publicCode } from './error-codes.js';
import { passOn } from './pass-on.js';
import { type Call, type Reply, type Route, refuse } from './route.js';
import { readUnit } from './units.js';
import type { WireError } from './wire.js';

/** `/v1/units/NAME/reload`: runs ExecReload wherever the unit runs; answers the machines. */
export function reloadRoutes(context: ApiContext): Route[] {
  return [
    {
      dialect: 'native',
      path: '/v1/units/:name/reload',
      otherMethods: 'only POST here',
      methods: { POST: (call) => reload(context, call) },
    },
  ];
}

/** All its machines are asked, whatever one of them says; the first that failed is told. */
async function reload(context: ApiContext, call: Call): Promise<Reply> {
  const { record, states } = await readUnit(context, call);
  const { name } = record;
  const running = states.filter(({ active }) => active === 'active' || active === 'reloading');
  const holders = running.map(({ machine }) => machine);
  const asked = call.passedOn ? holders.filter((machine) => machine === context.machineId) : holders;
  if (asked.length === 0)
    throw refuse(409, 'not-running', `unit ${name} does not run ${call.passedOn ? 'here' : 'anywhere'}`);
  const done = await Promise.allSettled(asked.map((machine) => reloadOn(context, call, name, machine)));
  for (const outcome of done) if (outcome.status === 'rejected') throw outcome.reason;
  return { status: 200, json: { machines: asked } };
}

async function reloadOn(context: ApiContext, call: Call, unit: string, machine: string): Promise<void> {
  if (machine === context.machineId) return context.localReload(unit);
  const { machines } = await context.registry.readMachines(call.signal);
  const holder = machines.find(({ id }) => id === machine);
  if (holder === undefined) throw refuse(404, 'machine-gone', `machine ${machine} of unit ${unit} is gone`);
  const answer = await passOn(call, holder, { patient: true });
  const body = await answer.json();
  if (answer.status === 200) return;
  const { error } = body as WireError;
  throw refuse(answer.status, publicCode(String(error.code), 'permanent'), error.message);
}
