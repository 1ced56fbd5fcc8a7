import { expect } from 'vitest';
import { type ListPage, listAll } from '../../stores/store.js';
import { type Contract, keysOf, properties, text } from './store-cases.js';

/** Listing, page by page. */
export function storeListing({ test, pageKeys }: Contract): void {
  const ABILITIES = ['write', 'listPage'] as const;

  test('lists exactly the keys with the prefix, with size and time', ABILITIES, async (store) => {
    const keys = ['list/a', 'list/ab/c', 'list/ab/d/e', 'list/b', 'listless'];
    for (const key of keys) await store.write(key, text(key), properties(text(key)));
    for await (const { key, size, modifiedMs } of listAll(store, 'list')) {
      expect(size).toBe(key.length);
      // A listing may tell fractions of the second that head tells.
      const told = (await store.head(key))?.modifiedMs ?? null;
      if (modifiedMs !== null && told !== null)
        expect(Math.abs(modifiedMs - told)).toBeLessThanOrEqual(1_000);
    }
    expect(await keysOf(store, 'list')).toEqual(keys);
    expect(await keysOf(store, 'list/')).toEqual(keys.slice(0, 4));
    expect(await keysOf(store, 'list/a')).toEqual(keys.slice(0, 3));
    expect(await keysOf(store, 'list/ab')).toEqual(['list/ab/c', 'list/ab/d/e']);
    expect(await keysOf(store, 'list/ab/d/')).toEqual(['list/ab/d/e']);
    expect(await keysOf(store, 'nothing/')).toEqual([]);
    expect(await keysOf(store, '')).toEqual(expect.arrayContaining(keys));
  });

  test('a prefix is taken letter by letter, whatever the letters', ABILITIES, async (store) => {
    const prefixes = ['100%/', 'a+b/', 'a b/', 'q?&=#/', 'ü🚀/', 'x<&amp;>/', "it's/", '*/', '[a]/', '.a/'];
    for (const prefix of prefixes) {
      const key = `special/${prefix}inside & <out>`;
      await store.write(key, text('x'), properties(text('x')));
    }
    for (const prefix of prefixes)
      expect(await keysOf(store, `special/${prefix}`)).toEqual([`special/${prefix}inside & <out>`]);
    expect(await keysOf(store, 'special/')).toHaveLength(prefixes.length);
  });

  test(
    'lists over pages without losing or repeating a key, and any page may be asked again',
    ABILITIES,
    async (store) => {
      const letters = ['a', 'b & ü', 'c'];
      const count = pageKeys + letters.length * 2;
      const keys = Array.from({ length: count }, (_, i) => `pages/${letters[i % letters.length]}/${i}+%`);
      for (let i = 0; i < keys.length; i += 50)
        await Promise.all(
          keys.slice(i, i + 50).map((key) => store.write(key, text(''), properties(text('')))),
        );
      const found: string[] = [];
      let pages = 0;
      let cursor: string | null = null;
      do {
        const page: ListPage = await store.listPage('pages/', cursor);
        expect(await store.listPage('pages/', cursor)).toEqual(page);
        found.push(...page.objects.map(({ key }) => key));
        cursor = page.cursor;
        pages++;
      } while (cursor !== null);
      expect(pages).toBeGreaterThan(1);
      expect(found.sort()).toEqual(keys.sort());
    },
  );

  test('lists what a signal lets it', ['listPage'], async (store) => {
    await expect(store.listPage('', null, AbortSignal.abort())).rejects.toMatchObject({ kind: 'aborted' });
  });
}
