import type { UnitView } from '../registry/registry.js';
import { messageOf } from '../runtime/errors.js';
import { isTemplate } from '../units/name.js';
import type { ApiContext } from './context.js';
import { passOn } from './pass-on.js';
import { type Call, param, type Route, refuse } from './route.js';
import { isGlobal, type UnitReport, unitToReport } from './wire.js';

/** `/v1/units/NAME`: everything about one unit, with reasons; and what fleet has no request for. */
export function unitRoutes(context: ApiContext): Route[] {
  const { registry } = context;
  return [
    {
      dialect: 'native',
      path: '/v1/units/:name',
      otherMethods: 'only GET here; units are changed at /fleet/v1/units',
      methods: {
        async GET(call) {
          const view = await readUnit(context, call);
          return { status: 200, json: unitToReport(view, await pendingWords(context, call, view)) };
        },
      },
    },
    {
      dialect: 'native',
      path: '/v1/units/:name/restart',
      otherMethods: 'only POST here',
      methods: {
        async POST(call) {
          const name = param(call, 'name');
          if (isTemplate(name)) throw refuse(400, 'template', `cannot activate template "${name}"`);
          await registry.requestRestart(name);
          return { status: 204 };
        },
      },
    },
  ];
}

export async function readUnit({ registry }: ApiContext, call: Call): Promise<UnitView> {
  const name = param(call, 'name');
  const view = await registry.readUnit(name, call.signal);
  if (view === null) throw refuse(404, 'not-found', `unit ${name} does not exist`);
  return view;
}

/** Why the unit is not where it is wanted. Only the leader knows why it placed nothing: it is asked. */
async function pendingWords(context: ApiContext, call: Call, view: UnitView): Promise<string | null> {
  const { record, machine, states } = view;
  if (record.target === 'inactive') return null;
  const refusals = context.refusals?.() ?? null;
  const refusal = refusals?.get(record.name);
  if (refusal !== undefined) return refusal;
  if (isGlobal(record)) return null;
  if (machine !== null)
    return states.some((state) => state.machine === machine)
      ? null
      : `pending: placed on ${machine}, whose agent has not loaded it yet`;
  return refusals === null ? leaderWords(context, call) : 'pending: the leader is placing it';
}

async function leaderWords({ registry, machineId }: ApiContext, call: Call): Promise<string> {
  const leader = await registry.readLeader();
  if (leader === null) return 'pending: no machine leads the cluster just now';
  if (leader === machineId || call.passedOn) return 'pending: the leader is placing it';
  const machine = (await registry.readMachines(call.signal)).machines.find(({ id }) => id === leader);
  if (machine === undefined) return `pending: the leader ${leader} is gone, another one is being elected`;
  try {
    const answer = (await (await passOn(call, machine, false)).json()) as Partial<UnitReport>;
    return answer.pending ?? 'pending: the leader is placing it';
  } catch (error) {
    return `pending: the leader gives no reason (${messageOf(error)})`;
  }
}
