import type { ClusterSnapshot, UnitRecord } from '../registry/model.js';
import { MOST_WRITES } from '../registry/registry.js';
import { isTemplate, whyBadName } from '../units/name.js';
import { hashOf, type UnitFile } from '../units/unit-file.js';
import { whyBadOptions } from '../units/validate.js';
import type { ApiContext } from './context.js';
import { refuse } from './route.js';
import type { SubmittedUnit, UnitSubmission } from './schemas.js';

/** Refuses with all that is wrong with what is submitted, unit by unit, before anything is read or written. */
export function checkSubmissions(units: readonly UnitSubmission[]): void {
  if (units.length > MOST_WRITES)
    throw refuse(
      400,
      'too-many',
      `units: expected at most ${MOST_WRITES}, got ${units.length}: send them in parts`,
    );
  const seen = new Set<string>();
  const problems = units.flatMap((unit) => {
    const problem = seen.has(unit.name) ? 'named twice' : whyBad(unit);
    seen.add(unit.name);
    return problem === null ? [] : [`${unit.name}: ${problem}`];
  });
  if (problems.length > 0) throw refuse(400, 'bad-unit', problems.join('; '));
}

function whyBad({ name, options, target }: UnitSubmission): string | null {
  const badName = whyBadName(name);
  if (badName !== null) return badName;
  if (isTemplate(name) && target !== 'inactive') return `cannot activate template "${name}"`;
  if (options === undefined) return null;
  return options.length === 0 ? 'options: expected at least one, got none' : whyBadOptions(name, { options });
}

/** Writes all of them or none. `generation`/`conflict` if one is not as expected. */
export async function submit(
  { registry }: ApiContext,
  units: readonly UnitSubmission[],
): Promise<readonly SubmittedUnit[]> {
  const written = await registry.writeUnits(
    units.map(({ options, ...unit }) => ({ ...unit, ...contentOf(options) })),
  );
  return written.map((unit) => ({ ...unit, refusal: null }));
}

/** What `submit` would do, and what the scheduler's rules have against it: nothing is written. */
export async function rehearse(
  { registry, explain }: ApiContext,
  units: readonly UnitSubmission[],
  signal: AbortSignal,
): Promise<readonly SubmittedUnit[]> {
  const [snapshot, leader] = await Promise.all([registry.readAll(signal), registry.readLeader()]);
  const after = new Map(snapshot.units);
  const outcomes = units.map((unit): Omit<SubmittedUnit, 'refusal'> => {
    const before = snapshot.units.get(unit.name);
    const record = recordAfter(unit, before);
    after.set(unit.name, record);
    const same = before?.hash === record.hash && before.target === record.target;
    return {
      name: unit.name,
      outcome: before === undefined ? 'created' : same ? 'unchanged' : 'changed',
      generation: before?.generation ?? 0,
    };
  });
  const wished: ClusterSnapshot = { ...snapshot, units: after };
  const refusals = explain(wished, leader?.frozen ?? null);
  return outcomes.map((outcome) => ({ ...outcome, refusal: refusals.get(outcome.name) ?? null }));
}

function recordAfter(
  { name, options, target, expected }: UnitSubmission,
  before: UnitRecord | undefined,
): UnitRecord {
  if (options === undefined && before === undefined)
    throw refuse(404, 'not-found', `there is no unit ${name}`);
  if (expected !== undefined && expected !== (before?.generation ?? 0))
    throw refuse(
      409,
      'generation',
      `${name} ${expected === 0 ? 'is there already' : 'was changed since it was read'}`,
    );
  const unit = options === undefined ? (before?.unit ?? { options: [] }) : { options };
  const unwritten = { name, restarts: 0, move: null, generation: 0 };
  return { ...unwritten, ...before, unit, hash: hashOf(unit), target };
}

function contentOf(options: UnitSubmission['options']): { readonly unit?: UnitFile } {
  return options === undefined ? {} : { unit: { options } };
}
