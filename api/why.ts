import type { ClusterSnapshot } from '../registry/model.js';
import type { ApiContext } from './context.js';
import { pendingWords } from './leader.js';
import { json, operation, resource } from './operation.js';
import { unitToReport, unitView } from './reports.js';
import { param, type Route, refuse } from './route.js';
import { UnitExplanation } from './schemas.js';

/** `/v1/units/NAME/why`: why a unit is where it is, is not where it is not, and is in the state it is in. */
export function whyRoutes(context: ApiContext): Route[] {
  const explain = operation({
    id: 'explainUnit',
    summary:
      'Why a unit is where it is, why other machines cannot have it, and why it is in the state it is in.',
    answer: json(UnitExplanation),
    errors: ['not-found'],
    async handle(call) {
      const snapshot = await context.registry.readAll(call.signal);
      const name = param(call, 'name');
      const view = unitView(snapshot, name);
      if (view === null) throw refuse(404, 'not-found', `unit ${name} does not exist`);
      const pending = await pendingWords(context, call, [view], snapshot);
      const { record, machine, reason, ...report } = unitToReport(view, pending(view));
      return {
        ...{ unit: name, target: record.target, global: record.global, machine, reason },
        pending: report.pending,
        machines: machinesOf(context, snapshot, name),
      };
    },
  });
  return [resource('/v1/units/:name/why', { GET: explain })];
}

/** Each machine that is there, and each that has the unit or is to have it. */
function machinesOf(
  { explainUnit }: ApiContext,
  { machines, placements, states, ...snapshot }: ClusterSnapshot,
  unit: string,
): UnitExplanation['machines'] {
  const refusals = explainUnit({ ...snapshot, machines, placements, states }, unit);
  const ids = new Set(machines.keys());
  for (const [id, rows] of [...placements, ...states]) if (rows.has(unit)) ids.add(id);
  return [...ids].sort().map((machine) => ({
    machine,
    alive: machines.has(machine),
    placed: placements.get(machine)?.get(unit)?.why ?? null,
    refusal: refusals.get(machine) ?? null,
    state: states.get(machine)?.get(unit) ?? null,
  }));
}
