/**
 * Seam: reading and writing objects. One adapter per kind of store; all pass one contract suite.
 *
 * - An adapter only translates: no retry, no limit, no log (those are wrappers, `wrap.ts`). It throws only
 *   `ConvoyError`: `transient` (time-out, reset, 429, 5xx; with `retryAfterMs` where the store said so),
 *   `permanent` with one of the codes below, `aborted` when the signal fired.
 * - Keys are relative to the store's location, `/` between parts, never with a leading slash, `.` or `..` parts.
 * - Any method may be repeated by a wrapper: writes are idempotent by key, `remove` of nothing is done.
 * - No method waits for ever: each has its own time-out beside the caller's signal.
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
  | 'disk-full'
  | 'rejected';

export interface ObjectInfo {
  /** Bytes. */
  readonly size: number;
  /** 32 hex digits where the store holds an MD5 of the content, else null. Never a raw ETag. */
  readonly md5: string | null;
  readonly contentType: string | null;
}

export interface StoredObject extends ObjectInfo {
  /** The whole body: exactly `size` bytes. A body cut short is a `transient` error, never a short answer. */
  readonly bytes: Uint8Array;
}

export interface WriteMetadata {
  readonly contentType: string | null;
  /** MD5 of the bytes, 32 hex digits: a store that can check it refuses damage itself. */
  readonly md5: string;
}

export interface StoreTraits {
  /** The store refuses a write whose bytes do not match the MD5 sent with it. */
  readonly checksWrites: boolean;
  /** `head` and `read` answer an MD5 (for objects that have one). */
  readonly reportsMd5: boolean;
}

export interface ReadableStore {
  readonly traits: StoreTraits;
  /** For messages: the location without any secret. */
  readonly name: string;
  /** null if there is no such object. */
  head(key: string, signal?: AbortSignal): Promise<ObjectInfo | null>;
  /** Refuses a body over `limit` bytes with `permanent`/`too-large` without reading it whole. */
  read(key: string, limit: number, signal?: AbortSignal): Promise<StoredObject>;
  close(): Promise<void>;
}

export interface WritableStore extends ReadableStore {
  /** Resolves when the object is durable under its name; a reader sees the old object, the new one, never a part. */
  write(key: string, bytes: Uint8Array, metadata: WriteMetadata, signal?: AbortSignal): Promise<void>;
  remove(key: string, signal?: AbortSignal): Promise<void>;
}

/** A store whose keys can be listed. */
export interface ListableStore {
  /** All keys that start with the prefix, in no particular order. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<{ readonly key: string; readonly size: number }>;
}
