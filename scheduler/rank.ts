import type { Candidate, Placeable } from '../units/eligibility.js';
import { metadataValue } from '../units/requirement.js';
import type { Transfer } from './transfers.js';

/**
 * The machines in the order in which they are tried: fewest units first, then by id. Kept sorted while units
 * come and go: finding a place is a binary search, whatever the size of the fleet.
 */
export class Ranking {
  private readonly counts = new Map<string, number>();
  private readonly order: string[];

  constructor(machines: Iterable<string>) {
    this.order = [...machines].sort();
    for (const machine of this.order) this.counts.set(machine, 0);
  }

  /** Best first. Not to be used over a change. */
  machines(): readonly string[] {
    return this.order;
  }

  /** How many units a machine has; 0 for one that is not ranked. */
  count(machine: string): number {
    return this.counts.get(machine) ?? 0;
  }

  /** A unit came to (`by` 1) or left (`by` -1) a machine; unknown machines are not ranked. */
  change(machine: string, by: 1 | -1): void {
    const count = this.counts.get(machine);
    if (count === undefined) return;
    this.order.splice(this.position(machine, count), 1);
    this.counts.set(machine, count + by);
    this.order.splice(this.position(machine, count + by), 0, machine);
  }

  /** Where a machine with that count stands or belongs. */
  private position(machine: string, count: number): number {
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.order[middle] ?? '';
      const otherCount = this.counts.get(other) ?? 0;
      if (otherCount < count || (otherCount === count && other < machine)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * The machines for one unit, best first: the one a move names; those the unit has not failed on or been moved from;
 * then, with `Spread=`, the zone with the fewest siblings; then the most `Prefer=` met; then as `byCount` has them.
 * Machines without the key of `Spread=` are one zone of their own, tried last among zones with as many siblings.
 *
 * `siblings` has the machines of the unit's siblings, each with how many of them it has.
 */
export function rankFor(
  unit: Placeable,
  byCount: readonly string[],
  candidates: ReadonlyMap<string, Candidate>,
  siblings: ReadonlyMap<string, number>,
  transfer: Transfer | undefined,
): readonly string[] {
  const { spread } = unit.constraints;
  const zones = spread === null ? null : zoneCounts(spread, candidates, siblings);
  const scored = byCount.flatMap((id) => {
    const machine = candidates.get(id);
    if (machine === undefined) return [];
    const zone = spread === null ? '' : metadataValue(machine.metadata, spread);
    return [
      {
        id,
        score: [
          transfer?.to === id ? 0 : 1,
          transfer?.avoid.includes(id) ? 1 : 0,
          zones?.get(zone) ?? 0,
          zone === null ? 1 : 0,
          -preferred(unit, machine).length,
        ],
      },
    ];
  });
  return scored.sort((a, b) => compareScores(a.score, b.score)).map(({ id }) => id);
}

/** How many siblings each zone has; null is the zone of machines without the key. */
export function zoneCounts(
  key: string,
  candidates: ReadonlyMap<string, Candidate>,
  siblings: ReadonlyMap<string, number>,
): Map<string | null, number> {
  const zones = new Map<string | null, number>();
  for (const [id, count] of siblings) {
    const machine = candidates.get(id);
    if (machine === undefined) continue;
    const zone = metadataValue(machine.metadata, key);
    zones.set(zone, (zones.get(zone) ?? 0) + count);
  }
  return zones;
}

/** What of a unit's `Prefer=` a machine has, as `key=value`. */
export function preferred({ constraints }: Placeable, { metadata }: Candidate): string[] {
  return constraints.prefers
    .filter(({ key, value }) => metadataValue(metadata, key) === value)
    .map(({ key, value }) => `${key}=${value}`);
}

function compareScores(one: readonly number[], other: readonly number[]): number {
  for (const [at, score] of one.entries()) {
    const difference = score - (other[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
