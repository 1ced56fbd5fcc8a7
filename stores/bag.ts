/** Where an item is in its bag. Of an item that was taken out, it holds nothing. */
export interface Place<T> {
  item: T | undefined;
  at: number;
}

/**
 * Things in no order, of which each leaves soon: both ways in constant time. A Set would do, but for the collector: a table that
 * a Set has outgrown or tidied up points to its next one, so that each that grew old keeps all later ones and what is in
 * them, and with 64 at a time that is everything (2 kB with every tile, a mark-compact every 3 s).
 */
export class Bag<T> {
  private readonly places: Place<T>[] = [];

  get size(): number {
    return this.places.length;
  }

  add(item: T): Place<T> {
    const place = { item, at: this.places.length };
    this.places.push(place);
    return place;
  }

  /** Once for each place. */
  remove(place: Place<T>): void {
    const last = this.places.pop()!;
    if (last !== place) {
      this.places[place.at] = last;
      last.at = place.at;
    }
    place.item = undefined;
  }

  /** Each that is there now and still is when its turn comes, some twice; meanwhile any may be taken out, and more added. */
  *[Symbol.iterator](): Generator<T> {
    for (let at = this.places.length - 1; at >= 0; at--) {
      const item = this.places[at]?.item;
      if (item !== undefined) yield item;
    }
  }
}
