/**
 * Divides whole places among those who want some: nobody gets more than it wants, and what one leaves the others share
 * evenly (max-min fairness). What cannot be divided goes to those from `turn` on, so that with fewer places than takers
 * each has its time as `turn` moves on.
 */
export function shareOut(places: number, wants: readonly number[], turn: number): readonly number[] {
  const shares = wants.map(() => 0);
  let left = places;
  let open = wants.map((_, i) => (i + turn) % wants.length).filter((i) => wants[i]! > 0);
  while (left > 0 && open.length > 0) {
    const each = Math.max(1, Math.floor(left / open.length));
    for (const i of open) {
      const more = Math.min(each, wants[i]! - shares[i]!, left);
      shares[i]! += more;
      left -= more;
    }
    open = open.filter((i) => shares[i]! < wants[i]!);
  }
  return shares;
}
