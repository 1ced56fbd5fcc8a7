import type { Candidate, Placeable } from '../units/eligibility.js';
import { metadataValue } from '../units/requirement.js';
import type { Candidates } from './candidates.js';
import type { Transfer } from './transfers.js';

/**
 * The machines in the order in which they are tried: fewest units first, then by id. Kept sorted while units
 * come and go: a change moves one machine by a binary search, and those between by one place.
 */
export class Ranking {
  private readonly candidates: Candidates;
  /** How many units each has, by place in the list of candidates. */
  private readonly counts: Int32Array;
  private readonly order: Int32Array;

  /** `others`: units there that will neither come nor go. */
  constructor(candidates: Candidates, others: ReadonlyMap<string, number>) {
    this.candidates = candidates;
    this.counts = Int32Array.from(candidates.list, ({ id }) => others.get(id) ?? 0);
    this.order = Int32Array.from(candidates.list.keys());
    if (others.size > 0) this.order.sort((a, b) => this.countAt(a) - this.countAt(b) || a - b);
  }

  /** Best first. Not to be used over a change. */
  machines(): readonly Candidate[] {
    return Array.from(this.order, (place) => this.candidates.list[place]!);
  }

  /** The best machine that passes, `test` being asked by places in the list of candidates. */
  first(test: (place: number) => boolean): Candidate | undefined {
    for (const place of this.order) if (test(place)) return this.candidates.list[place];
    return undefined;
  }

  /** How many units a machine has; 0 for one that is not ranked. */
  count(machine: string): number {
    const place = this.candidates.placeOf(machine);
    return place === undefined ? 0 : this.countAt(place);
  }

  /** A unit came to (`by` 1) or left (`by` -1) a machine; unknown machines are not ranked. */
  change(machine: string, by: 1 | -1): void {
    const place = this.candidates.placeOf(machine);
    if (place === undefined) return;
    const count = this.countAt(place);
    const from = this.position(place, count);
    const to = this.position(place, count + by);
    if (by === 1) {
      this.order.copyWithin(from, from + 1, to);
      this.order[to - 1] = place;
    } else {
      this.order.copyWithin(to + 1, to, from);
      this.order[to] = place;
    }
    this.counts[place] = count + by;
  }

  private countAt(place: number): number {
    return this.counts[place]!;
  }

  /** How many machines come before one at this place in the list if it has that count, itself with what it has now. */
  private position(place: number, count: number): number {
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.order[middle]!;
      const otherCount = this.countAt(other);
      if (otherCount < count || (otherCount === count && other < place)) low = middle + 1;
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
  byCount: readonly Candidate[],
  candidates: ReadonlyMap<string, Candidate>,
  siblings: ReadonlyMap<string, number>,
  transfer: Transfer | undefined,
): readonly string[] {
  const { spread } = unit.constraints;
  const zones = spread === null ? null : zoneCounts(spread, candidates, siblings);
  const scored = byCount.map((machine) => {
    const { id, metadata } = machine;
    const zone = spread === null ? '' : metadataValue(metadata, spread);
    const score = [
      transfer?.to === id ? 0 : 1,
      transfer?.avoid.includes(id) ? 1 : 0,
      zones?.get(zone) ?? 0,
      zone === null ? 1 : 0,
      -preferred(unit, machine).length,
    ];
    return { id, score };
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
