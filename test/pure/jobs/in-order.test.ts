import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inOrder } from '../../../jobs/in-order.js';
import { seeded } from '../../support/seed.js';

const never = new AbortController().signal;
const WINDOW = { atOnce: 4, ahead: 10, most: 3 };

async function* pagesOf<T>(...pages: readonly (readonly T[])[]): AsyncGenerator<readonly T[]> {
  yield* pages;
}

/** Work that ends when it is told to. */
function held() {
  const open = new Map<number, () => void>();
  const begun: number[] = [];
  return {
    begun,
    open,
    work: (item: number): Promise<number> => {
      begun.push(item);
      return new Promise((resolve) => open.set(item, () => resolve(item)));
    },
    end(item: number): void {
      open.get(item)?.();
      open.delete(item);
    },
  };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('answers come in the order of the items, whatever order the work ends in, and nothing is begun beyond the bounds', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.nat(20), { maxLength: 8 }), { maxLength: 8 }),
      fc.record({
        atOnce: fc.integer({ min: 1, max: 6 }),
        ahead: fc.integer({ min: 1, max: 12 }),
        most: fc.integer({ min: 1, max: 5 }),
      }),
      async (pages, window) => {
        let running = 0;
        let begun = 0;
        let handed = 0;
        const got: number[] = [];
        const work = async (turns: number): Promise<number> => {
          expect(++running).toBeLessThanOrEqual(window.atOnce);
          expect(++begun - handed).toBeLessThanOrEqual(window.ahead + window.most);
          for (let turn = 0; turn < turns; turn++) await Promise.resolve();
          running--;
          return turns;
        };
        for await (const answers of inOrder(() => pagesOf(...pages), work, window, never)) {
          expect(answers.length).toBeLessThanOrEqual(window.most);
          got.push(...answers);
          handed += answers.length;
        }
        expect(got).toEqual(pages.flat());
      },
    ),
    seeded(),
  );
});

test('a slow item does not hold up those after it, but for what may be ahead', async () => {
  const { work, end, begun } = held();
  const items = Array.from({ length: 40 }, (_, at) => at);
  let pages = 0;
  const lists = async function* (): AsyncGenerator<readonly number[]> {
    for (let at = 0; at < items.length; at += 5, pages++) yield items.slice(at, at + 5);
  };
  const answers = inOrder(lists, work, WINDOW, never);
  const first = answers.next();
  // All but the first end as soon as they are begun.
  for (let turn = 0; turn < 40; turn++) {
    for (const item of begun.slice(1)) end(item);
    await settle();
  }
  expect(begun).toEqual(items.slice(0, WINDOW.ahead));
  // Nor is more of a list held than that.
  expect(pages).toBe(WINDOW.ahead / 5);
  end(0);
  expect(await first).toEqual({ done: false, value: [0, 1, 2] });
  await settle();
  expect(begun.length).toBe(WINDOW.ahead + 3);
  for (const item of begun) end(item);
  await answers.return(undefined);
});

test('the first error ends everything begun, which is waited for', async () => {
  const ended: number[] = [];
  const work = async (item: number, signal: AbortSignal): Promise<number> => {
    if (item === 2) throw new Error('item 2');
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    await settle();
    ended.push(item);
    return item;
  };
  const all = inOrder(() => pagesOf([0, 1, 2, 3, 4, 5]), work, WINDOW, never);
  await expect(all.next()).rejects.toThrow('item 2');
  expect(ended).toEqual([0, 1, 3]);
});

test('an error of the pages is thrown, and who stops early ends what was begun', async () => {
  const failing = inOrder(
    async function* () {
      yield [1];
      throw new Error('no more pages');
    },
    async (item) => item,
    WINDOW,
    never,
  );
  await expect(
    (async () => {
      for await (const _ of failing);
    })(),
  ).rejects.toThrow('no more pages');

  let told = false;
  const endless = async function* (signal: AbortSignal): AsyncGenerator<readonly number[]> {
    try {
      for (let item = 0; !signal.aborted; item++) yield [item];
    } finally {
      told = signal.aborted;
    }
  };
  for await (const _ of inOrder(endless, async (item) => item, WINDOW, never)) break;
  expect(told).toBe(true);
});
