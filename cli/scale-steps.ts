import type { UnitSubmission } from '../api/schemas.js';
import type { UnitReport } from '../api/wire.js';
import type { UnitFile } from '../units/unit-file.js';
import type { Context } from './command.js';
import type { ScalePlan } from './scale-plan.js';
import { sideBySide } from './side-by-side.js';
import { submitAll } from './submit-all.js';

/** What scaled instances are to be. */
const target = 'launched';

/** Asks for all that a plan says, and waits for none of it. */
export async function carryOut(
  context: Pick<Context, 'api'>,
  { options }: UnitFile,
  plan: ScalePlan,
): Promise<void> {
  await submitAll(
    context,
    plan.remove.map(({ record }) => ({ name: record.name, target: 'inactive' })),
  );
  await submitAll(context, submissions(options, plan));
  await sideBySide(plan.start.filter(hasEnded), ({ record }) => context.api.restartUnit(record.name));
}

/** What is to be launched. */
export function submissions(
  options: UnitFile['options'],
  { create, renew, start }: Pick<ScalePlan, 'create' | 'renew' | 'start'>,
): UnitSubmission[] {
  const content = { options: [...options], target } as const;
  return [
    ...create.map((name) => ({ name, ...content, expected: 0 })),
    ...renew.map(({ record: { name, generation: expected } }) => ({ name, ...content, expected })),
    ...start.filter((unit) => !hasEnded(unit)).map(({ record }) => ({ name: record.name, target }) as const),
  ];
}

/** Of one that is to be started: it is wanted already, and has ended or failed where it is. */
export function hasEnded({ record }: UnitReport): boolean {
  return record.target === target;
}
