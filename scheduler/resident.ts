import type { UnitRecord } from '../registry/model.js';
import type { Placeable } from '../units/eligibility.js';

/** Where a unit is while a placement is worked out. Nearly every unit is on one machine: that needs no set. */
export interface Whereabouts {
  on: string | Set<string> | null;
}

/** A unit that is to be somewhere, with its record and with where it is. */
export interface Resident extends Placeable, Whereabouts {
  readonly record: UnitRecord;
}

export function isOn({ on }: Whereabouts, machine: string): boolean {
  return on === machine || (typeof on === 'object' && on !== null && on.has(machine));
}

/** On how many machines it is. */
export function countOf({ on }: Whereabouts): number {
  return on === null ? 0 : typeof on === 'string' ? 1 : on.size;
}

/** By id. */
export function machinesOf({ on }: Whereabouts): readonly string[] {
  return on === null ? NOWHERE : typeof on === 'string' ? [on] : [...on].sort();
}

/** The machine of a unit that is not global, and so on one at most. */
export function homeOf({ on }: Whereabouts): string | undefined {
  return typeof on === 'string' ? on : on === null ? undefined : [...on][0];
}

export function moveIn(unit: Whereabouts, machine: string): void {
  if (unit.on === null) unit.on = machine;
  else if (typeof unit.on === 'object') unit.on.add(machine);
  else if (unit.on !== machine) unit.on = new Set([unit.on, machine]);
}

export function moveOut(unit: Whereabouts, machine: string): void {
  if (unit.on === machine) unit.on = null;
  else if (typeof unit.on === 'object' && unit.on?.delete(machine) && unit.on.size === 0) unit.on = null;
}

const NOWHERE: readonly string[] = [];
