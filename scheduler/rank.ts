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
