import { stat } from 'node:fs/promises';
import { aborted, ConvoyError, permanent, transient } from '../../runtime/errors.js';
import type { Place } from './place.js';

/** What the operation is for: a name that is not there means another thing to each. */
export type Purpose = 'read' | 'write' | 'directory';

export interface Attempt {
  /** For messages: `write /srv/tiles/a/b.jpg`. */
  readonly what: string;
  readonly purpose: Purpose;
  readonly place: Place;
  readonly signal: AbortSignal | undefined;
}

const TIMEOUT_MS = 60_000;

/**
 * Runs an operation of the file system: what the system answers becomes an error of the store's. A disk that hangs
 * (a network file system, say) cannot be interrupted, only left waiting.
 */
export async function attempt<T>(asked: Attempt, operation: () => Promise<T>): Promise<T> {
  const { what, signal } = asked;
  if (signal?.aborted) throw aborted(`${what}: given up`);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(transient(`${what}: no answer within ${TIMEOUT_MS} ms`, { code: 'timeout' })),
      TIMEOUT_MS,
    );
  });
  try {
    return await Promise.race([operation(), late]);
  } catch (error) {
    throw await translate(asked, error);
  } finally {
    clearTimeout(timer);
  }
}

export function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? '');
}

async function translate(asked: Attempt, error: unknown): Promise<ConvoyError> {
  if (error instanceof ConvoyError) return error;
  const { what, purpose, place } = asked;
  const code = codeOf(error);
  const message = `${what}: ${error instanceof Error ? error.message : String(error)}`;
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return notThere(asked, code, message, error);
    case 'EEXIST':
      if (purpose === 'directory')
        return permanent(`${what}: ${place.directory} is not a directory`, { code: 'rejected' });
      return permanent(message, { code: 'name-refused', cause: error });
    case 'EISDIR':
    case 'ENOTEMPTY':
    case 'ENAMETOOLONG':
    case 'EINVAL':
    case 'EILSEQ':
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

/** The whole directory is away, or the one name is: the first concerns every object, the second this one. */
async function notThere(
  { what, purpose, place }: Attempt,
  code: string,
  message: string,
  cause: unknown,
): Promise<ConvoyError> {
  const { directory } = place;
  const found = await stat(directory).catch(() => null);
  if (found === null)
    return permanent(`${what}: there is no directory ${directory}`, { code: 'container-absent' });
  if (!found.isDirectory())
    return permanent(`${what}: ${directory} is not a directory`, { code: 'rejected' });
  if (await place.isUnmounted()) return unmounted(what, directory);
  if (purpose === 'read') return permanent(message, { code: 'not-found', cause });
  // A folder on the way is a file; else something was taken away under our hands and may be made again.
  return code === 'ENOTDIR'
    ? permanent(message, { code: 'name-refused', cause })
    : transient(message, { code: 'io-error', cause });
}

/** Refuses a directory whose disk is gone: `permanent`/`container-absent`. */
export async function refuseUnmounted(what: string, place: Place): Promise<void> {
  if (await place.isUnmounted()) throw unmounted(what, place.directory);
}

function unmounted(what: string, directory: string): ConvoyError {
  return permanent(`${what}: nothing is mounted at ${directory} any more`, { code: 'container-absent' });
}
