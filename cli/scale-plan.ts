import type { UnitReport } from '../api/wire.js';
import { nameParts } from '../units/name.js';
import { isSettled } from './goals.js';

/** What brings the instances of a template to a number. */
export interface ScalePlan {
  /** Instances 1 to N that are not in the registry, by number. */
  readonly create: readonly string[];
  /** Those that are in it and do not run, with a text that is not the template's (they take it) or is. */
  readonly renew: readonly UnitReport[];
  readonly start: readonly UnitReport[];
  /** Those above N that are placed or run somewhere, highest number first. */
  readonly remove: readonly UnitReport[];
  /** Those that stay and run with another text than the template's. */
  readonly differing: readonly string[];
}

/** The number of an instance that is numbered as `scale` numbers: `web@12.service` -> 12; null for all others. */
export function instanceNumber(template: string, name: string): number | null {
  const { prefix, suffix } = nameParts(template);
  const parts = nameParts(name);
  if (parts.prefix !== prefix || parts.suffix !== suffix || !/^[1-9]\d{0,8}$/.test(parts.instance ?? ''))
    return null;
  return Number(parts.instance);
}

export function instanceName(template: string, number: number): string {
  const { prefix, suffix } = nameParts(template);
  return `${prefix}@${number}.${suffix}`;
}

/** `hash`: the template's. Instances that are not numbered are none of its business. */
export function planScale(
  template: string,
  hash: string,
  count: number,
  units: readonly UnitReport[],
): ScalePlan {
  const numbered = new Map<number, UnitReport>();
  for (const unit of units) {
    const number = instanceNumber(template, unit.record.name);
    if (number !== null) numbered.set(number, unit);
  }
  const create: string[] = [];
  const renew: UnitReport[] = [];
  const start: UnitReport[] = [];
  const differing: string[] = [];
  for (let number = 1; number <= count; number++) {
    const unit = numbered.get(number);
    const same = unit?.record.hash === hash;
    if (unit === undefined) create.push(instanceName(template, number));
    else if (runs(unit)) {
      if (!same) differing.push(unit.record.name);
    } else (same ? start : renew).push(unit);
  }
  const remove = [...numbered]
    .filter(
      ([number, { record, states }]) => number > count && (record.target !== 'inactive' || states.length > 0),
    )
    .sort(([a], [b]) => b - a)
    .map(([, unit]) => unit);
  return { create, renew, start, remove, differing };
}

/** Wanted to run, and not ended or failed where it is. */
function runs({ record, states }: UnitReport): boolean {
  return (
    record.target === 'launched' && !states.some((state) => state.reached === 'launched' && isSettled(state))
  );
}
