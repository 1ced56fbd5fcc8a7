import type { UnitReport } from '../api/wire.js';
import { nameParts } from '../units/name.js';
import { isSettled } from './goals.js';

/** What brings the instances of a template to those that are wanted. */
export interface ScalePlan {
  /** Wanted instances that are not in the registry, by number. */
  readonly create: readonly string[];
  /** Those that are in it and do not run, with a text that is not the template's (they take it) or is. */
  readonly renew: readonly UnitReport[];
  readonly start: readonly UnitReport[];
  /** Those not wanted that are placed or run somewhere, highest number first. */
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

/** `hash`: the template's; `wanted`: by number, ascending. Instances that are not numbered are none of its business. */
export function planScale(
  template: string,
  hash: string,
  wanted: readonly number[],
  units: readonly UnitReport[],
): ScalePlan {
  const known = numbered(template, units);
  const create: string[] = [];
  const renew: UnitReport[] = [];
  const start: UnitReport[] = [];
  const differing: string[] = [];
  for (const number of wanted) {
    const unit = known.get(number);
    const same = unit?.record.hash === hash;
    if (unit === undefined) create.push(instanceName(template, number));
    else if (runs(unit)) {
      if (!same) differing.push(unit.record.name);
    } else (same ? start : renew).push(unit);
  }
  const stay = new Set(wanted);
  const remove = [...known]
    .filter(
      ([number, { record, states }]) =>
        !stay.has(number) && (record.target !== 'inactive' || states.length > 0),
    )
    .sort(([a], [b]) => b - a)
    .map(([, unit]) => unit);
  return { create, renew, start, remove, differing };
}

/** 1 to `count`. */
export function firstNumbers(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1);
}

/** The instances that are to run, by number. */
export function wantedInstances(template: string, units: readonly UnitReport[]): readonly UnitReport[] {
  return [...numbered(template, units)]
    .filter(([, { record }]) => record.target === 'launched')
    .sort(([a], [b]) => a - b)
    .map(([, unit]) => unit);
}

/** The lowest number that no instance that is to run has. */
export function freeNumber(template: string, units: readonly UnitReport[]): number {
  const taken = new Set(
    wantedInstances(template, units).map(({ record }) => instanceNumber(template, record.name)),
  );
  return firstNumbers(taken.size + 1).find((number) => !taken.has(number)) ?? 1;
}

function numbered(template: string, units: readonly UnitReport[]): Map<number, UnitReport> {
  return new Map(
    units.flatMap((unit) => {
      const number = instanceNumber(template, unit.record.name);
      return number === null ? [] : [[number, unit] as const];
    }),
  );
}

/** Wanted to run, and not ended or failed where it is. */
function runs({ record, states }: UnitReport): boolean {
  return (
    record.target === 'launched' && !states.some((state) => state.reached === 'launched' && isSettled(state))
  );
}
