import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type CopyOutcome, copyItem, isLeaseOver } from '../../../jobs/copy-tile.js';
import { tileAt, tileKey } from '../../../jobs/pyramid.js';
import { serverSideCopy } from '../../../jobs/server-side.js';
import type { Claim, ServerSide } from '../../../jobs/work-queue.js';
import { aborted, type ConvoyError, permanent, transient } from '../../../runtime/errors.js';
import { silentLog } from '../../../runtime/log.js';
import { type MemoryStore, memoryStore } from '../../fakes/memory-store.js';
import { descriptorBody, tileBody } from '../../support/tile-source.js';

const IMAGE = {
  width: 100,
  height: 100,
  tileSize: 50,
  overlap: 0,
  format: 'jpg',
  number: 0,
  id: 'a',
  tiles: 11,
};
const never = new AbortController().signal;
const keyOf = (index: number): string => tileKey('a', tileAt(IMAGE, index), 'jpg');
const md5Of = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

function setUp(mode: ServerSide, change: Partial<MemoryStore> = {}, ofSource: Partial<MemoryStore> = {}) {
  const source = { ...memoryStore(), ...ofSource };
  const memory = memoryStore();
  const calls = { copies: 0, reads: 0, writes: 0 };
  const told: string[] = [];
  let refusal: ConvoyError | null = null;
  const reading: MemoryStore = {
    ...source,
    async read(...args) {
      calls.reads++;
      return source.read(...args);
    },
  };
  const destination: MemoryStore = {
    ...memory,
    canCopyFrom: (address) => address.kind === 's3' && address.endpoint === source.endpoint,
    async copyFrom(_address, key, expected) {
      calls.copies++;
      if (refusal !== null) throw refusal;
      await memory.write(key, source.objects.get(key)!.bytes, expected);
    },
    async write(...args) {
      calls.writes++;
      return memory.write(...args);
    },
    ...change,
  };
  const put = (key: string, bytes: Uint8Array, md5: string | null = md5Of(bytes)): void =>
    void source.objects.set(key, {
      ...{ bytes, size: bytes.length, md5, modifiedMs: 0 },
      ...{ contentType: 'image/jpeg', headers: { 'cache-control': 'public' }, metadata: { by: 'x' } },
    });
  for (let index = 0; index < IMAGE.tiles; index++) put(keyOf(index), tileBody(keyOf(index)));
  const log = { ...silentLog, info: (_: object, message: string) => void told.push(message) };
  const serverSide = serverSideCopy(mode, { source: reading, destination, log });
  const copy = (index: number, claim: Partial<Claim> = {}, leased = () => true): Promise<CopyOutcome> => {
    const whole = { lane: 'tiles', image: IMAGE, attempt: 0, ...claim } as Claim;
    return copyItem(whole, index, { source: reading, destination, serverSide, log }, never, leased);
  };
  return {
    ...{ calls, told, put, copy, memory, source },
    refuseCopies(error: ConvoyError | null) {
      refusal = error;
    },
  };
}

const REFUSED = permanent('not allowed to', { code: 'copy-refused', status: 403 });

describe('a tile that is looked for first', () => {
  const look = { lookFirst: true };

  test.each(['auto', 'never'] as const)(
    'is skipped if it is there as the source has it (%s)',
    async (mode) => {
      const { copy, calls } = setUp(mode);
      await copy(3);
      const before = { ...calls };
      expect(await copy(3, look)).toEqual({ kind: 'skipped', md5: md5Of(tileBody(keyOf(3))) });
      expect(calls).toEqual(before);
    },
  );

  test.each(['auto', 'never'] as const)(
    'is copied, and said by key, if other bytes are there (%s)',
    async (mode) => {
      const { copy, put, memory, told } = setUp(mode);
      await copy(3);
      const body = tileBody('other');
      put(keyOf(3), body);
      expect(await copy(3, look)).toMatchObject({ kind: 'done', md5: md5Of(body) });
      expect(memory.objects.get(keyOf(3))?.md5).toBe(md5Of(body));
      expect(told).toEqual(['the destination has other bytes under this key: they are replaced']);
    },
  );

  test('is carried if either store tells no MD5, or it is not there', async () => {
    const { copy, put, told } = setUp('never');
    expect(await copy(1, look)).toMatchObject({ kind: 'done' });
    put(keyOf(1), tileBody(keyOf(1)), null);
    expect(await copy(1, look)).toMatchObject({ kind: 'done' });
    expect(told).toEqual([]);
  });

  test('is no descriptor: that is always carried', async () => {
    const { copy, put } = setUp('never');
    put('a.dzi', Buffer.from(descriptorBody(IMAGE)));
    await copy(0, { lane: 'descriptors' });
    expect(await copy(0, { lane: 'descriptors', ...look })).toMatchObject({ kind: 'done' });
  });
});

