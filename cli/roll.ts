/** What became of a list that was worked through. `code`: 0, or the worst exit code of those that failed. */
export interface Rolled<Item> {
  readonly code: number;
  readonly done: readonly Item[];
  readonly untouched: readonly Item[];
}

/**
 * Works through a list in lanes, each one item after another; none begins another once one has failed. `step` answers
 * an exit code.
 */
export async function roll<Item>(
  items: readonly Item[],
  lanes: number,
  step: (item: Item) => Promise<number>,
): Promise<Rolled<Item>> {
  const queue = [...items];
  const done: Item[] = [];
  let code = 0;
  async function lane(): Promise<void> {
    while (code === 0) {
      const next = queue.shift();
      if (next === undefined) return;
      const outcome = await step(next);
      if (outcome === 0) done.push(next);
      else code = Math.max(code, outcome);
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane));
  return { code, done, untouched: queue };
}
