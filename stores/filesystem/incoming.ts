import { randomUUID } from 'node:crypto';
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, refuseUnmounted } from './attempt.js';
import type { DirectorySync } from './directory-sync.js';
import { INCOMING, refuseFoldable } from './names.js';
import type { Place } from './place.js';

/** The folder of the files that have no name yet. */
export interface Incoming {
  /**
   * Makes a file for the key, with a name of its own, by `create`; what fails leaves none. Makes the folder, if it
   * is not there, but never the directory above it: that one may be a disk that is not mounted.
   */
  make<T>(key: string, create: (path: string) => Promise<T>): Promise<T>;
}

/** No write takes this long: what is older was left by a process that died. */
const LEFTOVER_AGE_MS = 3_600_000;

export function incomingFolder(place: Place, synced: DirectorySync): Incoming {
  const folder = join(place.directory, INCOMING);
  const writer = randomUUID();
  let files = 0;
  let prepared: Promise<{ readonly folds: boolean }> | undefined;

  async function prepare(): Promise<{ readonly folds: boolean }> {
    await refuseUnmounted(`write to ${place.directory}`, place);
    await synced.makeFolder(folder);
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      const stats = await stat(path).catch(() => null);
      if (stats !== null && Date.now() - stats.mtimeMs > LEFTOVER_AGE_MS) await rm(path, { force: true });
    }
    return { folds: (await foldsCase()) || (await foldsAccents()) };
  }

  const foldsCase = (): Promise<boolean> => areOne(folder, join(place.directory, INCOMING.toUpperCase()));

  async function foldsAccents(): Promise<boolean> {
    const probe = join(folder, `${writer}-\u00e9`);
    await writeFile(probe, '', { flag: 'wx' });
    try {
      return await areOne(probe, join(folder, `${writer}-e\u0301`));
    } finally {
      await rm(probe, { force: true });
    }
  }

  async function create<T>(key: string, by: (path: string) => Promise<T>): Promise<T> {
    prepared ??= prepare().catch((error: unknown) => {
      prepared = undefined;
      throw error;
    });
    if ((await prepared).folds) refuseFoldable(key, place.directory);
    const path = join(folder, `${writer}-${files++}`);
    try {
      return await by(path);
    } catch (error) {
      await rm(path, { force: true }).catch(() => undefined);
      throw error;
    }
  }

  return {
    async make(key, by) {
      try {
        return await create(key, by);
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error;
        // The folder was taken away since it was prepared.
        prepared = undefined;
        return create(key, by);
      }
    },
  };
}

async function areOne(path: string, other: string): Promise<boolean> {
  const [one, two] = await Promise.all([stat(path), stat(other).catch(() => null)]);
  return two !== null && one.dev === two.dev && one.ino === two.ino;
}
