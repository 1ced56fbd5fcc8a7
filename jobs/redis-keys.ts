/**
 * Every Redis key of the product is named here and nowhere else. A script gets what all keys of one migration begin with,
 * and says `K.<name>`; a name that ends in `Of` is a stem to which the script adds a bucket number or a token. (One Redis,
 * never a Redis Cluster: the keys of a script need not share a slot. Forty names sent with each call would cost more
 * than most calls.)
 */
const ROOT = 'convoy:';

export const MIGRATIONS = `${ROOT}migrations`;
export const WORKER_EXPIRIES = `${ROOT}workers`;
export const WORKER_REPORTS = `${ROOT}workers:reports`;

/** Name in the scripts -> what follows the migration's prefix. */
const MIGRATION_KEYS = {
  /** Hash: definition, state, and every counter. */
  meta: 'meta',
  /** Set of the lists of images that are being read. */
  planOpen: 'plan',
  /** Hash: reason -> number of tiles, descriptors and images failed with it. */
  failures: 'failures',
  /** Hash: status, attempt and reason -> their short number in packed records. */
  reasons: 'reasons',
  /** Lists of packed items, next first. */
  tilesReady: 'tiles:ready',
  descriptorsReady: 'descriptors:ready',
  checksReady: 'checks:ready',
  /** Sorted sets of packed items by due time. */
  tilesDelayed: 'tiles:delayed',
  descriptorsDelayed: 'descriptors:delayed',
  checksDelayed: 'checks:delayed',
  /** Sorted sets of the buckets below that hold failures. */
  tilesFailed: 'tiles:failed',
  descriptorsFailed: 'descriptors:failed',
  checksFailed: 'checks:failed',
  /** Hashes of packed failures, of 64 images each. */
  tilesFailedOf: 'tiles:failed:',
  descriptorsFailedOf: 'descriptors:failed:',
  checksFailedOf: 'checks:failed:',
  /** List: the last attempts that failed, newest first. */
  attempts: 'attempts',
  /** List: `time:settled:bytes`, about one a second. */
  samples: 'samples',
  /** Sorted set, while there is a limit: worker by when it was last heard of. */
  live: 'live',
  /** Sorted set: token of a claim by the end of its lease. */
  leases: 'leases',
  /** Hashes by hashed id: id -> image number, or `!` and why it was refused. */
  idsOf: 'ids:',
  /** Set of the buckets above that hold a refused id. */
  refused: 'refused',
  /**
   * Hashes of 256 images each, in which an image has no field while there is nothing to say: packed geometry and id;
   * tiles not stored yet; of them failed; of those stored skipped; bytes; digest; flags; its checks under way.
   */
  rowsOf: 'rows:',
  openOf: 'open:',
  badOf: 'bad:',
  skippedOf: 'skipped:',
  bytesOf: 'bytes:',
  digestOf: 'digest:',
  marksOf: 'marks:',
  checkedOf: 'checked:',
} as const;
export type MigrationKey = keyof typeof MIGRATION_KEYS;

/** What the keys of one migration begin with: the one KEYS of its scripts. */
export function migrationPrefix(migration: string): string {
  return `${ROOT}m:${encodeURIComponent(migration)}:`;
}

export function migrationKey(migration: string, key: MigrationKey): string {
  return migrationPrefix(migration) + MIGRATION_KEYS[key];
}

const luaTable = (values: Readonly<Record<string, string>>): string =>
  `{${Object.entries(values)
    .map(([name, value]) => `${name}='${value}'`)
    .join(',')}}`;

/** The first lines of such a script: its keys by name, each put together when it is first asked for. */
export const KEYS_IN_LUA = `local K = setmetatable(${luaTable({ migrations: MIGRATIONS, claimOf: `${ROOT}claim:` })}, {
  __index = function(keys, name)
    keys[name] = KEYS[1] .. keys.names[name]
    return keys[name]
  end,
})
K.names = ${luaTable(MIGRATION_KEYS)}
`;

/** Images whose rows share a hash: few enough for Redis to keep it packed (hash-max-listpack-entries is 512). */
export const ROWS_PER_BUCKET = 256;
/** Images whose failures share a hash, as jobs/scripts/failures.lua has it: packed up to eight values each. */
const FAILURES_PER_BUCKET = 64;
/** Buckets of ids: packed up to two million images, and still right beyond. */
const ID_BUCKETS = 8192;

export function rowBucket(image: number): { bucket: number; field: number } {
  return { bucket: Math.floor(image / ROWS_PER_BUCKET), field: image % ROWS_PER_BUCKET };
}

export function failureBucket(image: number): { bucket: number; field: number } {
  return { bucket: Math.floor(image / FAILURES_PER_BUCKET), field: image % FAILURES_PER_BUCKET };
}

/** The number of the image whose failures are under this bucket and field. */
export function failedImage(bucket: number, field: number): number {
  return bucket * FAILURES_PER_BUCKET + field;
}

/** FNV-1a over the id's characters: only has to spread. */
export function idBucket(id: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index++)
    hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193) >>> 0;
  return hash % ID_BUCKETS;
}
