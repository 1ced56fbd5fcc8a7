import { createHash } from 'node:crypto';
import { aborted, permanent, transient } from '../../runtime/errors.js';
import { checkHeldKey, commonLimits, refuseUnheld } from '../../stores/limits.js';
import type {
  Ability,
  CopyAddress,
  ObjectProperties,
  PartialWrite,
  Store,
  StoredObject,
} from '../../stores/store.js';

const PAGE_KEYS = 3;
/** Every so many bytes a stream comes in a chunk of its own. */
const CHUNK_BYTES = 65_536;

/** A store in memory that has every role and can check what it is given, as the best real ones can. */
export type MemoryStore = Store &
  Required<Pick<Store, Ability>> & {
    readonly objects: Map<string, StoredObject>;
    /** Of its copy addresses. */
    readonly endpoint: string;
    /** Writings begun by `beginParts` that are neither complete nor given up. */
    readonly unfinished: ReadonlySet<PartialWrite>;
  };

export interface MemoryOptions {
  /** Of one part of a large object. */
  readonly partBytes?: number;
  /** Whether the container is there before `createContainer`. */
  readonly container?: boolean;
}

export function memoryStore({ partBytes = 100_000, container = true }: MemoryOptions = {}): MemoryStore {
  const objects = new Map<string, StoredObject>();
  const unfinished = new Set<PartialWrite>();
  const limits = commonLimits('');
  const endpoint = `memory:${stores++}`;
  let there = container;

  const begin = (signal: AbortSignal | undefined, key?: string): void => {
    if (key !== undefined) checkHeldKey(limits, key);
    if (signal?.aborted) throw aborted('given up');
    if (!there) throw permanent('memory: has no such container', { code: 'container-absent' });
  };
  const found = (key: string): StoredObject => {
    const object = objects.get(key);
    if (object === undefined) throw permanent(`no object ${key}`, { code: 'not-found' });
    return object;
  };
  const keep = (
    key: string,
    bytes: Uint8Array,
    { contentType, headers, metadata }: ObjectProperties,
  ): void => {
    const kept = Uint8Array.from(bytes);
    const md5 = md5Of(kept);
    objects.set(key, {
      ...{ contentType, headers, metadata, bytes: kept, size: kept.length, md5, modifiedMs: Date.now() },
    });
  };

  return {
    traits: { checksWrites: true, reportsMd5: true, keeps: 'all', limits },
    name: 'memory:',
    objects,
    endpoint,
    unfinished,
    async check(signal) {
      begin(signal);
    },
    async createContainer(signal) {
      if (signal?.aborted) throw aborted('given up');
      there = true;
    },
    async head(key, signal) {
      begin(signal, key);
      return infoOf(objects.get(key) ?? null);
    },
    async read(key, limit, signal) {
      begin(signal, key);
      const object = found(key);
      if (object.size > limit) throw permanent(`${key} is larger than ${limit}`, { code: 'too-large' });
      return object;
    },
    async write(key, bytes, properties, signal) {
      refuseUnheld(limits, key, bytes.length, properties);
      begin(signal, key);
      refuseDamage(key, bytes, properties.md5);
      keep(key, bytes, properties);
    },
    async remove(key, signal) {
      begin(signal, key);
      objects.delete(key);
    },
    async listPage(prefix, cursor, signal) {
      begin(signal);
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
      const page = keys.filter((key) => cursor === null || key > cursor).slice(0, PAGE_KEYS);
      const last = page.at(-1);
      return {
        objects: page.map((key) => {
          const { size, modifiedMs } = found(key);
          return { key, size, modifiedMs };
        }),
        cursor: last === undefined || last === keys.at(-1) ? null : last,
      };
    },
    async listFolder(prefix, cursor, signal) {
      begin(signal);
      const below = [...objects.keys()].filter((key) => key.startsWith(prefix) && key !== prefix);
      const names = [
        ...new Set(below.map((key) => key.slice(0, key.indexOf('/', prefix.length) + 1 || key.length))),
      ].sort();
      const page = names.filter((name) => cursor === null || name > cursor).slice(0, PAGE_KEYS);
      const last = page.at(-1);
      const files = page.filter((name) => !name.endsWith('/'));
      return {
        objects: files.map((key) => {
          const { size, modifiedMs } = found(key);
          return { key, size, modifiedMs };
        }),
        folders: page.filter((name) => name.endsWith('/')),
        cursor: last === undefined || last === names.at(-1) ? null : last,
      };
    },
    async readStream(key, offset, signal) {
      begin(signal, key);
      const object = found(key);
      return { ...infoOf(object), body: chunks(object.bytes.subarray(offset), signal) };
    },
    partBytes: () => partBytes,
    async beginParts(key, size, properties, signal) {
      refuseUnheld(limits, key, 0, properties);
      begin(signal, key);
      const parts = new Map<number, Uint8Array>();
      const writing: PartialWrite = {
        async writePart(index, bytes, md5, ofPart) {
          begin(ofPart);
          refuseDamage(`part ${index} of ${key}`, bytes, md5);
          parts.set(index, Uint8Array.from(bytes));
        },
        async complete(md5, ofComplete) {
          begin(ofComplete);
          if (!unfinished.has(writing)) return;
          const whole = Buffer.concat(
            [...parts.keys()].sort((a, b) => a - b).map((index) => parts.get(index)!),
          );
          if (whole.length !== size)
            throw permanent(`${key}: ${whole.length} of ${size} bytes came`, { code: 'rejected' });
          refuseDamage(key, whole, md5);
          keep(key, whole, properties);
          unfinished.delete(writing);
        },
        async abandon() {
          unfinished.delete(writing);
        },
      };
      unfinished.add(writing);
      return writing;
    },
    async writeStream(key, body, size, properties, signal) {
      refuseUnheld(limits, key, 0, properties);
      begin(signal, key);
      const came: Uint8Array[] = [];
      for await (const chunk of body) {
        begin(signal);
        came.push(Uint8Array.from(chunk));
      }
      const whole = Buffer.concat(came);
      if (whole.length !== size)
        throw transient(`${key}: ${whole.length} of ${size} bytes came`, { code: 'truncated' });
      keep(key, whole, properties);
    },
    async copyAddress(key, signal) {
      begin(signal, key);
      return { kind: 's3', endpoint, path: `/${key}` };
    },
    async readStart(key, count, signal) {
      begin(signal, key);
      const object = objects.get(key);
      return object === undefined ? null : { ...object, bytes: object.bytes.slice(0, count) };
    },
    canCopyFrom: (address: CopyAddress) => address.kind === 's3' && address.endpoint === endpoint,
    async copyFrom(address, key, expected, signal) {
      refuseUnheld(limits, key, expected.size, expected);
      begin(signal, key);
      if (address.kind !== 's3' || address.endpoint !== endpoint)
        throw permanent('memory: copies only from itself', { code: 'copy-refused' });
      const { bytes, size, md5 } = found(address.path.slice(1));
      if (md5 !== expected.md5 || size !== expected.size)
        throw permanent(`${key} is not what was expected`, { code: 'checksum-mismatch' });
      keep(key, bytes, expected);
    },
    async close() {},
  };
}

let stores = 0;

function infoOf<T extends StoredObject | null>(
  object: T,
): T extends null ? null : Omit<StoredObject, 'bytes'>;
function infoOf(object: StoredObject | null): Omit<StoredObject, 'bytes'> | null {
  if (object === null) return null;
  const { bytes: _, ...info } = object;
  return info;
}

async function* chunks(bytes: Uint8Array, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    if (signal?.aborted) throw aborted('given up');
    yield bytes.subarray(at, at + CHUNK_BYTES);
  }
}

const md5Of = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

function refuseDamage(key: string, bytes: Uint8Array, md5: string): void {
  if (md5Of(bytes) !== md5) throw permanent(`${key} came damaged`, { code: 'checksum-mismatch' });
}
