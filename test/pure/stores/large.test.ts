import { describe, expect, test } from 'vitest';
import { permanent, transient } from '../../../runtime/errors.js';
import { copyLarge } from '../../../stores/large.js';
import type { PartialWrite, Store } from '../../../stores/store.js';
import { withCare } from '../../../stores/wrap.js';
import { md5, noise, properties, text } from '../../contracts/store-cases.js';
import { type MemoryStore, memoryStore } from '../../fakes/memory-store.js';
import { manualClock } from '../../support/clock.js';

const PART = 100_000;
const OTHERS = {
  ...{ contentType: 'image/tiff', headers: { 'cache-control': 'no-store' } as const },
  metadata: { name: 'value' },
};

/** A source with one object under `k`, and a destination with an old one there. */
async function twoStores(bytes: Uint8Array): Promise<{ source: MemoryStore; destination: MemoryStore }> {
  const source = memoryStore();
  const destination = memoryStore({ partBytes: PART });
  await source.write('k', bytes, properties(bytes, OTHERS));
  await destination.write('k', text('old'), properties(text('old')));
  return { source, destination };
}

/** Without parts: what is left is one stream. */
function oneStream({ beginParts: _, partBytes: __, ...store }: MemoryStore): Store {
  return store;
}

/** Bodies of the source end after so many bytes each, in the order of their opening; the offsets they began at. */
function breaking(source: MemoryStore, after: readonly number[], error = () => transient('cut')): number[] {
  const { readStream } = source;
  const offsets: number[] = [];
  source.readStream = async (key, offset, signal) => {
    const most = after[offsets.push(offset) - 1] ?? Number.POSITIVE_INFINITY;
    const { body, ...info } = await readStream(key, offset, signal);
    async function* cut(): AsyncGenerator<Uint8Array> {
      let left = most;
      for await (const chunk of body) {
        if (left > 0) yield chunk.subarray(0, left);
        left -= chunk.length;
        if (left <= 0) throw error();
      }
    }
    return { ...info, body: cut() };
  };
  return offsets;
}

/** The store's partial writes, each changed by this. */
function changed(store: MemoryStore, change: (writing: PartialWrite) => Partial<PartialWrite>): void {
  const { beginParts } = store;
  store.beginParts = async (...args) => {
    const writing = await beginParts(...args);
    return { ...writing, ...change(writing) };
  };
}

async function expectOld(destination: MemoryStore): Promise<void> {
  expect(Buffer.from((await destination.read('k', 1_000)).bytes).toString()).toBe('old');
  expect(destination.unfinished.size).toBe(0);
}

