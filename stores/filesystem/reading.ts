import { type FileHandle, open } from 'node:fs/promises';
import { permanent, transient } from '../../runtime/errors.js';
import { NO_PROPERTIES, type ObjectInfo, type StoredObject, type StreamedObject } from '../store.js';
import { type Attempt, attempt } from './attempt.js';

const CHUNK_BYTES = 1024 ** 2;

export function infoOf(
  path: string,
  stats: { isFile(): boolean; size: number; mtimeMs: number },
): ObjectInfo {
  if (!stats.isFile()) throw permanent(`${path} is not a file`, { code: 'not-found' });
  return { ...NO_PROPERTIES, size: stats.size, md5: null, modifiedMs: stats.mtimeMs };
}

export async function readFileWhole(path: string, limit: number): Promise<StoredObject> {
  const file = await open(path, 'r');
  try {
    const info = infoOf(path, await file.stat());
    if (info.size > limit) throw permanent(`read ${path}: larger than ${limit} bytes`, { code: 'too-large' });
    const bytes = await file.readFile();
    if (bytes.length !== info.size) throw cutShort(path, bytes.length, info.size);
    return { ...info, bytes };
  } finally {
    await file.close();
  }
}

/** The file stays the one that was opened, whatever is moved to its name meanwhile. */
export async function openStream(path: string, offset: number, asked: Attempt): Promise<StreamedObject> {
  const file = await open(path, 'r');
  try {
    const info = infoOf(path, await file.stat());
    if (offset > info.size)
      throw permanent(`read ${path}: has ${info.size} bytes, none at ${offset}`, { code: 'rejected' });
    return {
      ...info,
      body: { [Symbol.asyncIterator]: () => chunksOf(path, file, offset, info.size, asked) },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** An iterator of its own and not a generator: one that is returned before its first chunk closes the file too. */
function chunksOf(
  path: string,
  file: FileHandle,
  offset: number,
  size: number,
  asked: Attempt,
): AsyncIterator<Uint8Array> {
  let at = offset;
  const end = async (): Promise<IteratorReturnResult<undefined>> => {
    await file.close();
    return { done: true, value: undefined };
  };
  return {
    return: end,
    async next() {
      if (at === size) return end();
      try {
        const length = Math.min(CHUNK_BYTES, size - at);
        const { buffer, bytesRead } = await attempt(asked, () =>
          file.read(Buffer.allocUnsafe(length), 0, length, at),
        );
        if (bytesRead === 0) throw cutShort(path, at - offset, size - offset);
        at += bytesRead;
        return { done: false, value: buffer.subarray(0, bytesRead) };
      } catch (error) {
        void file.close();
        throw error;
      }
    },
  };
}

function cutShort(path: string, came: number, expected: number): Error {
  return transient(`read ${path}: ${came} of ${expected} bytes came`, { code: 'truncated' });
}
