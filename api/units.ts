import type { UnitView } from '../registry/registry.js';
import { messageOf } from '../runtime/errors.js';
import { isTemplate } from '../units/name.js';
import type { ApiContext } from './context.js';
import { pendingWords } from './leader.js';
import { type Call, param, type Route, refuse } from './route.js';
import { unitToReport, unitViews } from './wire.js';

/** `/v1/units`: everything about all units or one, with reasons; and what fleet has no request for. */
export function unitRoutes(context: ApiContext): Route[] {
  const { registry } = context;
  return [
    {
      dialect: 'native',
      path: '/v1/units',
      otherMethods: 'only GET here; units are changed at /fleet/v1/units',
      methods: {
        async GET(call) {
          const snapshot = await registry.readAll(call.signal);
          const views = unitViews(snapshot);
          const pending = await pendingWords(context, call, views, snapshot);
          return { status: 200, json: { units: views.map((view) => unitToReport(view, pending(view))) } };
        },
      },
    },
    {
      dialect: 'native',
      path: '/v1/units/:name',
      otherMethods: 'only GET here; units are changed at /fleet/v1/units',
      methods: {
        async GET(call) {
          const view = await readUnit(context, call);
          const pending = await pendingWords(context, call, [view]);
          return { status: 200, json: unitToReport(view, pending(view)) };
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
          if (isTemplate(name)) throw refuse(400, 'bad-unit', `cannot activate template "${name}"`);
          await registry.requestRestart(name);
          return { status: 204 };
        },
      },
    },
    {
      dialect: 'native',
      path: '/v1/units/:name/move',
      otherMethods: 'only POST here',
      methods: {
        async POST(call) {
          await registry.requestMove(param(call, 'name'), await moveTarget(context, call));
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

/** `{"to": id | null}`; null: to the best other machine. */
async function moveTarget({ registry }: ApiContext, call: Call): Promise<string | null> {
  let body: unknown;
  try {
    body = JSON.parse(await call.body());
  } catch (error) {
    throw refuse(400, 'bad-body', `unable to decode body: ${messageOf(error)}`);
  }
  const to = typeof body === 'object' && body !== null && 'to' in body ? body.to : undefined;
  if (to === null) return null;
  if (typeof to !== 'string')
    throw refuse(400, 'bad-body', 'expected {"to": "<machine id>"}, or null for the best other machine');
  const { known } = await registry.readMachines(call.signal);
  if (!known.some(({ id }) => id === to)) throw refuse(400, 'no-machine', `there is no machine ${to}`);
  return to;
}
