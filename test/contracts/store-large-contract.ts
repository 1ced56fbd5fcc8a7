import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { ConvoyError, transient } from '../../runtime/errors.js';
import { can, type PartialWrite, type PartWritableStore, type Store } from '../../stores/store.js';
import { type Contract, coded, collect, keysOf, LIMIT, md5, noise, properties, text } from './store-cases.js';

/** More than this for one part would make the tests of it slow: set-ups open their stores with small parts. */
const PART_BYTES = 8 * 1024 ** 2;

/** Objects too large for memory. */
export function storeLarge({ test, put }: Contract): void {
  test(
    'streams an object from its start, from the middle, and from its end',
    ['readStream'],
    async (store) => {
      const bytes = noise(700_001);
      await put('stream', bytes, 'image/tiff');
      for (const offset of [0, 1, 350_000, 700_000, 700_001]) {
        const { body, ...info } = await store.readStream('stream', offset);
        expect(info.size).toBe(bytes.length);
        expect((await collect(body)).equals(bytes.subarray(offset))).toBe(true);
        expect(info).toEqual(await store.head('stream'));
      }
    },
  );

  test('streams an object of no bytes', ['readStream'], async (store) => {
    await put('stream-empty', text(''));
    const { body, size } = await store.readStream('stream-empty', 0);
    expect([size, (await collect(body)).length]).toEqual([0, 0]);
  });

  test('a stream of no object is permanent/not-found', ['readStream'], async (store) => {
    for (const offset of [0, 5])
      await expect(store.readStream('no/such.tif', offset)).rejects.toMatchObject(coded('not-found'));
  });

  test('a stream that is left in the middle hinders nobody', ['readStream'], async (store) => {
    await put('stream-left', noise(3_000_000));
    for (let i = 0; i < 10; i++)
      for await (const chunk of (await store.readStream('stream-left', 0)).body) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
    expect((await store.read('stream-left', LIMIT)).size).toBe(3_000_000);
  });

  test('a fired signal streams nothing, and ends a stream in the middle', ['readStream'], async (store) => {
    await put('stream-stopped', noise(3_000_000));
    const aborted = { kind: 'aborted' };
    await expect(store.readStream('stream-stopped', 0, AbortSignal.abort())).rejects.toMatchObject(aborted);
    const stop = new AbortController();
    const { body } = await store.readStream('stream-stopped', 0, stop.signal);
    const reading = async (): Promise<void> => {
      for await (const _ of body) stop.abort();
    };
    await expect(reading()).rejects.toMatchObject(aborted);
  });

  partsContract(test, put);
  oneStreamContract(test, put);
}

const PARTS = ['beginParts', 'partBytes', 'readStream', 'write', 'remove'] as const;

