import { close, fdatasync, fsync, open, write } from 'node:fs';

/**
 * Writing and syncing through bare descriptors: a FileHandle and its promises cost as much CPU again as the calls
 * themselves, for every tile.
 */

/** Creates the file, which must not be there, with these bytes, and resolves when they are on the disk. */
export function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  return withDescriptor(path, 'wx', (descriptor, done) => {
    const writeFrom = (from: number): void => {
      if (from === bytes.length) fdatasync(descriptor, done);
      else
        write(descriptor, bytes, from, bytes.length - from, null, (error, written) => {
          if (error === null) writeFrom(from + written);
          else done(error);
        });
    };
    writeFrom(0);
  });
}

/** Resolves when the directory's entries are on the disk. */
export function syncDirectory(path: string): Promise<void> {
  return withDescriptor(path, 'r', fsync);
}

type Done = (error: NodeJS.ErrnoException | null) => void;

/** Opens, uses, closes; rejects with the first error of the three. */
function withDescriptor(
  path: string,
  flags: string,
  use: (descriptor: number, done: Done) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    open(path, flags, (openError, descriptor) => {
      if (openError !== null) {
        reject(openError);
        return;
      }
      use(descriptor, (useError) => {
        close(descriptor, (closeError) => {
          const error = useError ?? closeError ?? null;
          if (error === null) resolve();
          else reject(error);
        });
      });
    });
  });
}