describe.each([
  ['in parts', (store: MemoryStore): Store => store],
  ['as one stream', oneStream],
])('a large object %s', (_, roles) => {
  test.each([0, 1, PART - 1, PART, PART + 1, PART * 3])(
    'of %i bytes is copied with its properties',
    async (size) => {
      const bytes = noise(size, size);
      const { source, destination } = await twoStores(bytes);
      const copied = await copyLarge(source, 'k', roles(destination));
      expect(copied).toEqual({ size, md5: md5(bytes), verified: true });
      expect(await destination.read('k', size)).toMatchObject({ size, md5: md5(bytes), ...OTHERS });
      expect(destination.unfinished.size).toBe(0);
    },
  );

  test('goes through the wrappers', async () => {
    const bytes = noise(PART * 2 + 1);
    const { source, destination } = await twoStores(bytes);
    const options = { clock: QUICK, random: () => 0 };
    await copyLarge(
      withCare(source, { retry: options }),
      'k',
      withCare(roles(destination), { retry: options }),
    );
    expect((await destination.read('k', PART * 3)).md5).toBe(md5(bytes));
  });

  test('is read on from where its body broke off', async () => {
    const bytes = noise(PART * 3);
    const { source, destination } = await twoStores(bytes);
    const offsets = breaking(source, [PART + 7, 0, 3]);
    await copyLarge(source, 'k', roles(destination));
    expect(offsets).toEqual([0, PART + 7, PART + 7, PART + 10]);
    expect((await destination.read('k', PART * 3)).md5).toBe(md5(bytes));
  });

  test('whose body breaks off again and again is given up, and the old object stays', async () => {
    const { source, destination } = await twoStores(noise(PART * 3));
    const offsets = breaking(source, Array(100).fill(10));
    await expect(copyLarge(source, 'k', roles(destination))).rejects.toMatchObject({ kind: 'transient' });
    expect(offsets).toEqual([0, 10, 20, 30, 40]);
    await expectOld(destination);
  });

  test('may break off any number of times as long as much comes between', async () => {
    const bytes = noise(8 * 1024 ** 2, 3);
    const { source, destination } = await twoStores(bytes);
    const offsets = breaking(source, Array(7).fill(1024 ** 2));
    await copyLarge(source, 'k', roles(destination));
    expect(offsets).toHaveLength(8);
    expect((await destination.read('k', bytes.length)).md5).toBe(md5(bytes));
  });

  test('that was changed meanwhile is not glued to what came before', async () => {
    const { source, destination } = await twoStores(noise(PART * 3, 1));
    const change = (): Error => {
      const other = noise(PART * 3, 2);
      source.objects.set('k', { ...source.objects.get('k')!, bytes: other, md5: md5(other) });
      return transient('cut');
    };
    breaking(source, [PART], change as never);
    const copying = copyLarge(source, 'k', roles(destination));
    await expect(copying).rejects.toMatchObject({ kind: 'transient', code: 'source-changed' });
    await expectOld(destination);
  });

  test('that nothing identifies is not read on', async () => {
    const { source, destination } = await twoStores(noise(PART * 3));
    source.objects.set('k', { ...source.objects.get('k')!, md5: null, modifiedMs: null });
    const offsets = breaking(source, [PART]);
    await expect(copyLarge(source, 'k', roles(destination))).rejects.toThrow('cut');
    expect(offsets).toEqual([0]);
    await expectOld(destination);
  });

  test('that tells no MD5 is copied, and said to be unverified', async () => {
    const bytes = noise(PART * 2);
    const { source, destination } = await twoStores(bytes);
    source.objects.set('k', { ...source.objects.get('k')!, md5: null });
    const copied = await copyLarge(source, 'k', roles(destination));
    expect(copied).toEqual({ size: PART * 2, md5: md5(bytes), verified: false });
  });

  test('that has not the MD5 its store tells never becomes visible', async () => {
    const { source, destination } = await twoStores(noise(PART * 2 + 5));
    source.objects.set('k', { ...source.objects.get('k')!, md5: md5(text('another')) });
    const copying = copyLarge(source, 'k', roles(destination));
    await expect(copying).rejects.toMatchObject({ kind: 'transient', code: 'checksum-mismatch' });
    await expectOld(destination);
  });

  test('that is not there, and a signal that fires, leave the old object', async () => {
    const { source, destination } = await twoStores(noise(PART * 3));
    const absent = copyLarge(source, 'none', roles(destination));
    await expect(absent).rejects.toMatchObject({ code: 'not-found' });
    const stop = new AbortController();
    breaking(source, [PART], () => {
      stop.abort();
      return transient('cut');
    });
    const copying = copyLarge(source, 'k', roles(destination), stop.signal);
    await expect(copying).rejects.toMatchObject({ kind: 'aborted' });
    await expectOld(destination);
  });

  test('that the destination refuses leaves no body of the source open', async () => {
    const { source, destination } = await twoStores(noise(PART * 3));
    let open = 0;
    const { readStream } = source;
    source.readStream = async (...args) => {
      const { body, ...info } = await readStream(...args);
      open++;
      async function* counted(): AsyncGenerator<Uint8Array> {
        try {
          yield* body;
        } finally {
          open--;
        }
      }
      return { ...info, body: counted() };
    };
    const refuse = async (): Promise<never> => {
      throw permanent('full', { code: 'disk-full' });
    };
    destination.beginParts = refuse;
    destination.writeStream = refuse;
    await expect(copyLarge(source, 'k', roles(destination))).rejects.toMatchObject({ code: 'disk-full' });
    expect(open).toBe(0);
  });
});

