import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type ListableStore,
  listAll,
  NO_PROPERTIES,
  type ReadableStore,
  type WritableStore,
} from '../../stores/store.js';

/** One store under test. Read-only stores are filled behind their back with `put`. */
export interface StoreUnderTest {
  readonly store: ReadableStore;
  /** The same store, where it can be written to. */
  readonly writable?: WritableStore & ListableStore;
  put(key: string, bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

const NAMES = [
  'plain.jpg',
  'a/b/c/0_0.jpg',
  'with space.jpg',
  'percent%20sign%.jpg',
  'plus+hash#question?.jpg',
  'umlaut-äöü-日本語-🚀.jpg',
  'quotes-\'-"-&-;-=.jpg',
  'dots..in...name.jpg',
];
const HOSTILE = [
  '',
  '/',
  '/etc/passwd',
  '../x',
  'a/../x',
  'a//b',
  'a/',
  './a',
  'a/./b',
  'a\nb',
  'a\0b',
  'a\\b',
  `${'k'.repeat(1025)}`,
];
const LIMIT = 10_000_000;
const text = (word: string): Uint8Array => new TextEncoder().encode(word);
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

/** What stores/store.ts promises, for any store. Faults of a particular store are tested beside it. */
export function storeContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`store contract: ${name}`, () => {
    let under: StoreUnderTest;
    beforeAll(async () => {
      under = await open();
    });
    afterAll(() => under.close());

    test.each(NAMES)('reads back %s, with its size', async (key) => {
      const bytes = text(`the bytes of ${key}`);
      await under.put(key, bytes);
      const object = await under.store.read(key, LIMIT);
      expect(Buffer.from(object.bytes).equals(bytes)).toBe(true);
      expect(object.size).toBe(bytes.length);
      const info = await under.store.head(key);
      expect(info?.size).toBe(bytes.length);
      const told = under.store.traits.reportsMd5 ? md5(bytes) : null;
      expect([object.md5, info?.md5]).toEqual([told, told]);
    });

    test('has no object: head is null, read is permanent/not-found', async () => {
      expect(await under.store.head('no/such.jpg')).toBeNull();
      await expect(under.store.read('no/such.jpg', LIMIT)).rejects.toMatchObject({
        ...{ kind: 'permanent', code: 'not-found' },
      });
    });

    test('an object of no bytes is an object', async () => {
      await under.put('empty', text(''));
      expect(await under.store.read('empty', 0)).toMatchObject({ size: 0, bytes: expect.toSatisfy(isEmpty) });
    });

    test('an object may be exactly as large as the limit, one byte more is permanent/too-large', async () => {
      await under.put('limit', new Uint8Array(70_000));
      expect((await under.store.read('limit', 70_000)).size).toBe(70_000);
      await expect(under.store.read('limit', 69_999)).rejects.toMatchObject({
        ...{ kind: 'permanent', code: 'too-large' },
      });
    });

    test.each(HOSTILE)('refuses the name %j', async (key) => {
      const refused = { kind: 'permanent', code: 'name-refused' };
      await expect(under.store.head(key)).rejects.toMatchObject(refused);
      await expect(under.store.read(key, LIMIT)).rejects.toMatchObject(refused);
      if (under.writable === undefined) return;
      const metadata = { ...NO_PROPERTIES, md5: md5(text('x')) };
      await expect(under.writable.write(key, text('x'), metadata)).rejects.toMatchObject(refused);
      await expect(under.writable.remove(key)).rejects.toMatchObject(refused);
    });

    test('a signal that has fired is an aborted error', async () => {
      await under.put('there', text('x'));
      const gone = AbortSignal.abort();
      await expect(under.store.read('there', LIMIT, gone)).rejects.toMatchObject({ kind: 'aborted' });
      await expect(under.store.head('there', gone)).rejects.toMatchObject({ kind: 'aborted' });
    });

    test('many reads at once each get their own bytes', async () => {
      const keys = Array.from({ length: 100 }, (_, i) => `many/${i}`);
      await Promise.all(keys.map((key) => under.put(key, text(key))));
      const objects = await Promise.all(keys.map((key) => under.store.read(key, LIMIT)));
      expect(objects.map(({ bytes }) => new TextDecoder().decode(bytes))).toEqual(keys);
    });

    test('the name tells no secret and is not empty', () => {
      expect(under.store.name).not.toMatch(/@|\?/);
      expect(under.store.name).not.toBe('');
    });

    describe('if it can be written to', () => {
      const metadata = (bytes: Uint8Array) => ({
        ...NO_PROPERTIES,
        contentType: 'image/jpeg',
        md5: md5(bytes),
      });
      /** Read-only stores have no such promises. */
      const ifWritable = (body: (store: WritableStore & ListableStore) => Promise<void>) => async () => {
        if (under.writable !== undefined) await body(under.writable);
      };

      test(
        'replaces an object, and writing the same again changes nothing',
        ifWritable(async (store) => {
          for (const word of ['old', 'the new one', 'the new one'])
            await store.write('again/x', text(word), metadata(text(word)));
          expect(Buffer.from((await store.read('again/x', LIMIT)).bytes).toString()).toBe('the new one');
        }),
      );

      test(
        'removes an object, and removing nothing is done',
        ifWritable(async (store) => {
          await store.write('gone/x', text('x'), metadata(text('x')));
          await store.remove('gone/x');
          await store.remove('gone/x');
          await store.remove('never/there/x');
          expect(await store.head('gone/x')).toBeNull();
        }),
      );

      test(
        'lists exactly the keys with the prefix',
        ifWritable(async (store) => {
          const keys = ['list/a', 'list/ab/c', 'list/ab/d/e', 'list/b', 'listless'];
          for (const key of keys) await store.write(key, text(key), metadata(text(key)));
          const found = async (prefix: string): Promise<string[]> => {
            const all: string[] = [];
            for await (const { key, size } of listAll(store, prefix)) {
              expect(size).toBe(key.length);
              all.push(key);
            }
            return all.sort();
          };
          expect(await found('list')).toEqual(keys);
          expect(await found('list/')).toEqual(keys.slice(0, 4));
          expect(await found('list/ab')).toEqual(['list/ab/c', 'list/ab/d/e']);
          expect(await found('list/ab/d/')).toEqual(['list/ab/d/e']);
          expect(await found('nothing/')).toEqual([]);
        }),
      );

      test(
        'readers beside writers see the old object or the new one, never a part',
        ifWritable(async (store) => {
          const bodies = [new Uint8Array(200_000).fill(1), new Uint8Array(300_000).fill(2)] as const;
          await store.write('race', bodies[0], metadata(bodies[0]));
          const writing = Promise.all(
            Array.from({ length: 10 }, (_, i) =>
              store.write('race', bodies[i % 2]!, metadata(bodies[i % 2]!)),
            ),
          );
          for (let i = 0; i < 20; i++) {
            const { bytes } = await store.read('race', LIMIT);
            expect([200_000, 300_000]).toContain(bytes.length);
            expect(new Set(bytes).size).toBe(1);
          }
          await writing;
        }),
      );

      test(
        'a store that checks refuses damage and keeps the old object',
        ifWritable(async (store) => {
          if (!store.traits.checksWrites) return;
          await store.write('checked', text('good'), metadata(text('good')));
          await expect(store.write('checked', text('bad'), metadata(text('good')))).rejects.toMatchObject({
            code: 'checksum-mismatch',
          });
          expect((await store.read('checked', LIMIT)).size).toBe(4);
        }),
      );
    });
  });
}

const isEmpty = (bytes: Uint8Array): boolean => bytes.length === 0;