function partsContract(test: Contract['test'], put: Contract['put']): void {
  test('the parts of an object of any size are not too large for memory', PARTS, async (store) => {
    let before = 0;
    for (const size of [1, 64 * 1024 ** 2, 1e9, 6e9, 1e11, 1e12]) {
      const part = store.partBytes(size);
      expect(Number.isInteger(part)).toBe(true);
      expect(part).toBeGreaterThanOrEqual(before);
      expect(part).toBeLessThanOrEqual(1024 ** 3);
      before = part;
    }
    expect(store.partBytes(1)).toBeLessThanOrEqual(PART_BYTES);
  });

  test(
    'an object in parts, sent in any order and again, is whole with its properties',
    PARTS,
    async (store) => {
      const key = 'parts/any order + 100% ü🚀.tif';
      const bytes = noise(Math.floor(store.partBytes(1) * 2.5) + 7);
      const parts = cut(store, bytes);
      expect(parts.length).toBeGreaterThan(1);
      const others = {
        contentType: 'image/tiff',
        headers: { 'cache-control': 'max-age=60' },
        metadata: { name: 'value' },
      };
      const writing = await store.beginParts(key, bytes.length, properties(bytes, others));
      for (const index of [...parts.keys()].reverse()) await send(writing, parts, index);
      await send(writing, parts, 0);
      await writing.complete(md5(bytes));
      await expectLarge(store, key, bytes);
      const info = await store.head(key);
      if (store.traits.keeps === 'all') expect(info).toMatchObject(others);
      if (store.traits.keeps === 'content-type')
        expect(info).toMatchObject({ contentType: others.contentType });
    },
  );

  test(
    'an object in parts is not seen before it is complete, and complete may be asked twice',
    PARTS,
    async (store) => {
      const bytes = noise(store.partBytes(1) + 1, 2);
      const parts = cut(store, bytes);
      await put('parts/unseen', text('old'));
      const writing = await store.beginParts('parts/unseen', bytes.length, properties(bytes));
      await Promise.all([...parts.keys()].map((index) => send(writing, parts, index)));
      expect((await store.read('parts/unseen', LIMIT)).size).toBe(3);
      await writing.complete(md5(bytes));
      await writing.complete(md5(bytes));
      await expectLarge(store, 'parts/unseen', bytes);
    },
  );

  test('an object of one part, and one of parts that are all full', PARTS, async (store) => {
    for (const size of [1, store.partBytes(1), store.partBytes(1) * 2]) {
      const bytes = noise(size, size);
      const parts = cut(store, bytes);
      const writing = await store.beginParts('parts/edges', size, properties(bytes));
      for (const index of parts.keys()) await send(writing, parts, index);
      await writing.complete(md5(bytes));
      await expectLarge(store, 'parts/edges', bytes);
    }
  });

  test('parts given up leave the old object and nothing else, asked twice too', PARTS, async (store) => {
    await put('given-up/old', text('old'));
    for (const key of ['given-up/old', 'given-up/new']) {
      const bytes = noise(store.partBytes(1) + 1, 3);
      const writing = await store.beginParts(key, bytes.length, properties(bytes));
      await send(writing, cut(store, bytes), 0);
      await writing.abandon();
      await writing.abandon();
    }
    expect((await store.read('given-up/old', LIMIT)).size).toBe(3);
    expect(await store.head('given-up/new')).toBeNull();
    if (can(store, 'listPage')) expect(await keysOf(store, 'given-up/')).toEqual(['given-up/old']);
  });

  test('a damaged part is refused where the store checks, and can be sent again', PARTS, async (store) => {
    if (!store.traits.checksWrites) return;
    const bytes = noise(store.partBytes(1) + 1, 4);
    const parts = cut(store, bytes);
    const writing = await store.beginParts('parts/damaged', bytes.length, properties(bytes));
    const damaged = Uint8Array.from(parts[0]!);
    damaged[0]! ^= 1;
    const sending = writing.writePart(0, damaged, md5(parts[0]!));
    await expect(sending).rejects.toMatchObject(coded('checksum-mismatch'));
    for (const index of parts.keys()) await send(writing, parts, index);
    await writing.complete(md5(bytes));
    await expectLarge(store, 'parts/damaged', bytes);
  });

  test('two that write one key in parts do not mix', PARTS, async (store) => {
    const size = store.partBytes(1) + 1;
    const bodies = [noise(size, 5), noise(size, 6)];
    const writings = await Promise.all(
      bodies.map((bytes) => store.beginParts('parts/two', size, properties(bytes))),
    );
    for (const index of [0, 1])
      for (const who of [0, 1]) await send(writings[who]!, cut(store, bodies[who]!), index);
    await writings[0]!.complete(md5(bodies[0]!));
    await expectLarge(store, 'parts/two', bodies[0]!);
    await writings[1]!.complete(md5(bodies[1]!));
    await expectLarge(store, 'parts/two', bodies[1]!);
  });

  test('a large object is listed once, replaced by a small one, and removed', PARTS, async (store) => {
    const bytes = noise(store.partBytes(1) + 1, 7);
    const parts = cut(store, bytes);
    for (const key of ['life/a', 'life/b']) {
      const writing = await store.beginParts(key, bytes.length, properties(bytes));
      for (const index of parts.keys()) await send(writing, parts, index);
      await writing.complete(md5(bytes));
    }
    if (can(store, 'listPage')) {
      const { objects } = await store.listPage('life/', null);
      expect(objects.map(({ key, size }) => [key, size])).toEqual([
        ['life/a', bytes.length],
        ['life/b', bytes.length],
      ]);
    }
    await put('life/a', text('small'));
    expect((await store.read('life/a', LIMIT)).size).toBe(5);
    await store.remove('life/b');
    expect(await store.head('life/b')).toBeNull();
  });

  test('a fired signal sends no part', PARTS, async (store) => {
    const gone = AbortSignal.abort();
    const aborted = { kind: 'aborted' };
    const bytes = text('a part');
    await expect(store.beginParts('parts/stopped', 6, properties(bytes), gone)).rejects.toMatchObject(
      aborted,
    );
    const writing = await store.beginParts('parts/stopped', 6, properties(bytes));
    await expect(writing.writePart(0, bytes, md5(bytes), gone)).rejects.toMatchObject(aborted);
    await writing.abandon();
    expect(await store.head('parts/stopped')).toBeNull();
  });
}

