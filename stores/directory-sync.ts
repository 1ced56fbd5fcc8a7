import { mkdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from './synced-file.js';

/**
 * Makes directory entries durable. Many moves into one directory share a sync: whoever comes while one is under
 * way waits for the next, which covers all that came in between.
 */
export interface DirectorySync {
  /** Moves a file to its name, making the folders on the way, and resolves when all of it is on the disk. */
  moveInto(from: string, to: string): Promise<void>;
  /** Makes a folder and those above it, durably. */
  makeFolder(directory: string): Promise<void>;
  /** Resolves when a sync of the directory that began after this call has ended. */
  flush(directory: string): Promise<void>;
  close(): Promise<void>;
}

interface Syncing {
  running: Promise<void>;
  next: Promise<void> | undefined;
}

export function directorySync(): DirectorySync {
  const syncing = new Map<string, Syncing>();

  function begin(directory: string): Syncing {
    const entry: Syncing = { running: syncDirectory(directory), next: undefined };
    syncing.set(directory, entry);
    const done = (): void => {
      if (entry.next === undefined) syncing.delete(directory);
    };
    entry.running.then(done, done);
    return entry;
  }

  function flush(directory: string): Promise<void> {
    const entry = syncing.get(directory);
    if (entry === undefined) return begin(directory).running;
    const start = (): Promise<void> => begin(directory).running;
    entry.next ??= entry.running.then(start, start);
    return entry.next;
  }

  // A new folder is an entry of its parent, and so on up to the first that was there.
  async function makeFolder(directory: string): Promise<void> {
    const topmost = await mkdir(directory, { recursive: true });
    if (topmost === undefined) return;
    for (let made = directory; made.length >= topmost.length; made = dirname(made))
      await flush(dirname(made));
  }

  return {
    makeFolder,
    flush,
    async moveInto(from, to) {
      const folder = dirname(to);
      try {
        await rename(from, to);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        await makeFolder(folder);
        await rename(from, to);
      }
      await flush(folder);
    },
    async close() {
      await Promise.allSettled([...syncing.values()].flatMap(({ running, next }) => [running, next]));
    },
  };
}
