import type { ApiContext } from './context.js';
import type { Pager } from './page.js';
import { param, type Route, refuse } from './route.js';
import { byUnit, stateToWire } from './wire.js';

/** Fleet's `/state`: what systemd says of each unit on each machine. */
export function fleetStateRoutes({ registry }: ApiContext, prefix: string, pager: Pager): Route[] {
  const otherMethods = 'only GET supported against this resource';
  return [
    {
      dialect: 'fleet',
      path: `${prefix}/state`,
      otherMethods,
      roles: { GET: 'unit' },
      methods: {
        GET(call) {
          const unit = call.query.get('unitName') ?? '';
          const machine = call.query.get('machineID') ?? '';
          return pager.page(call, 'states', `states\0${unit}\0${machine}`, async () => {
            const states =
              unit === ''
                ? byUnit((await registry.readAllStates(call.signal)).states)
                : await registry.readStates(unit, call.signal);
            return states.filter((state) => machine === '' || state.machine === machine).map(stateToWire);
          });
        },
      },
    },
    {
      dialect: 'fleet',
      path: `${prefix}/state/:name`,
      otherMethods,
      roles: { GET: 'unit' },
      methods: {
        async GET(call) {
          const view = await registry.readUnit(param(call, 'name'), call.signal);
          const state = view?.states.find(({ machine }) => machine === view.machine) ?? view?.states[0];
          if (state === undefined) throw refuse(404, 'not-found', 'unit state does not exist');
          return { status: 200, json: stateToWire(state) };
        },
      },
    },
  ];
}
