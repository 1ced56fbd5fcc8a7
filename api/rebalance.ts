import type { ApiContext } from './context.js';
import type { Route } from './route.js';

/** `/v1/rebalance`: the moves that would even out the machines. They are made one by one, each as a move. */
export function rebalanceRoutes({ registry, planRebalance }: ApiContext): Route[] {
  return [
    {
      dialect: 'native',
      path: '/v1/rebalance',
      otherMethods: 'the plan can only be read (GET); moves are made at /v1/units/NAME/move',
      methods: {
        async GET(call) {
          return { status: 200, json: { moves: planRebalance(await registry.readAll(call.signal)) } };
        },
      },
    },
  ];
}
