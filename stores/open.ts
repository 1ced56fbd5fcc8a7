import { UsageError } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { filesystemStore } from './filesystem.js';
import { httpStore } from './http.js';
import { type Location, parseLocation, scrub } from './location.js';
import type { ListableStore, ReadableStore, WritableStore } from './store.js';
import { type Limiter, type RetryOptions, withLimit, withLog, withRetry } from './wrap.js';

export interface OpenOptions {
  readonly log: Log;
  /** Absent: every error comes at once, for who asks whether the store is there at all. */
  readonly retry?: RetryOptions;
  readonly limiter?: Limiter;
}

/** The one place where a location becomes a store, in its standard wrappers: retry around limit around log. */
export function openSource(location: string, options: OpenOptions): ReadableStore {
  return inWrappers(openPlain(parseLocation(location)), options);
}

/** Throws a `UsageError` for a location that cannot be written to. */
export function openDestination(location: string, options: OpenOptions): WritableStore & ListableStore {
  const parsed = parseLocation(location);
  if (parsed.kind !== 'file')
    throw new UsageError(`${scrub(location)} is read only: the destination must be a file:///DIRECTORY`);
  return inWrappers(filesystemStore(parsed.directory), options);
}

function openPlain(location: Location): ReadableStore {
  return location.kind === 'http' ? httpStore(location.url) : filesystemStore(location.directory);
}

function inWrappers<S extends ReadableStore>(store: S, { log, retry, limiter }: OpenOptions): S {
  const logged = withLog(store, log);
  const limited = limiter === undefined ? logged : withLimit(logged, limiter);
  return retry === undefined ? limited : withRetry(limited, retry);
}
