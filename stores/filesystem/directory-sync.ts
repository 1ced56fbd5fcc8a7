import { mkdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from './synced-file.js';

/**
 * Makes directory entries durable. Many moves into one directory share a sync: whoever comes while one is under
 * way waits for the next, which covers all that came in between.
 */
export interface DirectorySync {
  /** Moves a file to its name below the top, making the folders on the way. Not yet durable. */
  move(from: string, to: string): Promise<void>;
  /** Makes a folder, and those above it that are missing, but not the top itself: without it, `ENOENT`. */
  makeFolder(folder: string): Promise<void>;
  /** Makes the top, and all above it that is missing. */
  makeTop(): Promise<void>;
  /** Resolves when a sync of the directory that began after this call has ended. */
  flush(directory: string): Promise<void>;
  close(): Promise<void>;
}

interface Syncing {
  running: Promise<void>;
  next: Promise<void> | undefined;
}

/** `top`: an absolute path, of which nothing is made by the way. */
export function directorySync(top: string): DirectorySync {
  const syncing = new Map<string, Syncing>();
  const making = new Map<string, Promise<void>>();

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

  /** One at a time: whoever wants the same folder waits until its entry is durable. */
  function makeFolder(folder: string): Promise<void> {
    const now = making.get(folder);
    if (now !== undefined) return now;
    const made = makeDurably(folder).finally(() => making.delete(folder));
    making.set(folder, made);
    return made;
  }

  async function makeDurably(folder: string): Promise<void> {
    try {
      await mkdir(folder);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return;
      const above = dirname(folder);
      if (code !== 'ENOENT' || above === top) throw error;
      await makeFolder(above);
      return makeDurably(folder);
    }
    await flush(dirname(folder));
  }

  return {
    flush,
    makeFolder,
    async makeTop() {
      const topmost = await mkdir(top, { recursive: true });
      if (topmost === undefined) return;
      for (let made = top; made.length >= topmost.length; made = dirname(made)) await flush(dirname(made));
    },
    async move(from, to) {
      const folder = dirname(to);
      try {
        await rename(from, to);
        await making.get(folder);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || folder === top) throw error;
        await makeFolder(folder);
        await rename(from, to);
      }
    },
    async close() {
      await Promise.allSettled([...syncing.values()].flatMap(({ running, next }) => [running, next]));
    },
  };
}
