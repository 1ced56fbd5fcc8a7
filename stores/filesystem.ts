import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { aborted, ConvoyError, permanent, transient } from '../runtime/errors.js';
import { directorySync } from './directory-sync.js';
import { checkKey } from './key.js';
import { checkHeldKey, commonLimits, refuseUnheld } from './limits.js';
import type {
  ListableStore,
  ListedObject,
  ListPage,
  ObjectInfo,
  StoredObject,
  WritableStore,
} from './store.js';
import { NO_PROPERTIES } from './store.js';
import { writeSynced } from './synced-file.js';

/** Files are written here and moved to their names: on the same file system, and never listed. */
const INCOMING = '.convoy-incoming';
/** No write takes this long: what is older was left by a process that died. */
const LEFTOVER_AGE_MS = 3_600_000;
const TIMEOUT_MS = 60_000;

/**
 * Objects as files below a directory. A write is a synced temporary file, moved to its name, and a synced
 * directory entry: after a crash or power cut there is the old object, the new one, never a part.
 */
export function filesystemStore(directory: string): WritableStore & ListableStore {
  const incoming = join(directory, INCOMING);
  const writer = randomUUID();
  const synced = directorySync();
  let writes = 0;
  let prepared: Promise<void> | undefined;

  const limits = { ...commonLimits(''), partBytes: 255 };
  const pathOf = (key: string): string => {
    checkHeldKey(limits, key);
    if (key === INCOMING || key.startsWith(`${INCOMING}/`))
      throw permanent(`the name "${key}" is reserved`, { code: 'name-refused' });
    return join(directory, key);
  };

  async function prepare(): Promise<void> {
    await synced.makeFolder(incoming);
    for (const name of await readdir(incoming)) {
      const path = join(incoming, name);
      const stats = await stat(path).catch(() => null);
      if (stats !== null && Date.now() - stats.mtimeMs > LEFTOVER_AGE_MS) await rm(path, { force: true });
    }
  }

  async function writeIncoming(bytes: Uint8Array): Promise<string> {
    prepared ??= prepare().catch((error: unknown) => {
      prepared = undefined;
      throw error;
    });
    await prepared;
    const path = join(incoming, `${writer}-${writes++}`);
    try {
      await writeSynced(path, bytes);
      return path;
    } catch (error) {
      await rm(path, { force: true }).catch(() => undefined);
      if (codeOf(error) === 'ENOENT') prepared = undefined;
      throw error;
    }
  }

  /** Runs the operation on the key's path; what the system answers becomes an error of the store's. */
  async function onPath<T>(
    verb: string,
    key: string,
    signal: AbortSignal | undefined,
    operation: (path: string) => Promise<T>,
  ): Promise<T> {
    const path = pathOf(key);
    if (signal?.aborted) throw aborted(`${verb} ${path}: given up`);
    try {
      return await withinTime(`${verb} ${path}`, operation(path));
    } catch (error) {
      throw await translate(`${verb} ${path}`, error, directory);
    }
  }

  async function onDirectory<T>(
    verb: string,
    signal: AbortSignal | undefined,
    operation: () => Promise<T>,
  ): Promise<T> {
    if (signal?.aborted) throw aborted(`${verb} ${directory}: given up`);
    try {
      return await withinTime(`${verb} ${directory}`, operation());
    } catch (error) {
      throw await translate(`${verb} ${directory}`, error, directory);
    }
  }

  return {
    name: `file://${directory}`,
    traits: { checksWrites: false, reportsMd5: false, keeps: 'nothing', limits },
    async check(signal) {
      await onDirectory('look at', signal, async () => void (await readdir(directory)));
    },
    createContainer: (signal) => onDirectory('make', signal, () => synced.makeFolder(directory)),
    async head(key, signal) {
      try {
        return await onPath('look at', key, signal, async (path) => infoOf(path, await stat(path)));
      } catch (error) {
        if (error instanceof ConvoyError && error.code === 'not-found') return null;
        throw error;
      }
    },
    read: (key, limit, signal) =>
      onPath('read', key, signal, async (path) => {
        const file = await open(path, 'r');
        try {
          return await readWhole(path, file, limit);
        } finally {
          await file.close();
        }
      }),
    write: (key, bytes, properties, signal) =>
      onPath('write', key, signal, async (path) => {
        refuseUnheld(limits, key, bytes.length, { ...properties, metadata: {} });
        const temporary = await writeIncoming(bytes);
        try {
          await synced.moveInto(temporary, path);
        } catch (error) {
          await rm(temporary, { force: true }).catch(() => undefined);
          throw error;
        }
      }),
    remove: (key, signal) =>
      onPath('remove', key, signal, async (path) => {
        await rm(path, { force: true });
        await synced.flush(dirname(path)).catch((error: unknown) => {
          if (codeOf(error) !== 'ENOENT') throw error;
        });
      }),
    listPage: (prefix, cursor, signal) => listPage(directory, prefix, cursor, signal),
    async close() {
      await synced.close();
    },
  };
}

