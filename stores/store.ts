/**
 * Seam: reading and writing objects. One adapter per kind of store; all pass one contract suite.
 *
 * A store is a plain object that has the methods of its roles: `ReadableStore` always, the others where it can.
 * Ask with `can(store, 'copyFrom')`.
 *
 * - An adapter only translates: no retry, no limit, no log (those are wrappers, `wrap.ts`). It throws only
 *   `ConvoyError`: `transient` (time-out, reset, 429, 5xx; with `retryAfterMs` where the store said so),
 *   `permanent` with one of the codes below, `aborted` when the signal fired.
 * - Keys are relative to the store's location, `/` between parts, never with a leading slash, `.` or `..` parts.
 * - Any method may be repeated by a wrapper: writes are idempotent by key, `remove` of nothing is done.
 * - No method waits for ever: each has its own time-out beside the caller's signal. A stream's counts from one
 *   chunk to the next.
 * - What a store cannot hold (`traits.limits`) is refused by name before a byte of it is sent (`limits.ts`).
 */

/** The codes of permanent errors, so that failure records need no knowledge of an SDK. */
export type StoreErrorCode =
  | 'not-found'
  | 'wrong-credentials'
  | 'forbidden'
  | 'container-absent'
  | 'too-large'
  | 'checksum-mismatch'
  | 'name-refused'
  /** A metadata name or value that the store cannot hold. */
  | 'metadata-refused'
  /** The destination cannot or may not copy from there by itself. */
  | 'copy-refused'
  | 'disk-full'
  | 'rejected';

/** Carried over beside the content type, by their lower-case HTTP names. */
export const HELD_HEADERS = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
] as const;
export type HeldHeader = (typeof HELD_HEADERS)[number];

/** What is carried over with the bytes. */
export interface ObjectProperties {
  readonly contentType: string | null;
  readonly headers: Readonly<Partial<Record<HeldHeader, string>>>;
  /** The user's own, by lower-case name without the store's prefix (`x-ms-meta-`, `x-object-meta-` ...). */
  readonly metadata: Readonly<Record<string, string>>;
}

export const NO_PROPERTIES: ObjectProperties = { contentType: null, headers: {}, metadata: {} };

export interface ObjectInfo extends ObjectProperties {
  /** Bytes. */
  readonly size: number;
  /** 32 hex digits where the store holds an MD5 of the content, else null. Never a raw ETag. */
  readonly md5: string | null;
  /** Last modified, in ms since 1970; null where the store does not tell. */
  readonly modifiedMs: number | null;
}

export interface StoredObject extends ObjectInfo {
  /** The whole body: exactly `size` bytes. A body cut short is a `transient` error, never a short answer. */
  readonly bytes: Uint8Array;
}

export interface WriteProperties extends ObjectProperties {
  /** MD5 of the bytes, 32 hex digits: a store that can check it refuses damage itself. */
  readonly md5: string;
}

/** What a store can hold. All counts are in bytes; names as UTF-8, below the location. */
export interface StoreLimits {
  readonly keyBytes: number;
  /** Of one part between slashes; null where only the whole counts. */
  readonly partBytes: number | null;
  /** Of an object written by `write`. */
  readonly writeBytes: number;
  /** What a metadata name must match. */
  readonly metadataName: RegExp;
}

export interface StoreTraits {
  /** The store refuses a write whose bytes do not match the MD5 sent with it. */
  readonly checksWrites: boolean;
  /** `head` and `read` answer an MD5 (for objects that have one). */
  readonly reportsMd5: boolean;
  /** What of `ObjectProperties` is kept. */
  readonly keeps: 'nothing' | 'content-type' | 'all';
  readonly limits: StoreLimits;
}

export interface ReadableStore {
  readonly traits: StoreTraits;
  /** For messages: the location without any secret. */
  readonly name: string;
  /**
   * One cheap request: is it there, are we let in? Rejects with what is wrong: `unreachable`, `wrong-credentials`
   * (naming the variables the credentials came from), `forbidden`, `container-absent`.
   */
  check(signal?: AbortSignal): Promise<void>;
  /** null if there is no such object. */
  head(key: string, signal?: AbortSignal): Promise<ObjectInfo | null>;
  /** Refuses a body over `limit` bytes with `permanent`/`too-large` without reading it whole. */
  read(key: string, limit: number, signal?: AbortSignal): Promise<StoredObject>;
  close(): Promise<void>;
}

export interface WritableStore extends ReadableStore {
  /** Resolves when the object is durable under its name; a reader sees the old object, the new one, never a part. */
  write(key: string, bytes: Uint8Array, properties: WriteProperties, signal?: AbortSignal): Promise<void>;
  remove(key: string, signal?: AbortSignal): Promise<void>;
  /** The container (bucket, directory, collection) of the location; one that is there is done. */
  createContainer(signal?: AbortSignal): Promise<void>;
}

export interface ListedObject {
  readonly key: string;
  readonly size: number;
  readonly modifiedMs: number | null;
}

export interface ListPage {
  readonly objects: readonly ListedObject[];
  /** To ask for the next page with; null on the last. */
  readonly cursor: string | null;
}

