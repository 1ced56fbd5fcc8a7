import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { checkKey, verifyItem } from '../../../jobs/verify-item.js';
import type { CheckedImage, Claim, Image, VerifyOptions } from '../../../jobs/work-queue.js';
import { aborted, permanent, transient } from '../../../runtime/errors.js';
import { NO_PROPERTIES, type ReadableStore, type WritableStore } from '../../../stores/store.js';
import { definition, SMALL } from '../../contracts/queue-cases.js';
import { memoryStore } from '../../fakes/memory-store.js';
import { descriptorBody, tileBody } from '../../support/tile-source.js';

const IMAGE: Image = { ...SMALL, number: 0, id: 'a', tiles: 9 };
const KEY = checkKey(IMAGE, 3);
const BODY = tileBody(KEY);
const md5Of = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

async function filled(): Promise<WritableStore> {
  const store = memoryStore();
  await put(store, KEY, BODY);
  await put(store, 'a.dzi', Buffer.from(descriptorBody(SMALL)));
  return store;
}
const put = (store: WritableStore, key: string, bytes: Uint8Array): Promise<void> =>
  store.write(key, bytes, { ...NO_PROPERTIES, md5: md5Of(bytes) });
/** A store that tells no MD5. */
const silent = (store: WritableStore): WritableStore => ({
  ...store,
  async head(key, signal) {
    const info = await store.head(key, signal);
    return info === null ? null : { ...info, md5: null };
  },
  read: async (key, limit, signal) => ({ ...(await store.read(key, limit, signal)), md5: null }),
});

const HEAD: VerifyOptions = { sample: 1, read: false, unpublish: false };
const READ: VerifyOptions = { ...HEAD, read: true };
/** All of them are in it, but it is a sample. */
const SAMPLE: VerifyOptions = { ...HEAD, sample: 1 - 2 ** -40 };

function verify(
  destination: ReadableStore,
  options: VerifyOptions,
  { index = 3, attempt = 0, source, check = {} }: Partial<Given> = {},
) {
  const claim: Claim & { check: CheckedImage } = {
    ...{ token: 't-1', migration: definition(), lane: 'checks', image: IMAGE, first: 0, end: 10, attempt },
    ...{ leaseMs: 1000, lookFirst: false, share: { requestsPerSecond: null, bytesPerSecond: null } },
    check: {
      ...{ options, round: 1, settled: true, published: true, failed: [], differs: false },
      ...check,
    },
  };
  const stores = {
    destination,
    source: async () => {
      if (source === undefined) throw new Error('the source was opened');
      return source;
    },
  };
  return verifyItem(claim, index, stores, new AbortController().signal);
}
interface Given {
  readonly index: number;
  readonly attempt: number;
  readonly source: ReadableStore;
  readonly check: Partial<CheckedImage>;
}
const wrong = (reason: string) => ({
  ...{ kind: 'failed', sides: ['destination'], reason, restart: true, error: { kind: 'permanent' } },
});