test.each(['always', 'never'] as const)(
  'nothing is written once the lease has run out (%s)',
  async (mode) => {
    const { copy, calls } = setUp(mode);
    await expect(copy(3, {}, () => false)).rejects.toSatisfy(isLeaseOver);
    expect(calls).toMatchObject({ copies: 0, writes: 0 });
  },
);

describe('a tile that the destination copies by itself', () => {
  test('is done without a byte of it carried, with its size, MD5 and properties', async () => {
    for (const mode of ['auto', 'always'] as const) {
      const { copy, calls, memory } = setUp(mode);
      const body = tileBody(keyOf(3));
      expect(await copy(3)).toEqual({ kind: 'done', bytes: body.length, md5: md5Of(body) });
      expect(calls).toEqual({ copies: 1, reads: 0, writes: 0 });
      expect(memory.objects.get(keyOf(3))).toMatchObject({
        ...{ contentType: 'image/jpeg', headers: { 'cache-control': 'public' }, metadata: { by: 'x' } },
      });
    }
  });

  test('is looked at first: what is no image, too large or absent is refused as if carried', async () => {
    const { copy, put, calls, source } = setUp('auto');
    put(keyOf(1), Buffer.from('<html>Sorry</html>'));
    expect(await copy(1)).toMatchObject({ kind: 'failed', sides: ['source'], reason: 'not-an-image' });
    put(keyOf(2), tileBody('x'));
    source.objects.set(keyOf(2), { ...source.objects.get(keyOf(2))!, size: 65 * 1024 * 1024 });
    expect(await copy(2)).toMatchObject({ reason: 'too-large', error: { kind: 'permanent' } });
    source.objects.delete(keyOf(4));
    expect(await copy(4)).toMatchObject({ reason: 'http-404', error: { status: 404 } });
    expect(calls).toEqual({ copies: 0, reads: 0, writes: 0 });
  });

  test('is blamed on the destination first, whose answer it was, then on the source it had to read', async () => {
    const { copy, refuseCopies } = setUp('auto');
    refuseCopies(transient('try later', { code: 'throttled', status: 503 }));
    expect(await copy(3)).toMatchObject({
      ...{ kind: 'failed', sides: ['destination', 'source'], reason: 'copy-http-503' },
    });
  });

  test('given up is given up', async () => {
    const { copy, refuseCopies } = setUp('auto');
    refuseCopies(aborted('told to stop'));
    await expect(copy(3)).rejects.toMatchObject({ kind: 'aborted' });
  });
});

