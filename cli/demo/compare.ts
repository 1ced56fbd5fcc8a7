import { MAX_DESCRIPTOR_BYTES, readDescriptor } from '../../jobs/descriptor.js';
import { idOfLine } from '../../jobs/ids.js';
import { descriptorKey, tileAt, tileCount, tileKey } from '../../jobs/pyramid.js';
import { ConvoyError } from '../../runtime/errors.js';
import type { ReadableStore, StoredObject } from '../../stores/store.js';

/** What became of every object the list of ids stands for. */
export interface Comparison {
  readonly images: number;
  /** Tiles and descriptors that are the same at both ends, byte for byte. */
  readonly sameTiles: number;
  readonly sameDescriptors: number;
  readonly bytes: number;
  /** Tiles and descriptors the source itself does not have. */
  readonly absentAtSource: readonly string[];
  /** The source has them, the destination does not. */
  readonly absentAtDestination: readonly string[];
  readonly different: readonly string[];
}

const TILE_LIMIT = 64 * 1024 * 1024;
const IN_FLIGHT = 32;

/** Reads every object of the listed images from both stores and compares them, byte for byte. */
export async function compareStores(
  ids: string,
  source: ReadableStore,
  destination: ReadableStore,
): Promise<Comparison> {
  const found = { sameTiles: 0, sameDescriptors: 0, bytes: 0 };
  const absentAtSource: string[] = [];
  const absentAtDestination: string[] = [];
  const different: string[] = [];

  async function compareObject(key: string): Promise<void> {
    const [there, here] = await Promise.all([readIfAny(source, key), readIfAny(destination, key)]);
    if (there === null) absentAtSource.push(key);
    else if (here === null) absentAtDestination.push(key);
    else if (Buffer.compare(there.bytes, here.bytes) !== 0) different.push(key);
    else {
      found.bytes += here.size;
      if (key.endsWith('.dzi')) found.sameDescriptors += 1;
      else found.sameTiles += 1;
    }
  }

  const list = new Set(
    ids
      .split('\n')
      .map(idOfLine)
      .filter((id) => id !== null),
  );
  const keys = keysOf(list, source);
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      for (let next = await keys.next(); !next.done; next = await keys.next())
        await compareObject(next.value);
    }),
  );
  return { images: list.size, ...found, absentAtSource, absentAtDestination, different };
}

/** Each image's descriptor and, where the source has a readable one, all its tiles. */
async function* keysOf(ids: Iterable<string>, source: ReadableStore): AsyncGenerator<string> {
  for (const id of ids) {
    yield descriptorKey(id);
    const descriptor = await readIfAny(source, descriptorKey(id), MAX_DESCRIPTOR_BYTES);
    const reading = descriptor === null ? null : readDescriptor(descriptor.bytes);
    if (reading === null || !('geometry' in reading)) continue;
    const { geometry } = reading;
    const tiles = tileCount(geometry);
    for (let index = 0; index < tiles; index += 1)
      yield tileKey(id, tileAt(geometry, index), geometry.format);
  }
}

async function readIfAny(
  store: ReadableStore,
  key: string,
  limit = TILE_LIMIT,
): Promise<StoredObject | null> {
  try {
    return await store.read(key, limit);
  } catch (error) {
    if (error instanceof ConvoyError && error.code === 'not-found') return null;
    throw error;
  }
}
