import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { aborted, permanent } from '../../runtime/errors.js';
import { checkKey } from '../key.js';
import type { FolderPage, ListedObject, ListPage } from '../store.js';
import { attempt, codeOf, refuseUnmounted } from './attempt.js';
import { INCOMING } from './names.js';
import type { Place } from './place.js';

export interface Listing {
  page(prefix: string, cursor: string | null, signal: AbortSignal | undefined): Promise<ListPage>;
  /** The same of one folder: '' or with its slash. */
  folder(prefix: string, cursor: string | null, signal: AbortSignal | undefined): Promise<FolderPage>;
}

/** A folder on the way to where the listing is. Names are sorted; those of folders end with a slash. */
interface Level {
  readonly folder: string;
  readonly names: readonly string[];
  next: number;
}

const PAGE_NAMES = 1000;
/** About 400 MB: more than the descriptors and folders of a million images. Beyond it a folder is read anew for each page. */
const KEPT_NAMES = 4_000_000;

/**
 * Pages in the order of the keys. The cursor is the last name seen, with a slash if it is a folder: a page may be
 * asked for again, and by another process. The names of the folders on the way to it are kept, so that a folder of a
 * million names is read once and not for each page; the listing shows what was there when its folder was read, save
 * what has gone since. Links to files are followed, links to folders are not (they may lead in circles).
 */
export function listingOf(place: Place): Listing {
  let kept = new Map<string, readonly string[]>();
  /** Of single folders that have a next page: several may be read side by side. */
  const begun = new Map<string, readonly string[]>();

  async function namesOf(folder: string): Promise<readonly string[]> {
    const entries = await readdir(join(place.directory, folder), { withFileTypes: true });
    const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
    return names.filter((name) => folder !== '' || name !== `${INCOMING}/`).sort();
  }

  /** A folder that has gone in the meantime holds nothing. */
  async function namesLeft(folder: string): Promise<readonly string[]> {
    return namesOf(folder).catch(async (error: unknown) => {
      if (!isGone(error) || !(await isFolder(place.directory))) throw error;
      return [];
    });
  }

  async function level(folder: string, after: string): Promise<Level> {
    const names = kept.get(folder) ?? (await namesLeft(folder));
    return { folder, names, next: firstAfter(names, after) };
  }

  async function descend(first: string, cursor: string | null): Promise<Level[]> {
    const levels: Level[] = [];
    let folder = first;
    for (const part of (cursor ?? first).slice(first.length).match(/[^/]*\/|[^/]+$/g) ?? []) {
      levels.push(await level(folder, part));
      folder += part;
    }
    if (folder.endsWith('/') || folder === '') levels.push(await level(folder, ''));
    return levels;
  }

  function keep(levels: readonly Level[]): void {
    kept = new Map();
    let names = 0;
    for (const one of levels) {
      names += one.names.length;
      if (names <= KEPT_NAMES) kept.set(one.folder, one.names);
    }
  }

  /** Looks at a thousand names or so, goes into folders, and resolves with the files among them. */
  async function walk(
    prefix: string,
    cursor: string | null,
    signal: AbortSignal | undefined,
  ): Promise<ListPage> {
    const first = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    if (first.startsWith(`${INCOMING}/`)) return { objects: [], cursor: null };
    if (cursor === null) kept = new Map();
    const levels = await descend(first, cursor);
    const keys: string[] = [];
    let last = cursor;
    for (let seen = 0; seen < PAGE_NAMES; ) {
      const here = levels.at(-1);
      if (here === undefined) break;
      const name = here.names[here.next++];
      if (name === undefined) {
        levels.pop();
        continue;
      }
      const key = here.folder + name;
      // In the first folder names may differ from the prefix; below it all keys have it.
      if (here.folder === first && !key.startsWith(prefix)) continue;
      seen++;
      last = key;
      if (!name.endsWith('/')) keys.push(key);
      else {
        if (signal?.aborted) throw aborted(`list ${place.directory}: given up`);
        levels.push(await level(key, ''));
      }
    }
    keep(levels);
    return { objects: await filesAmong(keys), cursor: levels.length === 0 ? null : last };
  }

  async function filesAmong(keys: readonly string[]): Promise<ListedObject[]> {
    const found = await Promise.all(keys.map((key) => lookAt(place.directory, key)));
    return found.filter((object) => object !== null);
  }

  async function folder(prefix: string, cursor: string | null): Promise<FolderPage> {
    if (prefix.startsWith(`${INCOMING}/`)) return { objects: [], folders: [], cursor: null };
    const known = cursor === null ? undefined : begun.get(prefix);
    const names = known ?? (await namesLeft(prefix));
    const first = firstAfter(names, cursor ?? '');
    const page = names.slice(first, first + PAGE_NAMES);
    const isLast = first + page.length >= names.length;
    if (isLast) begun.delete(prefix);
    else if (known === undefined) keepBegun(prefix, names);
    const keys = page.filter((name) => !name.endsWith('/')).map((name) => prefix + name);
    return {
      objects: await filesAmong(keys),
      folders: page.filter((name) => name.endsWith('/')).map((name) => prefix + name),
      cursor: isLast ? null : (page.at(-1) ?? null),
    };
  }

  /** The oldest make room: who goes on with one of them has it read anew. */
  function keepBegun(prefix: string, names: readonly string[]): void {
    begun.set(prefix, names);
    let held = 0;
    for (const one of begun.values()) held += one.length;
    for (const [oldest, one] of begun) {
      if (held <= KEPT_NAMES) return;
      begun.delete(oldest);
      held -= one.length;
    }
  }

  async function inPlace<Page>(
    prefix: string,
    signal: AbortSignal | undefined,
    list: () => Promise<Page>,
  ): Promise<Page> {
    const what = `list ${join(place.directory, prefix)}`;
    return attempt({ what, purpose: 'directory', place, signal }, async () => {
      const [, parent] = /^(.*)\//s.exec(prefix) ?? [];
      if (parent !== undefined) checkKey(parent);
      await refuseUnmounted(`list ${place.directory}`, place);
      return list();
    });
  }

  return {
    page: (prefix, cursor, signal) => inPlace(prefix, signal, () => walk(prefix, cursor, signal)),
    folder: (prefix, cursor, signal) => inPlace(prefix, signal, () => folder(prefix, cursor)),
  };
}

/** The first place in the sorted names that comes after this one. */
function firstAfter(names: readonly string[], name: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((names[middle] ?? '') > name) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** null for what is no file (any more). */
async function lookAt(directory: string, key: string): Promise<ListedObject | null> {
  try {
    const found = await stat(join(directory, key));
    return found.isFile() ? { key, size: found.size, modifiedMs: found.mtimeMs } : null;
  } catch (error) {
    if (!isGone(error)) throw error;
    // What readdir could not decode cannot be asked for either.
    if (key.includes('\ufffd'))
      throw permanent(`list ${directory}: the name ${JSON.stringify(key)} is not UTF-8, it cannot be read`, {
        code: 'name-refused',
        cause: error,
      });
    return null;
  }
}

const isGone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(codeOf(error));

async function isFolder(directory: string): Promise<boolean> {
  const found = await stat(directory).catch(() => null);
  return found?.isDirectory() ?? false;
}
