import { expect } from 'vitest';
import { can, type Store, type StoreLimits } from '../../stores/store.js';
import { type Contract, coded, keysOf, LIMIT, properties, text } from './store-cases.js';

/** Whatever a URL, an XML document, a shell, a file system or a number parser might see more in than a name. */
const NAMES = [
  'plain.jpg',
  'a/b/c/0_0.jpg',
  'with space.jpg',
  ' spaces around ',
  'percent%20sign%.jpg',
  'percent%2Fslash',
  'percent%C3%A4 and %ff and %zz',
  'plus+hash#question?.jpg',
  'and&lt;&amp;<xml>.jpg',
  'umlaut-äöü-日本語.jpg',
  'emoji-🚀-👩‍👩‍👧.jpg',
  'right-to-left-שלום.jpg',
  'line\u2028and\u0085next',
  'quotes-\'-"-&-;-=.jpg',
  'signs-!$()*,:@[]{}|^`~.jpg',
  'dots..in...name.jpg',
  '.hidden/..visible/...',
  'dot at the end.',
  'folder./name',
  '007',
  '1e5',
  'true',
  '__proto__',
  'a=b&c=d/prefix=e',
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
  'half-\ud83d',
  'k'.repeat(1025),
];
const LONG = new Map([
  ['in one part', 'k'.repeat(1024)],
  ['in many parts', `${'of-twenty-bytes-all/'.repeat(51)}last`],
  ['in two-byte letters', `${`${'ä'.repeat(100)}/`.repeat(5) + 'ä'.repeat(9)}k`],
]);

/** Names: held exactly, or refused by name before anything is written, by whatever is asked with them. */
export function storeNames({ test, put }: Contract): void {
  for (const key of NAMES)
    test(`holds the name ${JSON.stringify(key)} exactly`, [], async (store) => {
      await put(key, text(`the bytes of ${key}`));
      await expectHeld(store, key);
    });

  test(
    'a name that is refused for its letters is refused by whatever is asked',
    ['write', 'remove'],
    async (store) => {
      for (const key of NAMES) {
        const refused = await store.write(key, text('x'), properties(text('x'))).then(
          () => false,
          (error: unknown) => {
            expect(error).toMatchObject(coded('name-refused'));
            return true;
          },
        );
        if (refused) await expectRefused(store, key);
        else await store.remove(key);
      }
    },
  );

  test('composed and decomposed letters are two names', [], async (store) => {
    const keys = ['caf\u00e9', 'cafe\u0301'];
    for (const key of keys) await put(key, text(`the bytes of ${key}`));
    for (const key of keys) await expectHeld(store, key);
  });

  test('capital and small letters are two names', [], async (store) => {
    const keys = ['CAPITAL/Letter', 'capital/letter'];
    for (const key of keys) await put(key, text(`the bytes of ${key}`));
    for (const key of keys) await expectHeld(store, key);
  });

  for (const [how, key] of LONG)
    test(
      `a name of ${Buffer.byteLength(key)} bytes ${how} is held exactly, or refused by name`,
      [],
      async (store) => {
        if (!fits(store.traits.limits, key)) return expectRefused(store, key);
        await put(key, text(`the bytes of ${key}`));
        await expectHeld(store, key);
      },
    );

  test('the longest name the store says it holds is held, a longer one is refused', [], async (store) => {
    const { keyBytes, partBytes } = store.traits.limits;
    const part = Math.min(partBytes ?? keyBytes, keyBytes);
    const longest = `${'p'.repeat(part)}/`.repeat(8).slice(0, keyBytes).replace(/\/$/, '');
    await put(longest, text(`the bytes of ${longest}`));
    await expectHeld(store, longest);
    await expectRefused(store, 'k'.repeat(keyBytes + 1));
    if (partBytes !== null) await expectRefused(store, `a/${'k'.repeat(partBytes + 1)}/b`);
  });

  for (const key of HOSTILE)
    test(`refuses the name ${JSON.stringify(key.slice(0, 40))}`, [], (store) => expectRefused(store, key));

  for (const prefix of ['../', '/etc/', 'a//', 'a/../../', 'a\0'])
    test(`finds nothing outside with the prefix ${JSON.stringify(prefix)}`, ['listPage'], async (store) => {
      const found = await keysOf(store, prefix).catch((error: unknown) => {
        expect(error).toMatchObject(coded('name-refused'));
        return [];
      });
      expect(found).toEqual([]);
    });
}

function fits({ keyBytes, partBytes }: StoreLimits, key: string): boolean {
  return (
    Buffer.byteLength(key) <= keyBytes &&
    key.split('/').every((part) => Buffer.byteLength(part) <= (partBytes ?? keyBytes))
  );
}

async function expectHeld(store: Store, key: string): Promise<void> {
  const bytes = `the bytes of ${key}`;
  const object = await store.read(key, LIMIT);
  expect(Buffer.from(object.bytes).toString()).toBe(bytes);
  const size = Buffer.byteLength(bytes);
  expect(object.size).toBe(size);
  expect((await store.head(key))?.size).toBe(size);
  if (can(store, 'listPage')) expect(await keysOf(store, key)).toContain(key);
}

async function expectRefused(store: Store, key: string): Promise<void> {
  const refused = coded('name-refused');
  const bytes = text('x');
  await expect(store.head(key)).rejects.toMatchObject(refused);
  await expect(store.read(key, LIMIT)).rejects.toMatchObject(refused);
  if (can(store, 'write', 'remove')) {
    await expect(store.write(key, bytes, properties(bytes))).rejects.toMatchObject(refused);
    await expect(store.remove(key)).rejects.toMatchObject(refused);
  }
  if (can(store, 'readStream')) await expect(store.readStream(key, 0)).rejects.toMatchObject(refused);
  if (can(store, 'beginParts'))
    await expect(store.beginParts(key, 1, properties(bytes))).rejects.toMatchObject(refused);
  if (can(store, 'writeStream'))
    await expect(store.writeStream(key, one(bytes), 1, properties(bytes))).rejects.toMatchObject(refused);
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