export interface FolderPage extends ListPage {
  /** Whole prefixes that end with `/`, each on one page only; never the prefix asked for. */
  readonly folders: readonly string[];
}

/** A store whose keys can be listed. A page may be empty and not the last. */
export interface ListableStore {
  /** One page (a thousand or so) of the keys that start with the prefix; the first with cursor null. */
  listPage(prefix: string, cursor: string | null, signal?: AbortSignal): Promise<ListPage>;
  /**
   * One page of what lies directly under the prefix, which is '' or ends with `/`: the objects whose keys have no
   * further `/`, and the folders that have one. Never looks deeper, however much is there. `a` and `a/` may both be. An object that
   * is called like the prefix, as some tools make to have a folder, is left out; a folder with nothing in it may be told.
   */
  listFolder(prefix: string, cursor: string | null, signal?: AbortSignal): Promise<FolderPage>;
}

/** The body from an offset on. It ends after exactly `size - offset` bytes, or throws `transient`/`truncated`. */
export interface StreamedObject extends ObjectInfo {
  readonly body: AsyncIterable<Uint8Array>;
}

/** Objects too large for memory, read. */
export interface StreamReadableStore {
  /** The body must be read to its end or returned (`break`), and is good for one reading. */
  readStream(key: string, offset: number, signal?: AbortSignal): Promise<StreamedObject>;
}

/**
 * Objects too large for memory, written in parts (S3 multipart, Swift SLO, Azure blocks): each step may be
 * repeated, so a lost connection costs one part.
 */
export interface PartWritableStore {
  /** The size of each part but the last, for an object of this size. */
  partBytes(size: number): number;
  beginParts(
    key: string,
    size: number,
    properties: ObjectProperties,
    signal?: AbortSignal,
  ): Promise<PartialWrite>;
}

export interface PartialWrite {
  /** Parts count from 0; in any order. */
  writePart(index: number, bytes: Uint8Array, md5: string, signal?: AbortSignal): Promise<void>;
  /** Makes the object visible under its key. `md5`: of the whole, kept where the store has a place for it. */
  complete(md5: string, signal?: AbortSignal): Promise<void>;
  /** Removes the parts; nothing was ever visible. */
  abandon(signal?: AbortSignal): Promise<void>;
}

/** Objects too large for memory, written in one request: for stores without parts. */
export interface StreamWritableStore {
  /** A body that throws or has another length leaves the old object. Not repeatable: the body is read once. */
  writeStream(
    key: string,
    body: AsyncIterable<Uint8Array>,
    size: number,
    properties: ObjectProperties,
    signal?: AbortSignal,
  ): Promise<void>;
}

/** Where another store finds an object to copy it for itself. A `url` may hold a signature: never to be printed. */
export type CopyAddress =
  | { readonly kind: 'url'; readonly url: string }
  /** `storageUrl` of the account; `path` is `/container/object`, encoded. */
  | { readonly kind: 'swift'; readonly storageUrl: string; readonly path: string }
  /** `path` is `/bucket/key`, encoded. */
  | { readonly kind: 's3'; readonly endpoint: string; readonly path: string };

/** A store whose objects another store may copy without us carrying the bytes. */
export interface CopySource {
  copyAddress(key: string, signal?: AbortSignal): Promise<CopyAddress>;
  /** One request for what `head` tells and the first `count` bytes (all, of a smaller object). */
  readStart(key: string, count: number, signal?: AbortSignal): Promise<StoredObject | null>;
}

/** A store that can copy an object from another by itself. */
export interface CopyDestination {
  canCopyFrom(address: CopyAddress): boolean;
  /**
   * Resolves when the object is stored *and* the destination has shown that it holds bytes of this MD5 and size:
   * by a checksum it computed itself, never by a property that was copied along. `copy-refused` if it cannot copy
   * from there, `checksum-mismatch` if other bytes came.
   */
  copyFrom(
    address: CopyAddress,
    key: string,
    expected: WriteProperties & { readonly size: number },
    signal?: AbortSignal,
  ): Promise<void>;
}

type Optional = Omit<WritableStore, keyof ReadableStore> &
  ListableStore &
  StreamReadableStore &
  PartWritableStore &
  StreamWritableStore &
  CopySource &
  CopyDestination;

/** A store with whatever roles it has. */
export type Store = ReadableStore & Partial<Optional>;
/** The name of a method that not every store has. */
export type Ability = keyof Optional;

/** Whether the store has these methods. */
export function can<A extends Ability>(
  store: Store,
  ...abilities: readonly A[]
): store is Store & Pick<Optional, A> {
  return abilities.every((ability) => store[ability] !== undefined);
}

/** All keys with the prefix, page after page. */
export async function* listAll(
  store: Pick<ListableStore, 'listPage'>,
  prefix: string,
  signal?: AbortSignal,
): AsyncGenerator<ListedObject> {
  let cursor: string | null = null;
  do {
    const page: ListPage = await store.listPage(prefix, cursor, signal);
    yield* page.objects;
    cursor = page.cursor;
  } while (cursor !== null);
}
