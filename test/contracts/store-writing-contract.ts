import { expect } from 'vitest';
import { ConvoyError, kindOf } from '../../runtime/errors.js';
import { HELD_HEADERS, type HeldHeader, type Store, type StoredObject } from '../../stores/store.js';
import { type Contract, coded, LIMIT, properties, text } from './store-cases.js';

const HEADERS: Record<HeldHeader, string> = {
  'cache-control': 'public, max-age=31536000',
  'content-disposition': 'attachment; filename="a b.jpg"',
  'content-encoding': 'gzip',
  'content-language': 'de-CH',
};
const METADATA_NAMES = [
  'plain',
  'with-dash',
  'with_underscore',
  'with.dot',
  'digits123',
  'a-b_c.d',
  '1first',
];
const METADATA_VALUES = [
  'plain',
  'in the middle',
  'a, b; c="d" = e',
  '%41+%',
  '=?utf-8?B?eA==?=',
  'x'.repeat(200),
];

/** Writing small objects, and what is carried over with them. */
export function storeWriting({ test, missesWhileReplaced }: Contract): void {
  const ABILITIES = ['write', 'remove'] as const;

  test('replaces an object, and writing the same again changes nothing', ABILITIES, async (store) => {
    for (const word of ['old', 'the new one', 'the new one'])
      await store.write('again/x', text(word), properties(text(word)));
    expect(await wordOf(store, 'again/x')).toBe('the new one');
  });

  test('removes an object, and removing nothing is done', ABILITIES, async (store) => {
    await store.write('gone/x', text('x'), properties(text('x')));
    await store.remove('gone/x');
    await store.remove('gone/x');
    await store.remove('never/there/x');
    expect(await store.head('gone/x')).toBeNull();
  });

  test('removing leaves what has a longer or a shorter name', ABILITIES, async (store) => {
    for (const key of ['near/a', 'near/ab', 'near/b/c'])
      await store.write(key, text(key), properties(text(key)));
    await store.remove('near/a');
    expect(await store.head('near/a')).toBeNull();
    expect([await wordOf(store, 'near/ab'), await wordOf(store, 'near/b/c')]).toEqual([
      'near/ab',
      'near/b/c',
    ]);
  });

  test('readers beside writers see the old object or the new one, never a part', ABILITIES, async (store) => {
    const bodies = [new Uint8Array(200_000).fill(1), new Uint8Array(300_000).fill(2)] as const;
    await store.write('race', bodies[0], properties(bodies[0]));
    /** Of writes at the same moment, Swift may tell one that another was later: to be repeated, as any transient error. */
    const write = (body: Uint8Array): Promise<void> =>
      store.write('race', body, properties(body)).catch((error: unknown) => {
        if (kindOf(error) !== 'transient') throw error;
        return write(body);
      });
    const writing = Promise.all(Array.from({ length: 10 }, (_, i) => write(bodies[i % 2]!)));
    const read = (): Promise<StoredObject> =>
      store.read('race', LIMIT).catch((error: unknown) => {
        if (!missesWhileReplaced || !(error instanceof ConvoyError) || error.code !== 'not-found')
          throw error;
        return read();
      });
    for (let i = 0; i < 20; i++) {
      const { bytes } = await read();
      expect([200_000, 300_000]).toContain(bytes.length);
      expect(new Set(bytes).size).toBe(1);
    }
    await writing;
  });

  test(
    'bytes that do not match their MD5 are refused where the store checks, the old object stays',
    ABILITIES,
    async (store) => {
      await store.write('checked', text('good'), properties(text('good')));
      const writing = store.write('checked', text('evil'), properties(text('good')));
      if (store.traits.checksWrites) await expect(writing).rejects.toMatchObject(coded('checksum-mismatch'));
      else await writing;
      expect(await wordOf(store, 'checked')).toBe(store.traits.checksWrites ? 'good' : 'evil');
    },
  );

  test(
    'a fired signal writes, removes and makes nothing',
    [...ABILITIES, 'createContainer'],
    async (store) => {
      await store.write('kept', text('kept'), properties(text('kept')));
      const gone = AbortSignal.abort();
      const aborted = { kind: 'aborted' };
      await expect(store.write('kept', text('x'), properties(text('x')), gone)).rejects.toMatchObject(
        aborted,
      );
      await expect(store.remove('kept', gone)).rejects.toMatchObject(aborted);
      await expect(store.createContainer(gone)).rejects.toMatchObject(aborted);
      expect(await wordOf(store, 'kept')).toBe('kept');
    },
  );

  test('an object larger than the store takes is refused before a byte is sent', ABILITIES, async (store) => {
    const { writeBytes } = store.traits.limits;
    // No memory is touched: the size alone is looked at.
    const bytes = { length: writeBytes + 1, byteLength: writeBytes + 1 } as Uint8Array;
    const writing = store.write('too-large', bytes, properties(text('')));
    await expect(writing).rejects.toMatchObject(coded('too-large'));
    expect(await store.head('too-large')).toBeNull();
  });

  for (const header of HELD_HEADERS)
    test(`the header ${header} comes back, if the store keeps headers`, ABILITIES, async (store) => {
      const headers = { [header]: HEADERS[header] };
      const key = `header/${header}`;
      await store.write(key, text('x'), properties(text('x'), { headers, contentType: 'image/jpeg' }));
      const kept = store.traits.keeps === 'all' ? headers : {};
      expect((await store.head(key))?.headers).toEqual(kept);
      expect((await store.read(key, LIMIT)).headers).toEqual(kept);
    });

  test('a content type with parameters comes back, if the store keeps it', ABILITIES, async (store) => {
    const contentType = 'text/plain; charset=utf-8';
    await store.write('type/x', text('x'), properties(text('x'), { contentType }));
    const kept = store.traits.keeps === 'nothing' ? null : contentType;
    expect((await store.head('type/x'))?.contentType).toBe(kept);
  });

  for (const name of METADATA_NAMES)
    test(`the metadata name ${name} comes back, or is refused by name`, ABILITIES, async (store) => {
      await expectMetadata(store, `metadata/${name}`, { [name]: 'value' }, name);
    });

  for (const value of METADATA_VALUES)
    test(`the metadata value ${JSON.stringify(value.slice(0, 20))} comes back`, ABILITIES, async (store) => {
      await expectMetadata(
        store,
        `value/${METADATA_VALUES.indexOf(value)}`,
        { name: value, other: '1' },
        'other',
      );
    });

  for (const [what, value] of [
    ['an empty metadata value', ''],
    ['a metadata value of 500 bytes', 'x'.repeat(500)],
    ['a metadata value of 3,000 bytes', 'x'.repeat(3_000)],
  ] as const)
    test(`${what} comes back, or is refused by name`, ABILITIES, async (store) => {
      if (store.traits.keeps !== 'all') return;
      const key = `value/of ${value.length}`;
      const writing = store.write(key, text('x'), properties(text('x'), { metadata: { name: value } }));
      const refused = await writing.then(
        () => false,
        (error: unknown) => {
          expect(error).toMatchObject(coded('metadata-refused'));
          return true;
        },
      );
      const info = await store.head(key);
      if (refused) expect(info).toBeNull();
      else expect(info?.metadata).toEqual({ name: value });
    });

  for (const value of ['ümlaut', 'a\r\nx-injected: 1', ' around ', 'nul\0'])
    test(
      `the metadata value ${JSON.stringify(value)} is refused by name, nothing is written`,
      ABILITIES,
      async (store) => {
        if (store.traits.keeps !== 'all') return;
        const key = `refused/${['ü', 'a', ' ', 'n'].indexOf(value[0]!)}`;
        const writing = store.write(key, text('x'), properties(text('x'), { metadata: { name: value } }));
        await expect(writing).rejects.toMatchObject(coded('metadata-refused'));
        expect(await store.head(key)).toBeNull();
      },
    );

  test('writing anew leaves nothing of the old properties', ABILITIES, async (store) => {
    const old = {
      contentType: 'image/png',
      headers: { 'cache-control': 'no-store' },
      metadata: { old: '1' },
    };
    await store.write('anew', text('x'), properties(text('x'), old));
    await store.write('anew', text('y'), properties(text('y'), { contentType: 'image/jpeg' }));
    const info = await store.head('anew');
    expect(info).toMatchObject({ headers: {}, metadata: {} });
    if (store.traits.keeps !== 'nothing') expect(info?.contentType).toBe('image/jpeg');
  });
}

async function wordOf(store: Store, key: string): Promise<string> {
  return Buffer.from((await store.read(key, LIMIT)).bytes).toString();
}

async function expectMetadata(
  store: Store & Required<Pick<Store, 'write'>>,
  key: string,
  metadata: Record<string, string>,
  name: string,
): Promise<void> {
  const writing = store.write(key, text('x'), properties(text('x'), { metadata }));
  if (store.traits.keeps === 'all' && !store.traits.limits.metadataName.test(name)) {
    await expect(writing).rejects.toMatchObject({
      ...coded('metadata-refused'),
      message: expect.stringContaining(name),
    });
    expect(await store.head(key)).toBeNull();
    return;
  }
  await writing;
  const kept = store.traits.keeps === 'all' ? metadata : {};
  expect((await store.head(key))?.metadata).toEqual(kept);
  expect((await store.read(key, LIMIT)).metadata).toEqual(kept);
}
