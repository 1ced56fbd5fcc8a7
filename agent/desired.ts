import type { MachineSnapshot } from '../registry/registry.js';
import { readConstraints } from '../units/constraints.js';
import { serialize } from '../units/unit-file.js';

/** A unit that belongs on this machine. */
export interface DesiredUnit {
  readonly name: string;
  readonly hash: string;
  readonly text: string;
  readonly target: 'loaded' | 'launched';
  readonly restarts: number;
  /** Runs only while this machine's lease holds. */
  readonly leaseBound: boolean;
  readonly fence: number;
}

/** This machine's placements -> the units that belong here, by name. */
export function desiredUnits(snapshot: MachineSnapshot): ReadonlyMap<string, DesiredUnit> {
  return new Map(
    [...snapshot.placements.values()].map(({ unit, hash, target, restarts, fence, content }) => {
      const leaseBound = readConstraints(unit, content).constraints.stopBoundMs !== null;
      return [unit, { name: unit, hash, text: serialize(content), target, restarts, leaseBound, fence }];
    }),
  );
}
