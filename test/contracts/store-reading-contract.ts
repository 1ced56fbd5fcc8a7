import { expect } from 'vitest';
import { type Contract, coded, LIMIT, md5, text } from './store-cases.js';

/** How far a store's clock and its whole seconds may be off. */
const CLOCK_MS = 5_000;

/** Reading small objects. */
export function storeReading({ test, put }: Contract): void {
  test('the location can be checked', [], async (store) => {
    await store.check();
  });

  test('there is no such object: head is null, read is permanent/not-found', [], async (store) => {
    expect(await store.head('no/such.jpg')).toBeNull();
    await expect(store.read('no/such.jpg', LIMIT)).rejects.toMatchObject(coded('not-found'));
  });

  test('an object of no bytes is an object', [], async (store) => {
    await put('empty', text(''));
    expect(await store.head('empty')).toMatchObject({ size: 0 });
    const { size, bytes } = await store.read('empty', 0);
    expect([size, bytes.length]).toEqual([0, 0]);
  });

  test(
    'an object may be exactly as large as the limit, one byte more is permanent/too-large',
    [],
    async (store) => {
      await put('limit', new Uint8Array(70_000));
      expect((await store.read('limit', 70_000)).size).toBe(70_000);
      await expect(store.read('limit', 69_999)).rejects.toMatchObject(coded('too-large'));
      expect((await store.read('limit', 70_000)).size).toBe(70_000);
    },
  );

  test('every byte value comes back as it was', [], async (store) => {
    const bytes = Uint8Array.from({ length: 1024 }, (_, index) => index % 256);
    await put('every-byte', bytes);
    expect(Buffer.from((await store.read('every-byte', LIMIT)).bytes).equals(bytes)).toBe(true);
  });

  test('head and read tell the MD5 if the store has one, and never another', [], async (store) => {
    const bytes = text('of known MD5');
    await put('md5', bytes);
    const told = store.traits.reportsMd5 ? md5(bytes) : null;
    expect((await store.head('md5'))?.md5).toBe(told);
    expect((await store.read('md5', LIMIT)).md5).toBe(told);
  });

  test('head and read tell when it was modified, or null', [], async (store) => {
    await put('modified', text('now'));
    const times = [
      (await store.head('modified'))?.modifiedMs,
      (await store.read('modified', LIMIT)).modifiedMs,
    ];
    expect(times[1]).toBe(times[0]);
    if (times[0] !== null) expect(Math.abs((times[0] ?? 0) - Date.now())).toBeLessThan(CLOCK_MS);
  });

  test('the content type comes back, if the store keeps it', [], async (store) => {
    await put('typed', text('x'), 'image/x-convoy');
    const kept = store.traits.keeps === 'nothing' ? null : 'image/x-convoy';
    expect((await store.head('typed'))?.contentType).toBe(kept);
    expect((await store.read('typed', LIMIT)).contentType).toBe(kept);
  });

  test('a signal that has fired is an aborted error', [], async (store) => {
    await put('there', text('x'));
    const gone = AbortSignal.abort();
    const aborted = { kind: 'aborted' };
    await expect(store.check(gone)).rejects.toMatchObject(aborted);
    await expect(store.head('there', gone)).rejects.toMatchObject(aborted);
    await expect(store.read('there', LIMIT, gone)).rejects.toMatchObject(aborted);
  });

  test('many reads at once each get their own bytes', [], async (store) => {
    const keys = Array.from({ length: 100 }, (_, i) => `many/${i}`);
    await Promise.all(keys.map((key) => put(key, text(key))));
    const objects = await Promise.all(keys.map((key) => store.read(key, LIMIT)));
    expect(objects.map(({ bytes }) => new TextDecoder().decode(bytes))).toEqual(keys);
  });

  test('the name tells no secret and is not empty', [], async (store) => {
    expect(store.name).not.toMatch(/@|\?/);
    expect(store.name).not.toBe('');
  });
}
