import { opendir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConvoyError } from '../runtime/errors.js';
import { type Attempt, attempt, codeOf, type Purpose } from './filesystem/attempt.js';
import { directorySync } from './filesystem/directory-sync.js';
import { incomingFolder } from './filesystem/incoming.js';
import { listingOf } from './filesystem/listing.js';
import { checkFileKey } from './filesystem/names.js';
import { beginFile, PART_BYTES } from './filesystem/parts.js';
import { placeAt } from './filesystem/place.js';
import { infoOf, openStream, readFileWhole } from './filesystem/reading.js';
import { writeSynced } from './filesystem/synced-file.js';
import { commonLimits, refuseUnheld } from './limits.js';
import {
  type ListableStore,
  NO_PROPERTIES,
  type PartWritableStore,
  type StreamReadableStore,
  type WritableStore,
} from './store.js';

type FilesystemStore = WritableStore & ListableStore & StreamReadableStore & PartWritableStore;

/**
 * Objects as files below a directory. A write is a synced temporary file, moved to its name, and a synced
 * directory entry: after a crash or power cut there is the old object, the new one, never a part.
 *
 * Folders below the directory come with their objects. The directory itself is made by `createContainer` alone: one
 * that is not there may be a disk that is not mounted, and what is below it must not be filled in its place.
 */
export function filesystemStore(directory: string): FilesystemStore {
  const place = placeAt(directory);
  const synced = directorySync(directory);
  const incoming = incomingFolder(place, synced);
  const listing = listingOf(place);
  const limits = { ...commonLimits(''), partBytes: 255 };

  const asked = (purpose: Purpose, verb: string, path: string, signal: AbortSignal | undefined): Attempt => ({
    what: `${verb} ${path}`,
    purpose,
    place,
    signal,
  });

  async function onPath<T>(
    purpose: Purpose,
    verb: string,
    key: string,
    signal: AbortSignal | undefined,
    operation: (path: string, asked: Attempt) => Promise<T>,
  ): Promise<T> {
    checkFileKey(limits, key);
    const path = join(directory, key);
    const one = asked(purpose, verb, path, signal);
    return attempt(one, () => operation(path, one));
  }

  return {
    name: `file://${directory}`,
    traits: { checksWrites: false, reportsMd5: false, keeps: 'nothing', limits },
    check: (signal) =>
      attempt(asked('directory', 'look at', directory, signal), async () => {
        await (await opendir(directory)).close();
      }),
    createContainer: (signal) =>
      attempt(asked('directory', 'make', directory, signal), () => synced.makeTop()),
    async head(key, signal) {
      try {
        return await onPath('read', 'look at', key, signal, async (path) => infoOf(path, await stat(path)));
      } catch (error) {
        if (error instanceof ConvoyError && error.code === 'not-found') return null;
        throw error;
      }
    },
    read: (key, limit, signal) => onPath('read', 'read', key, signal, (path) => readFileWhole(path, limit)),
    readStream: (key, offset, signal) =>
      onPath('read', 'read', key, signal, (path, one) => openStream(path, offset, one)),
    write: (key, bytes, _properties, signal) =>
      onPath('write', 'write', key, signal, async (path) => {
        refuseUnheld(limits, key, bytes.length, NO_PROPERTIES);
        await incoming.make(key, async (temporary) => {
          await writeSynced(temporary, bytes);
          await synced.move(temporary, path);
        });
        await synced.flush(dirname(path));
      }),
    partBytes: () => PART_BYTES,
    beginParts: (key, size, _properties, signal) =>
      onPath('write', 'begin', key, signal, (path) =>
        beginFile({
          ...{ key, path, size, incoming, synced },
          run: (verb, partSignal, operation) => attempt(asked('write', verb, path, partSignal), operation),
        }),
      ),
    remove: (key, signal) =>
      onPath('write', 'remove', key, signal, async (path) => {
        try {
          await unlink(path);
        } catch (error) {
          // No such file: nothing to remove, if the directory itself is there.
          if (!['ENOENT', 'ENOTDIR', 'EISDIR'].includes(codeOf(error))) throw error;
          await stat(directory);
          return;
        }
        await synced.flush(dirname(path));
      }),
    listPage: (prefix, cursor, signal) => listing.page(prefix, cursor, signal),
    listFolder: (prefix, cursor, signal) => listing.folder(prefix, cursor, signal),
    close: () => synced.close(),
  };
}
