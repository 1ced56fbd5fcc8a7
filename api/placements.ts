import * as v from 'valibot';
import type { ApiContext } from './context.js';
import { listed, operation, resource } from './operation.js';
import { allPlacements } from './reports.js';
import type { Route } from './route.js';
import { listOf, Placement, UnitState } from './schemas.js';
import { unitFilter, unitGlob } from './unit-glob.js';
import { byUnit } from './wire.js';

const machine = v.optional(v.pipe(v.string(), v.description('The id of a machine.')));

/** `/v1/placements`: what each machine has to do about each unit; `/v1/states`: what it has come to. */
export function placementRoutes({ registry }: ApiContext): Route[] {
  const placements = operation({
    id: 'listPlacements',
    summary: 'What each machine has to do about each unit, and why; by unit, then machine.',
    query: { unit: unitGlob, machine },
    answer: listed(v.strictObject({ placements: listOf(Placement) })),
    errors: [],
    async handle(call, { query }) {
      const snapshot = await registry.readAll(call.signal);
      return { json: { placements: asked(allPlacements(snapshot), query) }, revision: snapshot.revision };
    },
  });
  const states = operation({
    id: 'listStates',
    summary: 'What systemd says of each unit on each machine; by unit, then machine.',
    query: { unit: unitGlob, machine },
    answer: listed(v.strictObject({ states: listOf(UnitState) })),
    errors: [],
    async handle(call, { query }) {
      const { states, revision } = await registry.readAllStates(call.signal);
      return { json: { states: asked(byUnit(states), query) }, revision };
    },
  });
  return [resource('/v1/placements', { GET: placements }), resource('/v1/states', { GET: states })];
}

function asked<Row extends { readonly unit: string; readonly machine: string }>(
  rows: readonly Row[],
  query: { readonly unit?: string | undefined; readonly machine?: string | undefined },
): Row[] {
  const isAsked = unitFilter(query.unit);
  return rows.filter(
    (row) => isAsked(row.unit) && (query.machine === undefined || row.machine === query.machine),
  );
}