async function readWhole(path: string, file: FileHandle, limit: number): Promise<StoredObject> {
  const info = infoOf(path, await file.stat());
  if (info.size > limit) throw permanent(`read ${path}: larger than ${limit} bytes`, { code: 'too-large' });
  const bytes = await file.readFile();
  if (bytes.length !== info.size)
    throw transient(`read ${path}: ${bytes.length} of ${info.size} bytes came`, { code: 'truncated' });
  return { ...info, bytes };
}

function infoOf(path: string, stats: { isFile(): boolean; size: number; mtimeMs: number }): ObjectInfo {
  if (!stats.isFile()) throw permanent(`${path} is not a file`, { code: 'not-found' });
  return { ...NO_PROPERTIES, size: stats.size, md5: null, modifiedMs: stats.mtimeMs };
}

const PAGE_KEYS = 1000;

/**
 * A page is a slice of one folder, sorted by name. The cursor holds the folders still to visit and the last name
 * seen, so that a page may be asked for again, and by another process.
 */
async function listPage(
  directory: string,
  prefix: string,
  cursor: string | null,
  signal: AbortSignal | undefined,
): Promise<ListPage> {
  const first = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (first !== '') checkKey(first.slice(0, -1));
  const { folders, after } = (cursor === null ? { folders: [first], after: '' } : JSON.parse(cursor)) as {
    folders: string[];
    after: string;
  };
  const [folder, ...rest] = folders;
  if (folder === undefined) return { objects: [], cursor: null };
  const path = join(directory, folder);
  if (signal?.aborted) throw aborted(`list ${path}: given up`);
  try {
    const entries = (await readdir(path, { withFileTypes: true }))
      .filter(({ name }) => name > after && `${folder}${name}` !== INCOMING)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const page = entries.slice(0, PAGE_KEYS);
    const deeper = page
      .filter((entry) => entry.isDirectory())
      .map((entry) => `${folder}${entry.name}/`)
      .filter((key) => key.startsWith(prefix) || prefix.startsWith(key));
    const objects: ListedObject[] = [];
    for (const entry of page) {
      const key = `${folder}${entry.name}`;
      if (!entry.isFile() || !key.startsWith(prefix)) continue;
      const { size, mtimeMs } = await stat(join(directory, key));
      objects.push({ key, size, modifiedMs: mtimeMs });
    }
    const here = entries.length > PAGE_KEYS;
    const left = here ? [folder, ...deeper, ...rest] : [...deeper, ...rest];
    const next = { folders: left, after: here ? (page.at(-1)?.name ?? '') : '' };
    return { objects, cursor: left.length === 0 ? null : JSON.stringify(next) };
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw await translate(`list ${path}`, error, directory);
    return { objects: [], cursor: rest.length === 0 ? null : JSON.stringify({ folders: rest, after: '' }) };
  }
}

/** A disk that hangs (a network file system, say) cannot be interrupted, only left waiting. */
async function withinTime<T>(what: string, operation: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(transient(`${what}: no answer within ${TIMEOUT_MS} ms`, { code: 'timeout' })),
      TIMEOUT_MS,
    );
  });
  try {
    return await Promise.race([operation, late]);
  } finally {
    clearTimeout(timer);
  }
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? '');
}

async function translate(what: string, error: unknown, directory: string): Promise<ConvoyError> {
  if (error instanceof ConvoyError) return error;
  const code = codeOf(error);
  const message = `${what}: ${error instanceof Error ? error.message : String(error)}`;
  switch (code) {
    case 'ENOENT': {
      const there = await stat(directory).catch(() => null);
      return there === null
        ? permanent(`${what}: there is no directory ${directory}`, { code: 'container-absent', cause: error })
        : permanent(message, { code: 'not-found', cause: error });
    }
    case 'ENOTDIR':
    case 'EISDIR':
    case 'EEXIST':
    case 'ENOTEMPTY':
    case 'ENAMETOOLONG':
    case 'EINVAL':
      return permanent(message, { code: 'name-refused', cause: error });
    case 'ENOSPC':
    case 'EDQUOT':
      return permanent(message, { code: 'disk-full', cause: error });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return permanent(message, { code: 'forbidden', cause: error });
    case 'EFBIG':
      return permanent(message, { code: 'too-large', cause: error });
    default:
      return transient(message, {
        code: code === 'EMFILE' || code === 'ENFILE' ? 'busy' : 'io-error',
        cause: error,
      });
  }
}
