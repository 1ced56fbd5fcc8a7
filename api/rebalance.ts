import * as v from 'valibot';
import type { ApiContext } from './context.js';
import { json, operation, resource } from './operation.js';
import type { Route } from './route.js';
import { listOf, PlannedMove } from './schemas.js';

/** `/v1/rebalance`: the moves that would even out the machines. They are made one by one, each as a move. */
export function rebalanceRoutes({ registry, planRebalance }: ApiContext): Route[] {
  const plan = operation({
    id: 'planRebalance',
    summary: 'Moves that would even out the machines, best first; nothing is moved.',
    answer: json(v.strictObject({ moves: listOf(PlannedMove) })),
    errors: [],
    handle: async (call) => ({ moves: planRebalance(await registry.readAll(call.signal)) }),
  });
  return [resource('/v1/rebalance', { GET: plan })];
}