test('a part that fails is repeated as it was, while the next is read', async () => {
  const bytes = noise(PART * 6 + 1);
  const { source, destination } = await twoStores(bytes);
  const failed = new Set<number>();
  changed(destination, ({ writePart }) => ({
    async writePart(index, part, ...rest) {
      // The next part has been read when this one is sent again: it must not be in the same memory.
      for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
      if (!failed.has(index)) {
        failed.add(index);
        throw transient('lost');
      }
      return writePart(index, part, ...rest);
    },
  }));
  await copyLarge(source, 'k', withCare(destination, { retry: { clock: QUICK, random: () => 0 } }));
  expect(failed.size).toBe(7);
  expect((await destination.read('k', bytes.length)).md5).toBe(md5(bytes));
});

test('no more is read than two parts ahead of what was sent', async () => {
  const { source, destination } = await twoStores(noise(PART * 10));
  let read = 0;
  let sent = 0;
  let most = 0;
  const { readStream } = source;
  source.readStream = async (...args) => {
    const { body, ...info } = await readStream(...args);
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const chunk of body) {
        read += chunk.length;
        most = Math.max(most, read - sent);
        yield chunk;
      }
    }
    return { ...info, body: counted() };
  };
  changed(destination, ({ writePart }) => ({
    async writePart(index, part, ...rest) {
      for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
      await writePart(index, part, ...rest);
      sent += part.length;
    },
  }));
  await copyLarge(source, 'k', destination);
  // Two parts, and the rest of the chunk that filled the second.
  expect(most).toBeLessThanOrEqual(PART * 2 + 65_536);
  expect(most).toBeGreaterThan(PART);
});

test('a destination that has all the bytes it was promised has not yet the last of a wrong body', async () => {
  const size = PART * 2;
  const { source, destination } = await twoStores(noise(size));
  source.objects.set('k', { ...source.objects.get('k')!, md5: md5(text('another')) });
  let came = 0;
  const store = oneStream({
    ...destination,
    // As servers do: done once the Content-Length is reached.
    async writeStream(_, body) {
      for await (const chunk of body) {
        came += chunk.length;
        if (came >= size) return;
      }
    },
  });
  await expect(copyLarge(source, 'k', store)).rejects.toMatchObject({ code: 'checksum-mismatch' });
  expect(came).toBeLessThan(size);
});

test('a destination that lost a part keeps its old object', async () => {
  const { source, destination } = await twoStores(noise(PART * 3));
  changed(destination, ({ writePart }) => ({
    writePart: async (index, ...rest) => void (index === 1 || (await writePart(index, ...rest))),
  }));
  await expect(copyLarge(source, 'k', destination)).rejects.toMatchObject({ code: 'rejected' });
  await expectOld(destination);
});

test('stores without the roles for it are refused before anything is read', async () => {
  const { source, destination } = await twoStores(noise(10));
  const offsets = breaking(source, []);
  const { readStream: _, ...noStream } = source;
  const { writeStream: __, ...least } = oneStream(destination);
  const tooLarge = { kind: 'permanent', code: 'too-large' };
  await expect(copyLarge(noStream, 'k', destination)).rejects.toMatchObject(tooLarge);
  await expect(copyLarge(source, 'k', least)).rejects.toMatchObject(tooLarge);
  expect(offsets).toEqual([]);
});

/** Sleeps no time. */
const QUICK = { ...manualClock(), sleep: async () => undefined };
