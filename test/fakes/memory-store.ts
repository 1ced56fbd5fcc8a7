import { createHash } from 'node:crypto';
import { aborted, permanent } from '../../runtime/errors.js';
import { checkKey } from '../../stores/key.js';
import type { ListableStore, StoredObject, WritableStore } from '../../stores/store.js';

/** A store in memory that can check what it is given, as the best real ones can. */
export class MemoryStore implements WritableStore, ListableStore {
  readonly traits = { checksWrites: true, reportsMd5: true };
  readonly name = 'memory:';
  readonly objects = new Map<string, StoredObject>();

  async head(key: string, signal?: AbortSignal): Promise<StoredObject | null> {
    checkKey(key);
    if (signal?.aborted) throw aborted('given up');
    return this.objects.get(key) ?? null;
  }

  async read(key: string, limit: number, signal?: AbortSignal): Promise<StoredObject> {
    const object = await this.head(key, signal);
    if (object === null) throw permanent(`no object ${key}`, { code: 'not-found' });
    if (object.size > limit) throw permanent(`${key} is larger than ${limit}`, { code: 'too-large' });
    return object;
  }

  async write(
    key: string,
    bytes: Uint8Array,
    metadata: { readonly contentType: string | null; readonly md5: string },
    signal?: AbortSignal,
  ): Promise<void> {
    checkKey(key);
    if (signal?.aborted) throw aborted('given up');
    const md5 = createHash('md5').update(bytes).digest('hex');
    if (md5 !== metadata.md5) throw permanent(`${key} came damaged`, { code: 'checksum-mismatch' });
    const copy = Uint8Array.from(bytes);
    this.objects.set(key, { bytes: copy, size: copy.length, md5, contentType: metadata.contentType });
  }

  async remove(key: string, signal?: AbortSignal): Promise<void> {
    await this.head(key, signal);
    this.objects.delete(key);
  }

  async *list(prefix: string): AsyncGenerator<{ key: string; size: number }> {
    for (const [key, { size }] of this.objects) if (key.startsWith(prefix)) yield { key, size };
  }

  async close(): Promise<void> {}
}