describe('with auto a tile is carried', () => {
  test('where the source tells no MD5 to verify a copy by; others still are not', async () => {
    const { copy, put, calls } = setUp('auto');
    put(keyOf(1), tileBody('x'), null);
    expect(await copy(1)).toMatchObject({ kind: 'done', md5: md5Of(tileBody('x')) });
    expect(calls).toEqual({ copies: 0, reads: 1, writes: 1 });
    await copy(2);
    expect(calls).toEqual({ copies: 1, reads: 1, writes: 1 });
  });

  test('where the destination refused once, for the whole route, which is said once', async () => {
    const { copy, refuseCopies, calls, told } = setUp('auto');
    refuseCopies(REFUSED);
    for (const index of [1, 2, 3]) expect(await copy(index)).toMatchObject({ kind: 'done' });
    expect(calls).toEqual({ copies: 1, reads: 3, writes: 3 });
    expect(told).toEqual([expect.stringMatching(/carried, not copied .*: not allowed to$/)]);
  });

  test('where the destination cannot copy from there; nothing is read twice for it', async () => {
    const { copy, calls, told } = setUp('auto', { canCopyFrom: () => false });
    for (const index of [1, 2]) expect(await copy(index)).toMatchObject({ kind: 'done' });
    expect(calls).toEqual({ copies: 0, reads: 2, writes: 2 });
    expect(told).toHaveLength(1);
  });

  test('where other bytes came, so that the right ones take their place', async () => {
    const { copy, refuseCopies, calls, memory } = setUp('auto');
    refuseCopies(permanent('other bytes', { code: 'checksum-mismatch' }));
    expect(await copy(1)).toMatchObject({ kind: 'done' });
    expect(memory.objects.get(keyOf(1))!.bytes).toEqual(Uint8Array.from(tileBody(keyOf(1))));
    refuseCopies(null);
    await copy(2);
    expect(calls).toEqual({ copies: 2, reads: 1, writes: 1 });
  });

  test('where the source gives no part of an object', async () => {
    const whole = permanent('HTTP 200, asked for 206', { code: 'rejected', status: 200 });
    const { copy, calls } = setUp('auto', {}, { readStart: () => Promise.reject(whole) });
    expect(await copy(1)).toMatchObject({ kind: 'done' });
    expect(calls).toEqual({ copies: 0, reads: 1, writes: 1 });
    const { copy: insisting } = setUp('always', {}, { readStart: () => Promise.reject(whole) });
    expect(await insisting(1)).toMatchObject({ reason: 'http-200', sides: ['source'] });
  });

  test('at its second attempt', async () => {
    const { copy, calls } = setUp('auto');
    expect(await copy(1, { attempt: 1 })).toMatchObject({ kind: 'done' });
    expect(calls).toEqual({ copies: 0, reads: 1, writes: 1 });
  });

  test('but not into a full disk', async () => {
    const { copy, refuseCopies, calls } = setUp('auto');
    refuseCopies(permanent('full', { code: 'disk-full' }));
    expect(await copy(1)).toMatchObject({ reason: 'copy-disk-full', sides: ['destination', 'source'] });
    expect(calls.writes).toBe(0);
  });
});

describe('with always', () => {
  test('a tile fails, by a word that says why, rather than be carried', async () => {
    const { copy, put, refuseCopies, calls } = setUp('always');
    put(keyOf(1), tileBody('x'), null);
    expect(await copy(1)).toMatchObject({ reason: 'no-source-checksum', error: { kind: 'permanent' } });
    refuseCopies(REFUSED);
    expect(await copy(2)).toMatchObject({ reason: 'copy-refused' });
    refuseCopies(permanent('other bytes', { code: 'checksum-mismatch' }));
    expect(await copy(3)).toMatchObject({ reason: 'copy-checksum-mismatch' });
    refuseCopies(null);
    expect(await copy(4, { attempt: 1 })).toMatchObject({ kind: 'done' });
    expect(calls).toMatchObject({ reads: 0, writes: 0 });
  });

  test('stores that cannot are refused at once', () => {
    const { copyAddress: _, ...plain } = memoryStore();
    const stores = { source: plain, destination: memoryStore(), log: silentLog };
    expect(() => serverSideCopy('always', stores)).toThrow(/cannot copy from memory: by itself/);
    expect(serverSideCopy('auto', stores)).toBeNull();
  });
});

test('with never all is carried', async () => {
  const { copy, calls } = setUp('never');
  await copy(1);
  expect(calls).toEqual({ copies: 0, reads: 1, writes: 1 });
});

test('a descriptor is always carried, as its content is checked', async () => {
  const { copy, put, calls } = setUp('always');
  put('a.dzi', Buffer.from(descriptorBody(IMAGE)));
  expect(await copy(0, { lane: 'descriptors' })).toMatchObject({ kind: 'done' });
  expect(calls).toEqual({ copies: 0, reads: 1, writes: 1 });
});
