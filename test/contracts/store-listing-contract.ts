import { expect } from 'vitest';
import { ConvoyError } from '../../runtime/errors.js';
import {
  type FolderPage,
  type ListableStore,
  type ListedObject,
  type ListPage,
  listAll,
} from '../../stores/store.js';
import { type Contract, coded, keysOf, properties, text } from './store-cases.js';

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

  test('lists what a signal lets it', ['listPage', 'listFolder'], async (store) => {
    const stopped = AbortSignal.abort();
    await expect(store.listPage('', null, stopped)).rejects.toMatchObject({ kind: 'aborted' });
    await expect(store.listFolder('', null, stopped)).rejects.toMatchObject({ kind: 'aborted' });
  });
}

/** What lies directly under a prefix, page by page. */
export function storeFolders({ test, pageKeys }: Contract): void {
  const ABILITIES = ['write', 'listFolder'] as const;

  test('a folder shows its objects and folders, never what is deeper', ABILITIES, async (store) => {
    const keys = [
      ...['folder/a', 'folder/a.dzi', 'folder/a_files/0/0_0.jpg', 'folder/a_files/1/0_0.jpg'],
      ...['folder/ab/c/d/e', 'folder/b', 'folderless', 'folder.dzi'],
    ];
    for (const key of keys) await store.write(key, text(key), properties(text(key)));
    const { objects, folders } = await folderOf(store, 'folder/');
    expect(objects.map(({ key, size }) => [key, size])).toEqual(
      ['folder/a', 'folder/a.dzi', 'folder/b'].map((key) => [key, key.length]),
    );
    for (const { key, modifiedMs } of objects) {
      const told = (await store.head(key))?.modifiedMs ?? null;
      if (modifiedMs !== null && told !== null)
        expect(Math.abs(modifiedMs - told)).toBeLessThanOrEqual(1_000);
    }
    expect(folders).toEqual(['folder/a_files/', 'folder/ab/']);
    expect(await namesOf(store, 'folder/a_files/')).toEqual(['folder/a_files/0/', 'folder/a_files/1/']);
    expect(await namesOf(store, 'folder/a_files/0/')).toEqual(['folder/a_files/0/0_0.jpg']);
    const top = await folderOf(store, '');
    expect(top.objects.map(({ key }) => key)).toEqual(expect.arrayContaining(['folder.dzi', 'folderless']));
    expect(top.folders).toContain('folder/');
    for (const name of [...top.objects.map(({ key }) => key), ...top.folders])
      expect(name).toMatch(/^[^/]+\/?$/);
  });

  test('of a folder that is not there nothing is shown', ABILITIES, async (store) => {
    await store.write('alone/object', text('x'), properties(text('x')));
    for (const prefix of ['alone/obj/', 'alon/', 'no/such/folder/', 'alone/object/'])
      expect(await namesOf(store, prefix)).toEqual([]);
  });

  test('an object and a folder of one name are both shown, where both can be', ABILITIES, async (store) => {
    await store.write('like/same', text('x'), properties(text('x')));
    const both = await store.write('like/same/x', text('x'), properties(text('x'))).then(
      () => true,
      (error: unknown) => {
        expect(error).toBeInstanceOf(ConvoyError);
        return false;
      },
    );
    expect(await namesOf(store, 'like/')).toEqual(both ? ['like/same', 'like/same/'] : ['like/same']);
    if (both) expect(await namesOf(store, 'like/same/')).toEqual(['like/same/x']);
  });

  test('the names in a folder are told as they are, whatever the letters', ABILITIES, async (store) => {
    const words = [
      '100%',
      '%2F%20',
      'a+b',
      'a b',
      ' b ',
      'q?&=#',
      'ü🚀',
      'x<&amp;>',
      "it's",
      '*',
      '[a]',
      '007',
    ];
    for (const word of words)
      for (const key of [`letters/${word}/in & <side>`, `letters/${word}.dzi`])
        await store.write(key, text('x'), properties(text('x')));
    expect(await namesOf(store, 'letters/')).toEqual(
      words.flatMap((word) => [`letters/${word}.dzi`, `letters/${word}/`]).sort(),
    );
    for (const word of words)
      expect(await namesOf(store, `letters/${word}/`)).toEqual([`letters/${word}/in & <side>`]);
  });

  test(
    'a folder is shown over pages without losing or repeating a name, and any page may be asked again',
    ABILITIES,
    async (store) => {
      const count = Math.ceil(pageKeys / 2) + 3;
      const names = Array.from({ length: count }, (_, i) => `paged/${i} +%ü`);
      const keys = names.flatMap((name) => [`${name}.dzi`, `${name}/0`, `${name}/1`]);
      for (let i = 0; i < keys.length; i += 50)
        await Promise.all(
          keys.slice(i, i + 50).map((key) => store.write(key, text(''), properties(text('')))),
        );
      const found: string[] = [];
      let pages = 0;
      let cursor: string | null = null;
      do {
        const page: FolderPage = await store.listFolder('paged/', cursor);
        expect(await store.listFolder('paged/', cursor)).toEqual(page);
        found.push(...page.objects.map(({ key }) => key), ...page.folders);
        cursor = page.cursor;
        pages++;
      } while (cursor !== null);
      // A folder that is one page by itself has no more of them.
      expect(pages > 1).toBe(pageKeys > 1);
      expect(found.sort()).toEqual(names.flatMap((name) => [`${name}.dzi`, `${name}/`]).sort());
    },
  );

  for (const prefix of ['../', '/etc/', 'a//', 'a/../../'])
    test(`shows nothing outside in the folder ${JSON.stringify(prefix)}`, ['listFolder'], async (store) => {
      const found = await namesOf(store, prefix).catch((error: unknown) => {
        expect(error).toMatchObject(coded('name-refused'));
        return [];
      });
      expect(found).toEqual([]);
    });
}

/** All pages of a folder, each sort sorted. */
async function folderOf(store: Pick<ListableStore, 'listFolder'>, prefix: string) {
  const objects: ListedObject[] = [];
  const folders: string[] = [];
  let cursor: string | null = null;
  do {
    const page: FolderPage = await store.listFolder(prefix, cursor);
    objects.push(...page.objects);
    folders.push(...page.folders);
    cursor = page.cursor;
  } while (cursor !== null);
  return { objects: objects.sort((a, b) => (a.key < b.key ? -1 : 1)), folders: folders.sort() };
}

async function namesOf(store: Pick<ListableStore, 'listFolder'>, prefix: string): Promise<string[]> {
  const { objects, folders } = await folderOf(store, prefix);
  return [...objects.map(({ key }) => key), ...folders].sort();
}
