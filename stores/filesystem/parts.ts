import { open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { permanent } from '../../runtime/errors.js';
import type { PartialWrite } from '../store.js';
import type { Attempt } from './attempt.js';
import type { DirectorySync } from './directory-sync.js';
import type { Incoming } from './incoming.js';

export const PART_BYTES = 8 * 1024 ** 2;

export interface PartsTarget {
  readonly key: string;
  readonly path: string;
  readonly size: number;
  readonly incoming: Incoming;
  readonly synced: DirectorySync;
  /** Runs an operation on the target under its own time-out. */
  run<T>(verb: string, signal: Attempt['signal'], operation: () => Promise<T>): Promise<T>;
}

/** One temporary file of all parts, each written at its place; synced once and moved to its name at the end. */
export async function beginFile(target: PartsTarget): Promise<PartialWrite> {
  const { key, path, size, incoming, synced, run } = target;
  const temporary = await incoming.make(key, async (name) => ({ name, file: await open(name, 'wx') }));
  const missing = new Set(Array.from({ length: Math.ceil(size / PART_BYTES) }, (_, index) => index));
  let isOpen = true;
  let isMoved = false;

  async function close(): Promise<void> {
    if (!isOpen) return;
    isOpen = false;
    await temporary.file.close();
  }

  return {
    writePart: (index, bytes, _md5, signal) =>
      run('write a part of', signal, async () => {
        const at = index * PART_BYTES;
        const expected = Math.min(PART_BYTES, size - at);
        if (bytes.length !== expected)
          throw permanent(`${path}: part ${index} has ${bytes.length} bytes, not ${expected}`, {
            code: 'rejected',
          });
        for (let from = 0; from < bytes.length; ) {
          const { bytesWritten } = await temporary.file.write(bytes, from, bytes.length - from, at + from);
          from += bytesWritten;
        }
        missing.delete(index);
      }),
    complete: (_md5, signal) =>
      run('complete', signal, async () => {
        if (missing.size > 0)
          throw permanent(`${path}: ${missing.size} parts are missing`, { code: 'rejected' });
        if (isOpen) await temporary.file.datasync();
        await close();
        if (!isMoved) await synced.move(temporary.name, path);
        isMoved = true;
        await synced.flush(dirname(path));
      }),
    abandon: (signal) =>
      run('abandon', signal, async () => {
        await close();
        if (!isMoved) await rm(temporary.name, { force: true });
      }),
  };
}
