import { assertNever, ConvoyError, messageOf } from '../runtime/errors.js';
import type { ApiContext } from './context.js';
import { readUnitBody, type UnitBody } from './fleet-body.js';
import type { Pager } from './page.js';
import { decidePut, type Put } from './put-unit.js';
import { type Call, param, type Reply, type Route, refuse } from './route.js';
import { unitsToWire, unitToWire } from './wire.js';

/** How the registry says that a unit is not any more as it was read. */
const CHANGED_MEANWHILE = new Set(['generation', 'not-found']);

/** Fleet's `/units`: what was submitted, its desired and its current state. */
export function fleetUnitRoutes({ registry }: ApiContext, prefix: string, pager: Pager): Route[] {
  /** What was decided holds of what is there when it is written: if that has changed, it is decided anew. */
  async function put(call: Call): Promise<Reply> {
    checkContentType(call.contentTypes);
    const body = readBody(await call.body());
    const name = param(call, 'name');
    for (;;) {
      const existing = (await registry.readUnit(name, call.signal))?.record ?? null;
      const put = decidePut(name, body, existing);
      try {
        return await perform(name, put, existing?.generation ?? 0);
      } catch (error) {
        if (!(error instanceof ConvoyError) || !CHANGED_MEANWHILE.has(error.code ?? '')) throw error;
      }
    }
  }

  async function perform(name: string, put: Put, generation: number): Promise<Reply> {
    switch (put.kind) {
      case 'refuse':
        throw refuse(put.status, put.code, put.message);
      case 'submit':
        await registry.submitUnit(name, put.unit, put.target, generation);
        return { status: 201 };
      case 'set-target':
        await registry.setTargetState(name, put.target, generation);
        return { status: 204 };
      default:
        return assertNever(put);
    }
  }

  return [
    {
      dialect: 'fleet',
      path: `${prefix}/units`,
      otherMethods: 'only GET supported against this resource',
      methods: {
        GET: (call) =>
          pager.page(call, 'units', 'units', async () => unitsToWire(await registry.readAll(call.signal))),
      },
    },
    {
      dialect: 'fleet',
      path: `${prefix}/units/:name`,
      otherMethods: 'only GET, PUT and DELETE supported against this resource',
      methods: {
        async GET(call) {
          const view = await registry.readUnit(param(call, 'name'), call.signal);
          if (view === null) throw absent();
          return { status: 200, json: unitToWire(view) };
        },
        PUT: put,
        async DELETE(call) {
          if (!(await registry.destroyUnit(param(call, 'name')))) throw absent();
          return { status: 204 };
        },
      },
    },
  ];
}

/** Exactly one, of the one type, in lower case; parameters pass. */
function checkContentType(types: readonly string[]): void {
  if (types.length !== 1) throw refuse(415, 'content-type', `expected 1 Content-Type, got ${types.length}`);
  if (types[0]?.split(';')[0]?.trim() !== 'application/json')
    throw refuse(415, 'content-type', 'only acceptable Content-Type is application/json');
}

function readBody(text: string): UnitBody {
  try {
    return readUnitBody(text);
  } catch (error) {
    throw refuse(400, 'bad-body', `unable to decode body: ${messageOf(error)}`);
  }
}

function absent() {
  return refuse(404, 'not-found', 'unit does not exist');
}