describe('a tile', () => {
  it('that is there is done, with the MD5 the store tells; without one, or where none is told, it is blind', async () => {
    const store = await filled();
    expect(await verify(store, HEAD)).toEqual({ kind: 'done', bytes: 0, md5: md5Of(BODY) });
    expect(await verify(silent(store), HEAD)).toEqual({ kind: 'done', bytes: 0, md5: null, blind: true });
  });

  it('that is read is done with its own MD5', async () => {
    const read = { kind: 'done', bytes: BODY.length, md5: md5Of(BODY) };
    expect(await verify(await filled(), READ)).toEqual(read);
    expect(await verify(silent(await filled()), READ)).toEqual(read);
  });

  it.each([HEAD, READ])('that is missing or empty is wrong (read: $read)', async (options) => {
    const store = await filled();
    await put(store, KEY, Buffer.alloc(0));
    expect(await verify(store, options)).toMatchObject(wrong('empty'));
    await store.remove(KEY);
    expect(await verify(store, options)).toMatchObject(wrong('missing'));
  });

  it('that does not begin like an image, or is larger than any tile, is wrong when read', async () => {
    const store = await filled();
    await put(store, KEY, Buffer.from('<html>'));
    expect(await verify(store, HEAD)).toMatchObject({ kind: 'done' });
    expect(await verify(store, READ)).toMatchObject(wrong('not-an-image'));
    const huge = { ...store, read: () => Promise.reject(permanent('too large', { code: 'too-large' })) };
    expect(await verify(huge, READ)).toMatchObject(wrong('too-large'));
  });

  it('whose bytes are not those of its MD5 is read again, and wrong only if that stays so', async () => {
    const store = await filled();
    const damaged: ReadableStore = {
      ...store,
      read: async (key, limit) => ({ ...(await store.read(key, limit)), bytes: BODY.subarray(0, 10) }),
    };
    const first = await verify(damaged, READ);
    expect(first).toMatchObject({
      kind: 'failed',
      reason: 'checksum-mismatch',
      error: { kind: 'transient' },
    });
    expect(first).not.toHaveProperty('restart');
    expect(await verify(damaged, READ, { attempt: 2 })).toMatchObject(wrong('checksum-mismatch'));
  });

  it.each([HEAD, READ])('that the store will not tell of is no finding (read: $read)', async (options) => {
    const refuse = () => Promise.reject(transient('busy', { status: 500 }));
    const store = { ...(await filled()), head: refuse, read: refuse };
    const outcome = await verify(store, options);
    expect(outcome).toMatchObject({ kind: 'failed', sides: ['destination'], reason: 'http-500' });
    expect(outcome).not.toHaveProperty('restart');
  });

  it('is given up when the signal fires', async () => {
    const store = { ...(await filled()), head: () => Promise.reject(aborted('stopped')) };
    await expect(verify(store, HEAD)).rejects.toMatchObject({ kind: 'aborted' });
  });

  it('is skipped if it failed before, blind if its image is being copied', async () => {
    const store = memoryStore();
    const failed = [{ first: 3, count: 1 }];
    expect(await verify(store, HEAD, { check: { failed } })).toEqual({ kind: 'skipped', md5: null });
    const copied = await verify(store, HEAD, { check: { settled: false } });
    expect(copied).toEqual({ kind: 'skipped', md5: null, blind: true });
  });
});

describe('a tile of a sample', () => {
  it('is compared with the source by length, and by MD5 where both tell one', async () => {
    const [destination, source] = [await filled(), await filled()];
    expect(await verify(destination, SAMPLE, { source })).toMatchObject({ kind: 'done', md5: md5Of(BODY) });
    const other = Buffer.from(BODY);
    other[10]! ^= 1;
    await put(source, KEY, other);
    expect(await verify(destination, SAMPLE, { source })).toMatchObject(wrong('different'));
    const untold = { source: silent(source) };
    expect(await verify(destination, SAMPLE, untold)).toMatchObject({ kind: 'done' });
    const read = { ...SAMPLE, read: true };
    expect(await verify(silent(destination), read, untold)).toMatchObject(wrong('different'));
    await put(source, KEY, BODY.subarray(1));
    expect(await verify(destination, SAMPLE, untold)).toMatchObject(wrong('different'));
    await put(source, KEY, BODY);
    expect(await verify(silent(destination), read, untold)).toMatchObject({ md5: md5Of(BODY) });
  });

  it.each([SAMPLE, { ...SAMPLE, read: true }])(
    'is not the destination’s fault if the source misses it (%#)',
    async (options) => {
      const outcome = await verify(await filled(), options, { source: memoryStore() });
      expect(outcome).toMatchObject({ kind: 'failed', sides: ['source'] });
      expect((outcome as { reason: string }).reason).toMatch(/^source-/);
      expect(outcome).not.toHaveProperty('restart');
    },
  );
});

describe('the image as a whole', () => {
  const whole = { index: 9 };

  it('is done if its descriptor is that of the plan', async () => {
    const bytes = descriptorBody(SMALL).length;
    expect(await verify(await filled(), HEAD, whole)).toEqual({ kind: 'done', bytes, md5: null });
    const unpublished = { ...whole, check: { published: false } };
    expect(await verify(memoryStore(), HEAD, unpublished)).toEqual({ kind: 'skipped', md5: null });
  });

  it.each([
    ['missing', null],
    ['empty', ''],
    ['not-a-descriptor', '<html/>'],
    ['too-large', 'x'.repeat(70_000)],
    ['descriptor-changed', descriptorBody({ ...SMALL, height: 255 })],
  ])('is wrong: %s', async (reason, body) => {
    const store = await filled();
    if (body === null) await store.remove('a.dzi');
    else await put(store, 'a.dzi', Buffer.from(body));
    expect(await verify(store, HEAD, whole)).toMatchObject(wrong(reason));
  });

  it('is wrong if the digests differ, without another look', async () => {
    const differs = { ...whole, check: { differs: true } };
    expect(await verify(memoryStore(), HEAD, differs)).toMatchObject(wrong('digest-differs'));
  });
});
