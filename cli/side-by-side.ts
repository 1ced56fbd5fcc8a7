/** So many requests of one command are under way at a time. */
const WIDTH = 16;

/**
 * Does the same to each of many, several at a time, and answers in their order. After a failure nothing more is begun;
 * once what was under way has ended, the first item's error that failed is thrown.
 */
export async function sideBySide<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const errors: { readonly at: number; readonly error: unknown }[] = [];
  let next = 0;

  async function takeTurns(): Promise<void> {
    while (next < items.length && errors.length === 0) {
      const at = next++;
      try {
        results[at] = await work(items[at] as Item);
      } catch (error) {
        errors.push({ at, error });
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(WIDTH, items.length) }, takeTurns));
  const [first] = errors.sort((a, b) => a.at - b.at);
  if (first !== undefined) throw first.error;
  return results;
}
