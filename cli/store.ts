import { kindOf, permanent } from '../runtime/errors.js';
import { scrub, splitObject } from '../stores/location.js';
import { can, type ListableStore, type Store } from '../stores/store.js';
import { type Context, command } from './command.js';
import type { ListedStoreObject, ShownLocation } from './json-output.js';
import { isoOrNull, listedObject, locationLines, objectLine } from './store-text.js';
import { TEXT_OR_JSON } from './text-or-json.js';

export const ls = command({
  options: { output: TEXT_OR_JSON },
  examples: [
    'convoyctl store ls swift://zoom/dzis',
    'convoyctl store ls azure://account/container -o json | jq .size',
  ],
  run: async (context, [location = ''], options) => {
    const show = (rows: readonly ListedStoreObject[]): Promise<void> =>
      context.write(rows.map((row) => `${lineOf(row)}\n`).join(''));
    const lineOf = (row: ListedStoreObject): string =>
      options.output === 'json' ? JSON.stringify(row) : objectLine(row, context.terminal.out !== null);

    await withStore(context, location, async (store) => {
      if (!can(store, 'listPage'))
        throw permanent(`${store.name} cannot be listed: HTTP has no listing`, { code: 'rejected' });
      let listed = 0;
      let trouble: unknown;
      try {
        for await (const objects of pagesOf(store)) {
          listed += objects.length;
          if (objects.length > 0) await show(objects.map(listedObject));
        }
      } catch (error) {
        if (listed > 0 || kindOf(error) !== 'permanent') throw error;
        trouble = error;
      }
      if (listed > 0) return;
      // Nothing below it: it may be an object itself, or not be there at all.
      const object = await findObject(context, location).catch((error: unknown) => {
        throw trouble ?? error;
      });
      if (object !== null) {
        const { size, modifiedMs } = object.info;
        await show([{ key: object.key, size, modified: isoOrNull(modifiedMs) }]);
      } else if (trouble !== undefined) throw trouble;
      else await store.check();
    });
    return 0;
  },
});

async function* pagesOf(store: Pick<ListableStore, 'listPage'>) {
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<ListableStore['listPage']>> = await store.listPage('', cursor);
    yield page.objects;
    cursor = page.cursor;
  } while (cursor !== null);
}

export const stat = command({
  options: { output: TEXT_OR_JSON },
  examples: ['convoyctl store stat s3://bucket/dzis/abc.dzi', 'convoyctl store stat swift://zoom -o json'],
  run: async (context, [location = ''], options) => {
    const shown = await withStore(context, location, async (store): Promise<ShownLocation> => {
      const listable = can(store, 'listPage');
      const behaves = {
        writable: can(store, 'write'),
        listable,
        checksWrites: store.traits.checksWrites,
        reportsMd5: store.traits.reportsMd5,
        keeps: store.traits.keeps,
      };
      const object = location.endsWith('/') ? null : await findObject(context, location);
      if (object !== null) {
        const { size, md5, contentType, headers, metadata, modifiedMs } = object.info;
        const facts = { size, md5, contentType, modified: isoOrNull(modifiedMs), headers, metadata };
        return { location: scrub(location), kind: 'object', ...facts, ...behaves };
      }
      await store.check();
      const isContainer = /^file:/i.test(location) || splitObject(location) === null;
      if (!isContainer && !(await holdsSomething(store)))
        throw permanent(
          `${scrub(location)}: there is no such object${listable ? ', and none below it' : ''}`,
          {
            code: 'not-found',
          },
        );
      const nothing = { size: null, md5: null, contentType: null, modified: null };
      return {
        ...{ location: scrub(location), kind: isContainer ? 'container' : 'prefix' },
        ...{ ...nothing, headers: null, metadata: null, ...behaves },
      };

      async function holdsSomething(below: Store): Promise<boolean> {
        // What cannot be listed is taken for what it says it is, by the slash at its end.
        if (!can(below, 'listPage')) return location.endsWith('/');
        for await (const objects of pagesOf(below)) if (objects.length > 0) return true;
        return false;
      }
    });
    if (options.output === 'json') context.out(JSON.stringify(shown));
    else for (const line of locationLines(shown)) context.out(line);
    return 0;
  },
});

/** Opens the location with the plain variables, and closes it. Adapters take longer to load than all the rest. */
async function withStore<T>(
  { env, clock }: Context,
  location: string,
  use: (store: Store) => Promise<T>,
): Promise<T> {
  const [{ openStore }, { silentLog: log }] = await Promise.all([
    import('../stores/open.js'),
    import('../runtime/log.js'),
  ]);
  const store = await openStore(location, null, { log, env, retry: { clock, random: Math.random } });
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** The object at exactly this location; null if there is none. */
async function findObject(context: Context, location: string) {
  const object = splitObject(location);
  if (object === null) return null;
  const info = await withStore(context, object.parent, (store) => store.head(object.key));
  return info === null ? null : { key: object.key, info };
}
