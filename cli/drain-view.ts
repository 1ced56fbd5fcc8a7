import type { UnitReport } from '../api/wire.js';
import { readConstraints } from '../units/constraints.js';
import { describeState } from './goals.js';
import { counted } from './table.js';

/** A unit of a machine that is to be empty, and in words why it is still there, or what becomes of it. */
export interface Occupant {
  readonly unit: string;
  readonly why: string;
}

/** How far a machine is from being empty. */
export interface Emptying {
  /** Units that will leave. */
  readonly leaving: readonly Occupant[];
  /** Units that no drain moves, with what to do about them. */
  readonly staying: readonly Occupant[];
}

export function emptying(machine: string, units: readonly UnitReport[]): Emptying {
  const leaving: Occupant[] = [];
  const staying: Occupant[] = [];
  for (const unit of units) {
    const { name, options } = unit.record;
    const placed = unit.machine === machine;
    const state = unit.states.find((one) => one.machine === machine);
    if (!placed && state === undefined) continue;
    const { sticky } = readConstraints(name, { options }).constraints;
    if (placed && sticky)
      staying.push({ unit: name, why: `it is moved only by hand (Sticky=yes): convoyctl move ${name}` });
    else if (placed)
      leaving.push({
        unit: name,
        why: unit.pending ?? (state === undefined ? 'placed' : describeState(state)),
      });
    else if (state !== undefined) leaving.push({ unit: name, why: describeState(state) });
  }
  return { leaving, staying };
}

/** `web@1.service (active (running)), web@2.service (deactivating (stop-sigterm)) and 4 more`. */
export function listOccupants(occupants: readonly Occupant[]): string {
  const shown = occupants.slice(0, 3).map(({ unit, why }) => `${unit} (${why})`);
  const more = occupants.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}

/** How the machines that would not have a unit say so, each reason once: `2 machines: lacks az=eu; 1 machine: ...`. */
export function listRefusals(
  machines: readonly { readonly alive: boolean; readonly refusal: string | null }[],
): string {
  const counts = new Map<string, number>();
  for (const { alive, refusal } of machines) {
    const why = alive ? refusal : 'is not there';
    if (why !== null) counts.set(why, (counts.get(why) ?? 0) + 1);
  }
  if (counts.size === 0) return 'there is no other machine';
  return [...counts].map(([why, count]) => `${counted(count, 'machine')}: ${why}`).join('; ');
}
