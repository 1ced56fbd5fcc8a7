import { createHash } from 'node:crypto';
import { aborted, permanent } from '../../runtime/errors.js';
import { checkHeldKey, commonLimits, refuseUnheld } from '../../stores/limits.js';
import type { ListableStore, ListPage, StoredObject, WritableStore } from '../../stores/store.js';

const PAGE_KEYS = 3;

/** A store in memory that can check what it is given, as the best real ones can. */
export interface MemoryStore extends WritableStore, ListableStore {
  readonly objects: Map<string, StoredObject>;
}

export function memoryStore(): MemoryStore {
  const objects = new Map<string, StoredObject>();
  const limits = commonLimits('');
  const begin = (key: string, signal: AbortSignal | undefined): void => {
    checkHeldKey(limits, key);
    if (signal?.aborted) throw aborted('given up');
  };
  const store: MemoryStore = {
    traits: { checksWrites: true, reportsMd5: true, keeps: 'all', limits },
    name: 'memory:',
    objects,
    check: async () => undefined,
    createContainer: async () => undefined,
    async head(key, signal) {
      begin(key, signal);
      return objects.get(key) ?? null;
    },
    async read(key, limit, signal) {
      begin(key, signal);
      const object = objects.get(key);
      if (object === undefined) throw permanent(`no object ${key}`, { code: 'not-found' });
      if (object.size > limit) throw permanent(`${key} is larger than ${limit}`, { code: 'too-large' });
      return object;
    },
    async write(key, bytes, { md5, ...properties }, signal) {
      begin(key, signal);
      refuseUnheld(limits, key, bytes.length, properties);
      if (createHash('md5').update(bytes).digest('hex') !== md5)
        throw permanent(`${key} came damaged`, { code: 'checksum-mismatch' });
      const copy = Uint8Array.from(bytes);
      objects.set(key, { ...properties, bytes: copy, size: copy.length, md5, modifiedMs: 0 });
    },
    async remove(key, signal) {
      begin(key, signal);
      objects.delete(key);
    },
    async listPage(prefix, cursor): Promise<ListPage> {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
      const page = keys.filter((key) => cursor === null || key > cursor).slice(0, PAGE_KEYS);
      const last = page.at(-1);
      return {
        objects: page.map((key) => ({ key, size: objects.get(key)?.size ?? 0, modifiedMs: 0 })),
        cursor: last === undefined || last === keys.at(-1) ? null : last,
      };
    },
    close: async () => undefined,
  };
  return store;
}
