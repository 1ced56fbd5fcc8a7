import { expect } from 'vitest';
import { type Contract, coded, LIMIT, md5, noise, properties, text } from './store-cases.js';

/** What a store tells a destination that copies for itself, and copying within one store. */
export function storeCopies({ test, put }: Contract): void {
  test('tells of an object and reads its first bytes in one', ['readStart'], async (store) => {
    const bytes = noise(100_000, 10);
    await put('start', bytes, 'image/jpeg');
    for (const count of [1, 12, 100_000, 200_000]) {
      const start = await store.readStart('start', count);
      expect(Buffer.from(start?.bytes ?? []).equals(bytes.subarray(0, count))).toBe(true);
      expect({ ...start, bytes: null }).toEqual({ ...(await store.head('start')), bytes: null });
    }
  });

  test('the start of no object is null, of an empty one empty', ['readStart'], async (store) => {
    expect(await store.readStart('no/such.jpg', 12)).toBeNull();
    await put('start-empty', text(''));
    const start = await store.readStart('start-empty', 12);
    expect([start?.size, start?.bytes.length]).toEqual([0, 0]);
  });

  const ABILITIES = ['copyAddress', 'copyFrom', 'canCopyFrom', 'readStart', 'write'] as const;
  const others = { contentType: 'image/jpeg', headers: {}, metadata: { name: 'value' } };

  test('copies an object within the store, with the properties it is told', ABILITIES, async (store) => {
    const bytes = noise(300_000, 11);
    for (const key of ['copy/plain', "copy/100% + ü🚀 & 'it'?#.jpg"]) {
      await store.write(key, bytes, properties(bytes, { contentType: 'image/png', metadata: { old: '1' } }));
      const address = await store.copyAddress(key);
      expect(store.canCopyFrom(address)).toBe(true);
      await store.copyFrom(address, `${key} copied`, { ...properties(bytes, others), size: bytes.length });
      const copied = await store.read(`${key} copied`, LIMIT);
      expect(md5(copied.bytes)).toBe(md5(bytes));
      if (store.traits.keeps === 'all') expect(copied).toMatchObject(others);
      if (store.traits.reportsMd5) expect(copied.md5).toBe(md5(bytes));
    }
  });

  test('other bytes than expected are not taken for a copy', ABILITIES, async (store) => {
    const bytes = noise(1_000, 12);
    await store.write('copy/other', bytes, properties(bytes));
    const address = await store.copyAddress('copy/other');
    const mismatch = coded('checksum-mismatch');
    const wrong = { ...properties(noise(1_000, 13)), size: bytes.length };
    await expect(store.copyFrom(address, 'copy/other copied', wrong)).rejects.toMatchObject(mismatch);
    const longer = { ...properties(bytes), size: bytes.length + 1 };
    await expect(store.copyFrom(address, 'copy/other copied', longer)).rejects.toMatchObject(mismatch);
  });

  test('a copy of no object is permanent/not-found', ABILITIES, async (store) => {
    const address = await store.copyAddress('copy/no such');
    const expected = { ...properties(text('x')), size: 1 };
    await expect(store.copyFrom(address, 'copy/of nothing', expected)).rejects.toMatchObject(
      coded('not-found'),
    );
    expect(await store.head('copy/of nothing')).toBeNull();
  });

  test('a copy replaces what was there', ABILITIES, async (store) => {
    const bytes = noise(1_000, 14);
    await store.write('copy/new', bytes, properties(bytes));
    await store.write('copy/old', text('old'), properties(text('old'), { metadata: { old: '1' } }));
    const expected = { ...properties(bytes, others), size: bytes.length };
    await store.copyFrom(await store.copyAddress('copy/new'), 'copy/old', expected);
    const { size, metadata } = await store.read('copy/old', LIMIT);
    expect([size, metadata]).toEqual([1_000, store.traits.keeps === 'all' ? others.metadata : {}]);
  });

  test('copies not from elsewhere, and not to a name it does not hold', ABILITIES, async (store) => {
    const addresses = [
      { kind: 'swift', storageUrl: 'http://127.0.0.1:1/v1/AUTH_elsewhere', path: '/c/o' },
      { kind: 's3', endpoint: 'http://127.0.0.1:1', path: '/b/k' },
    ] as const;
    for (const address of addresses) expect(store.canCopyFrom(address)).toBe(false);
    await put('copy/named', text('x'));
    const address = await store.copyAddress('copy/named');
    const expected = { ...properties(text('x')), size: 1 };
    await expect(store.copyFrom(address, 'a//b', expected)).rejects.toMatchObject(coded('name-refused'));
    await expect(
      store.copyFrom(address, 'copy/stopped', expected, AbortSignal.abort()),
    ).rejects.toMatchObject({
      kind: 'aborted',
    });
  });
}
