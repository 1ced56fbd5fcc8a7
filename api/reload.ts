import * as v from 'valibot';
import type { ApiContext } from './context.js';
import { json, operation, resource } from './operation.js';
import { passOn, refusalOf } from './pass-on.js';
import { doesNotHold, generationOf } from './preconditions.js';
import { type Call, type Route, refuse } from './route.js';
import { listOf } from './schemas.js';
import { readUnit } from './units.js';

/** `/v1/units/NAME/reload`: runs ExecReload wherever the unit runs; answers the machines. */
export function reloadRoutes(context: ApiContext): Route[] {
  const reload = operation({
    id: 'reloadUnit',
    summary: 'Runs ExecReload wherever the unit runs, and answers when that is done everywhere.',
    headers: ['if-match'],
    answer: json(v.strictObject({ machines: listOf(v.string()) })),
    errors: ['not-found', 'not-running', 'failed', 'machine-gone', 'machine-unreachable', 'precondition'],
    handle: async (call) => ({ machines: await reloadEverywhere(context, call) }),
  });
  return [resource('/v1/units/:name/reload', { POST: reload })];
}

/** All its machines are asked, whatever one of them says; the first that failed is told. */
async function reloadEverywhere(context: ApiContext, call: Call): Promise<readonly string[]> {
  const expected = generationOf(call);
  const { record, states } = await readUnit(context, call);
  const { name } = record;
  if (expected !== undefined && expected !== record.generation)
    throw doesNotHold(`${name} was changed since it was read`);
  const running = states.filter(({ active }) => active === 'active' || active === 'reloading');
  const holders = running.map(({ machine }) => machine);
  const asked = call.passedOn ? holders.filter((machine) => machine === context.machineId) : holders;
  if (asked.length === 0)
    throw refuse(409, 'not-running', `unit ${name} does not run ${call.passedOn ? 'here' : 'anywhere'}`);
  const done = await Promise.allSettled(asked.map((machine) => reloadOn(context, call, name, machine)));
  for (const outcome of done) if (outcome.status === 'rejected') throw outcome.reason;
  return asked;
}

async function reloadOn(context: ApiContext, call: Call, unit: string, machine: string): Promise<void> {
  if (machine === context.machineId) return context.localReload(unit);
  const { machines } = await context.registry.readMachines(call.signal);
  const holder = machines.find(({ id }) => id === machine);
  if (holder === undefined) throw refuse(404, 'machine-gone', `machine ${machine} of unit ${unit} is gone`);
  const answer = await passOn(call, holder, { patient: true });
  const body = await answer.json();
  if (answer.status !== 200) throw refusalOf(answer.status, body);
}
