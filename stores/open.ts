import { systemClock } from '../runtime/clock.js';
import type { Log } from '../runtime/log.js';
import { type Meter, silentMeter } from '../runtime/meter.js';
import { readCredentialFiles } from './credential-files.js';
import { type Side, type StoreEnvironment, storeEnvironment } from './environment.js';
import type { Limiter } from './limiter.js';
import { type Location, parseDestination, parseLocation } from './location.js';
import { can, type Store, type WritableStore } from './store.js';
import { type LatencyOf, storeCounts } from './store-metrics.js';
import { type RetryOptions, withCare } from './wrap.js';

export interface OpenOptions {
  readonly log: Log;
  /** Where the credentials are. */
  readonly env: NodeJS.ProcessEnv;
  /** Absent: every error comes at once, for who asks whether the store is there at all. */
  readonly retry?: RetryOptions;
  readonly limiter?: Limiter;
  /** Counts and times what is asked of the store: every attempt, and nobody's wait for a turn. */
  readonly meter?: Meter;
  /** Hears how long it all took. */
  readonly latencyOf?: LatencyOf;
}

/**
 * The one place where a location becomes a store that is logged, metered, limited and asked again (`wrap.ts`). Asks the
 * store nothing yet, save a token where it needs one; credentials are read anew each time. Throws a `UsageError`
 * that names the variable whose value is missing or cannot be right. Side null: neither of a migration's.
 */
export async function openStore(location: string, side: Side | null, options: OpenOptions): Promise<Store> {
  const { log, env, retry, limiter, meter, latencyOf } = options;
  const settings = storeEnvironment(env, side, readCredentialFiles(env));
  const at = parseLocation(location);
  const metered = meter !== undefined || latencyOf !== undefined;
  const as = { side: side ?? 'other', kind: at.kind } as const;
  const counts = metered ? storeCounts(meter ?? silentMeter, as, latencyOf) : null;
  return withCare(await openPlain(at, settings), {
    log,
    ...(retry === undefined ? {} : { retry }),
    ...(limiter === undefined ? {} : { limiter }),
    ...(counts === null ? {} : { meter: { counts, clock: systemClock() } }),
  });
}

export function openSource(location: string, options: OpenOptions): Promise<Store> {
  return openStore(location, 'source', options);
}

/** Throws a `UsageError` also for a location that cannot be written to. */
export async function openDestination(
  location: string,
  options: OpenOptions,
): Promise<Store & WritableStore> {
  parseDestination(location);
  const store = await openStore(location, 'destination', options);
  if (!can(store, 'write', 'remove', 'createContainer'))
    throw new Error(`${store.name} lacks the methods of a destination`);
  return store;
}

/** Adapters are loaded when they are needed: some bring a large SDK. */
async function openPlain(location: Location, env: StoreEnvironment): Promise<Store> {
  switch (location.kind) {
    case 'http':
      return (await import('./http.js')).httpStore(location.url);
    case 'file':
      return (await import('./filesystem.js')).filesystemStore(location.directory);
    case 'webdav':
      return (await import('./webdav.js')).webdavStore(location.url, env);
    case 'swift':
      return (await import('./swift/open.js')).openSwift(location, env);
    case 's3':
      return (await import('./s3/open.js')).openS3(location, env);
    case 'azure':
      return (await import('./azure/open.js')).openAzure(location, env);
    case 'pkgcloud':
      return (await import('./pkgcloud/open.js')).openPkgcloud(location, env);
  }
}
