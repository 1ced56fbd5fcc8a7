import * as v from 'valibot';
import { MOST_WRITES, type UnitView } from '../registry/registry.js';
import { isTemplate } from '../units/name.js';
import { TARGET_STATES } from '../units/state.js';
import type { ApiContext } from './context.js';
import { pendingWords } from './leader.js';
import { json, listed, nothing, operation, resource, tagged, taggedAt } from './operation.js';
import { doesNotHold, generationOf, ifMatching, preconditionOf } from './preconditions.js';
import { destroyedStates, unitToReport, unitViews } from './reports.js';
import { type Call, param, type Route, refuse } from './route.js';
import {
  listOf,
  MoveWish,
  SubmittedUnit,
  UnitReport,
  UnitState,
  UnitSubmission,
  UnitWish,
} from './schemas.js';
import { checkSubmissions, rehearse, submit } from './submit.js';
import { unitFilter, unitGlob } from './unit-glob.js';

/** `/v1/units`: everything about all units or one, and what the operator wants of them. */
export function unitRoutes(context: ApiContext): Route[] {
  const { registry } = context;

  const list = operation({
    id: 'listUnits',
    summary: 'Everything about units, by name, and the states that destroyed ones still have.',
    query: {
      name: unitGlob,
      target: v.optional(v.picklist(TARGET_STATES)),
      machine: v.optional(v.pipe(v.string(), v.description('Units placed on it, or reported by it.'))),
    },
    answer: listed(v.strictObject({ units: listOf(UnitReport), destroyed: listOf(UnitState) })),
    errors: [],
    async handle(call, { query: { name, target, machine } }) {
      const snapshot = await registry.readAll(call.signal);
      const isAsked = unitFilter(name);
      const views = unitViews(snapshot).filter(
        (view) =>
          isAsked(view.record.name) &&
          (target === undefined || view.record.target === target) &&
          (machine === undefined ||
            view.machine === machine ||
            view.states.some((state) => state.machine === machine)),
      );
      const pending = await pendingWords(context, call, views, snapshot);
      const units = views.map((view) => unitToReport(view, pending(view)));
      const destroyed = destroyedStates(snapshot).filter(
        (state) =>
          isAsked(state.unit) && target === undefined && (machine === undefined || state.machine === machine),
      );
      return { json: { units, destroyed }, revision: snapshot.revision };
    },
  });

  const submitMany = operation({
    id: 'submitUnits',
    summary:
      `Creates or changes up to ${MOST_WRITES} units in one transaction: all of them or none. ` +
      'With `dryRun` nothing is written, and refusals of the scheduler are told.',
    query: {
      dryRun: v.optional(v.picklist(['true', 'false']), 'false'),
    },
    body: v.strictObject({ units: listOf(UnitSubmission) }),
    answer: json(v.strictObject({ units: listOf(SubmittedUnit) })),
    errors: ['bad-unit', 'too-many', 'not-found', 'generation'],
    async handle(call, { query: { dryRun }, body }) {
      checkSubmissions(body.units);
      const units =
        dryRun === 'true'
          ? await rehearse(context, body.units, call.signal)
          : await submit(context, body.units);
      return { units };
    },
  });

  const read = operation({
    id: 'readUnit',
    summary: 'Everything about one unit, at one revision.',
    answer: taggedAt(UnitReport),
    errors: ['not-found'],
    async handle(call) {
      const view = await readUnit(context, call);
      const pending = await pendingWords(context, call, [view]);
      const { record, revision } = view;
      return { json: unitToReport(view, pending(view)), etag: record.generation, revision };
    },
  });

  const write = operation({
    id: 'writeUnit',
    summary: 'Creates a unit, replaces it, or changes its target. The same again changes nothing.',
    headers: ['if-match', 'if-none-match'],
    body: UnitWish,
    answer: tagged(SubmittedUnit),
    errors: ['bad-unit', 'not-found', 'precondition'],
    async handle(call, { body }) {
      const precondition = preconditionOf(call);
      const unit = { name: param(call, 'name'), ...body };
      checkSubmissions([unit]);
      const expected = precondition === 'anything' ? await presentGeneration(context, call) : precondition;
      const [written] = await ifMatching(submit(context, [{ ...unit, expected }]));
      if (written === undefined) throw new Error(`unit ${unit.name} was submitted and not written`);
      return { json: written, etag: written.generation };
    },
  });

  const destroy = operation({
    id: 'destroyUnit',
    summary: 'Stops a unit wherever it runs and forgets it.',
    headers: ['if-match'],
    answer: nothing,
    errors: ['not-found', 'precondition'],
    async handle(call) {
      const name = param(call, 'name');
      if (!(await ifMatching(registry.destroyUnit(name, generationOf(call))))) throw absent(name);
    },
  });

  const restart = operation({
    id: 'restartUnit',
    summary: 'Asks for a restart wherever the unit is placed, and for its start if it is not started.',
    headers: ['if-match'],
    answer: nothing,
    errors: ['bad-unit', 'not-found', 'precondition'],
    async handle(call) {
      const name = param(call, 'name');
      if (isTemplate(name)) throw refuse(400, 'bad-unit', `cannot activate template "${name}"`);
      await ifMatching(registry.requestRestart(name, generationOf(call)));
    },
  });

  const move = operation({
    id: 'moveUnit',
    summary: 'Asks the leader to move a unit elsewhere.',
    headers: ['if-match'],
    body: MoveWish,
    answer: nothing,
    errors: ['no-machine', 'not-found', 'not-placed', 'precondition'],
    async handle(call, { body: { to } }) {
      if (to !== null) await mustBeKnown(context, call, to);
      await ifMatching(registry.requestMove(param(call, 'name'), to, generationOf(call)));
    },
  });

  return [
    resource('/v1/units', { GET: list, POST: submitMany }),
    resource('/v1/units/:name', { GET: read, PUT: write, DELETE: destroy }),
    resource('/v1/units/:name/restart', { POST: restart }),
    resource('/v1/units/:name/move', { POST: move }),
  ];
}

export async function readUnit(
  { registry }: ApiContext,
  call: Call,
): Promise<UnitView & { readonly revision: number }> {
  const name = param(call, 'name');
  const view = await registry.readUnit(name, call.signal);
  if (view === null) throw absent(name);
  return view;
}

/** For `If-Match: *`: what is there must be there still when it is written. */
async function presentGeneration({ registry }: ApiContext, call: Call): Promise<number> {
  const view = await registry.readUnit(param(call, 'name'), call.signal);
  if (view === null) throw doesNotHold(`unit ${param(call, 'name')} does not exist`);
  return view.record.generation;
}

async function mustBeKnown({ registry }: ApiContext, call: Call, machine: string): Promise<void> {
  const { known } = await registry.readMachines(call.signal);
  if (!known.some(({ id }) => id === machine))
    throw refuse(400, 'no-machine', `there is no machine ${machine}`);
}

function absent(name: string) {
  return refuse(404, 'not-found', `unit ${name} does not exist`);
}
