/** A unit that is to be placed, or whose placement is to be changed, with the generation of its record. */
export interface Waiting {
  readonly unit: string;
  readonly generation: number;
}

/**
 * How long units wait for the leader to act on a change of their record. Only of changes that this leader has seen
 * happen: of others it does not know since when, and what moves for another reason has not changed.
 */
export class Waits {
  private since: ReadonlyMap<string, { readonly generation: number; readonly at: number }> = new Map();
  private looked: number | null = null;

  /** A look at `revision` shows what waits now; `heardAt`: when the first change since the last look was heard of. */
  look(revision: number, waiting: readonly Waiting[], heardAt: number): void {
    const { looked, since: before } = this;
    this.looked = revision;
    this.since = new Map(
      waiting.flatMap(({ unit, generation }) => {
        const wait = before.get(unit);
        if (wait?.generation === generation) return [[unit, wait] as const];
        return looked !== null && generation > looked ? [[unit, { generation, at: heardAt }] as const] : [];
      }),
    );
  }

  /** How long a unit has waited until now, or null if it waited for no change seen here. */
  waited(unit: string, now: number): number | null {
    const wait = this.since.get(unit);
    return wait === undefined ? null : now - wait.at;
  }
}