function oneStreamContract(test: Contract['test'], put: Contract['put']): void {
  const ABILITIES = ['writeStream', 'readStream', 'write'] as const;

  test('writes an object as one stream, with its properties', ABILITIES, async (store) => {
    const key = 'streams/100% + ü🚀.tif';
    const bytes = noise(3_000_001, 8);
    const others = { contentType: 'image/tiff', headers: {}, metadata: {} };
    await store.writeStream(key, chunked(bytes), bytes.length, others);
    await expectLarge(store, key, bytes);
    if (store.traits.keeps !== 'nothing') expect(await store.head(key)).toMatchObject(others);
  });

  test('writes a stream of no bytes', ABILITIES, async (store) => {
    await store.writeStream('streams/empty', chunked(text('')), 0, properties(text('')));
    expect((await store.read('streams/empty', 0)).size).toBe(0);
  });

  const bytes = noise(1_000_000, 9);
  async function* breaking(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, 500_000);
    throw transient('the source is gone', { code: 'connection-lost' });
  }
  const bodies: [how: string, body: () => AsyncIterable<Uint8Array>, size: number][] = [
    ['too short', () => chunked(bytes), bytes.length + 1],
    ['too long', () => chunked(bytes), bytes.length - 1],
    ['that breaks off', breaking, bytes.length],
    ['of bytes where none were promised', () => chunked(bytes), 0],
  ];
  for (const [how, body, size] of bodies)
    test(`a stream ${how} leaves the old object`, ABILITIES, async (store) => {
      const keys = ['streams/old', 'streams/none'].map((key) => `${key} ${how}`) as [string, string];
      await put(keys[0], text('old'));
      for (const key of keys) {
        const writing = store.writeStream(key, body(), size, properties(bytes));
        await expect(writing).rejects.toBeInstanceOf(ConvoyError);
      }
      expect((await store.read(keys[0], LIMIT)).size).toBe(3);
      expect(await store.head(keys[1])).toBeNull();
      if (can(store, 'listPage')) expect(await keysOf(store, 'streams/none')).toEqual([]);
    });

  test('a fired signal ends a stream that is written', ABILITIES, async (store) => {
    await put('streams/stopped', text('old'));
    const stop = new AbortController();
    async function* stopping(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 500_000);
      stop.abort();
      yield bytes.subarray(500_000);
    }
    const writing = store.writeStream(
      'streams/stopped',
      stopping(),
      bytes.length,
      properties(bytes),
      stop.signal,
    );
    await expect(writing).rejects.toMatchObject({ kind: 'aborted' });
    expect((await store.read('streams/stopped', LIMIT)).size).toBe(3);
  });
}

/** In chunks of no even size. */
async function* chunked(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_521) yield bytes.subarray(at, at + 65_521);
}

function cut(store: PartWritableStore, bytes: Uint8Array): Uint8Array[] {
  const size = store.partBytes(bytes.length);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
}

function send(writing: PartialWrite, parts: readonly Uint8Array[], index: number): Promise<void> {
  const part = parts[index]!;
  return writing.writePart(index, part, md5(part));
}

/** Compares by MD5, told and counted: a wrong MD5 is worse than none. */
async function expectLarge(
  store: Store & Required<Pick<Store, 'readStream'>>,
  key: string,
  bytes: Uint8Array,
): Promise<void> {
  const { body, ...info } = await store.readStream(key, 0);
  const hash = createHash('md5');
  for await (const chunk of body) hash.update(chunk);
  expect([info.size, hash.digest('hex')]).toEqual([bytes.length, md5(bytes)]);
  const head = await store.head(key);
  expect(head?.size).toBe(bytes.length);
  for (const told of [info.md5, head?.md5]) if (told !== null) expect(told).toBe(md5(bytes));
}
