import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { messageOf } from '../../../runtime/errors.js';
import { storeEnvironment } from '../../../stores/environment.js';
import { copyLarge } from '../../../stores/large.js';
import { listAll, NO_PROPERTIES, type Store } from '../../../stores/store.js';
import { swiftSession } from '../../../stores/swift/auth.js';
import { openSwift } from '../../../stores/swift/open.js';
import type { SwiftSession } from '../../../stores/swift/session.js';
import { type SwiftStore, swiftStore } from '../../../stores/swift/store.js';
import { coded, collect, LIMIT, md5, noise, properties, text } from '../../contracts/store-cases.js';
import { useGround } from '../../support/services.js';
import { type FaultProxy, startFaultProxy } from '../../support/stores/fault-proxy.js';
import { type SwiftServer, startSwift } from '../../support/stores/swift.js';

const MiB = 1024 ** 2;
const ground = useGround('swift');
let server: SwiftServer;
/** Stands before the server: v1 names the storage by the host that was asked, so logins and objects go through it. */
let proxy: FaultProxy;
let session: SwiftSession;
let store: SwiftStore;
let segments: SwiftStore;
let keys = 0;

beforeAll(async () => {
  server = await startSwift(ground, { maxFileSize: 64 * MiB });
  proxy = await startFaultProxy(server.url);
  session = await sessionThrough(proxy.url);
  store = swiftStore(session, { container: 'tiles', prefix: 'spring' });
  segments = swiftStore(session, { container: 'tiles_segments', prefix: '' });
  await store.createContainer();
});
beforeEach(() => proxy.clear());
afterAll(async () => {
  await Promise.all([store?.close(), segments?.close()]);
  await proxy?.close();
});

function sessionThrough(url: string, key = server.key): Promise<SwiftSession> {
  return swiftSession(storeEnvironment({ ST_AUTH: `${url}/auth/v1.0`, ST_USER: server.user, ST_KEY: key }));
}

const newKey = (): string => `object ${keys++}`;

async function segmentNames(): Promise<string[]> {
  const names: string[] = [];
  for await (const { key } of listAll(segments, '')) names.push(key);
  return names;
}

/** A large object of two segments. */
async function putLarge(key: string, seed: number): Promise<Uint8Array> {
  const bytes = noise(2_000, seed);
  const writing = await store.beginParts(key, bytes.length, properties(bytes));
  for (const index of [0, 1]) {
    const part = bytes.subarray(index * 1_000, (index + 1) * 1_000);
    await writing.writePart(index, part, md5(part));
  }
  await writing.complete(md5(bytes));
  return bytes;
}

/** How many requests an operation takes. */
async function requestsOf(operation: () => Promise<unknown>): Promise<number> {
  proxy.clear();
  await operation();
  return proxy.requests;
}

/** A request of our own, past the store. */
async function ask(method: string, path: string, headers: Record<string, string> = {}, body?: string) {
  const { token, storageUrl } = await session.login();
  const answer = await fetch(storageUrl + path, {
    ...{ method, headers: { ...headers, 'x-auth-token': token } },
    ...(body === undefined ? {} : { body }),
  });
  expect(answer.ok).toBe(true);
  return answer;
}

describe('large objects', () => {
  const SIZE = 70 * MiB + 12_345;

  test('an object over max_file_size goes in segments, two parts in memory at most, and comes back whole', async () => {
    const piece = noise(MiB, 40);
    let taken = 0;
    let stored = 0;
    let held = 0;
    async function* body(): AsyncGenerator<Uint8Array> {
      for (; taken < SIZE; ) {
        const chunk = piece.subarray(0, Math.min(MiB, SIZE - taken));
        taken += chunk.length;
        held = Math.max(held, taken - stored);
        yield chunk;
      }
    }
    const info = { ...NO_PROPERTIES, contentType: 'image/tiff', metadata: { name: 'value' } };
    const source = {
      readStream: async () => ({ ...info, size: SIZE, md5: null, modifiedMs: 1, body: body() }),
    };
    const counted: Store = {
      ...store,
      async beginParts(key, size, others, signal) {
        const writing = await store.beginParts(key, size, others, signal);
        return {
          ...writing,
          async writePart(index, bytes, sum, aborting) {
            await writing.writePart(index, bytes, sum, aborting);
            stored += bytes.length;
          },
        };
      },
    };
    await store.write('asked first', text('x'), properties(text('x')));
    expect(store.traits.limits.writeBytes).toBe(64 * MiB);
    const whole = { length: SIZE, byteLength: SIZE } as Uint8Array;
    await expect(store.write('large', whole, properties(text('')))).rejects.toMatchObject(coded('too-large'));

    const copied = await copyLarge(source as unknown as Store, 'large', counted);
    expect(copied.size).toBe(SIZE);
    expect(held).toBeLessThanOrEqual(2 * store.partBytes(SIZE) + MiB);
    const names = await segmentNames();
    expect(names).toHaveLength(3);
    expect(names.every((name) => /^spring\/large\/slo\/[0-9a-f]{24}\/73412665\/0000000\d$/.test(name))).toBe(
      true,
    );

    const { body: back, ...told } = await store.readStream('large', 0);
    expect(told).toMatchObject({
      size: SIZE,
      md5: null,
      contentType: 'image/tiff',
      metadata: { name: 'value' },
    });
    const hash = createHash('md5');
    for await (const chunk of back) hash.update(chunk);
    expect(hash.digest('hex')).toBe(copied.md5);
    // From the middle of the second segment on.
    const from = 40 * MiB + 1;
    const rest = await collect((await store.readStream('large', from)).body);
    expect(rest.length).toBe(SIZE - from);
    expect(rest.subarray(0, 1000).equals(piece.subarray(1, 1001))).toBe(true);

    await store.remove('large');
    expect(await segmentNames()).toEqual([]);
  });

  test('a part that is cut in the middle is sent again, and the object is whole', async () => {
    const bytes = noise(6 * MiB, 41);
    const writing = await store.beginParts('cut', bytes.length, properties(bytes));
    const send = async (index: number): Promise<void> => {
      const part = bytes.subarray(index * 3 * MiB, (index + 1) * 3 * MiB);
      await writing.writePart(index, part, md5(part));
    };
    await send(0);
    proxy.add({ fault: { kind: 'reset', when: 'sending', after: MiB }, method: 'PUT', first: 1 });
    await expect(send(1)).rejects.toMatchObject({ kind: 'transient', code: 'connection-lost' });
    await expect(writing.complete(md5(bytes))).rejects.toMatchObject({
      ...coded('rejected'),
      message: 'spring/cut: 3145728 of 6291456 bytes were written in parts',
    });
    expect(await store.head('cut')).toBeNull();
    await send(1);
    await writing.complete(md5(bytes));
    expect(md5((await store.read('cut', LIMIT)).bytes)).toBe(md5(bytes));
    await store.remove('cut');
    expect(await segmentNames()).toEqual([]);
  });

  test('given up leaves no segment, not one whose answer was lost either', async () => {
    const bytes = noise(2_000, 42);
    const writing = await store.beginParts('given up', 2_000, properties(bytes));
    await writing.writePart(0, bytes.subarray(0, 1_000), md5(bytes.subarray(0, 1_000)));
    proxy.add({ fault: { kind: 'reset', when: 'answered' }, method: 'PUT' });
    const lost = writing.writePart(1, bytes.subarray(1_000), md5(bytes.subarray(1_000)));
    await expect(lost).rejects.toMatchObject({ kind: 'transient' });
    proxy.clear();
    expect(await segmentNames()).toHaveLength(2);
    await writing.abandon();
    expect(await segmentNames()).toEqual([]);
  });

  test('given up after the answer to its manifest was lost, the object that stands stays whole', async () => {
    const bytes = noise(1_000, 43);
    const writing = await store.beginParts('stands', 1_000, properties(bytes));
    await writing.writePart(0, bytes, md5(bytes));
    proxy.add({ fault: { kind: 'reset', when: 'answered' }, path: /multipart-manifest=put/ });
    await expect(writing.complete(md5(bytes))).rejects.toMatchObject({ kind: 'transient' });
    proxy.clear();
    await writing.abandon();
    expect(md5((await store.read('stands', LIMIT)).bytes)).toBe(md5(bytes));
    await store.remove('stands');
    expect(await segmentNames()).toEqual([]);
  });

  test('a segment that is not what was written keeps the manifest from standing', async () => {
    const bytes = noise(1_000, 44);
    for (const [how, code] of [
      ['other', 'checksum-mismatch'],
      ['gone', 'server-error'],
    ] as const) {
      const writing = await store.beginParts('damaged', 1_000, properties(bytes));
      await writing.writePart(0, bytes, md5(bytes));
      const [name = ''] = await segmentNames();
      if (how === 'gone') await segments.remove(name);
      else await segments.write(name, text('other'), properties(text('other')));
      await expect(writing.complete(md5(bytes))).rejects.toMatchObject({ code });
      await writing.abandon();
      expect(await store.head('damaged')).toBeNull();
    }
    expect(await segmentNames()).toEqual([]);
  });

  test('written over by a small one, a large one or a copy, its segments are gone, and those of others stay', async () => {
    const other = await putLarge('written', 50);
    await putLarge('written over', 51);
    await putLarge('written over', 52);
    expect(await segmentNames()).toHaveLength(4);
    await store.write('written over', text('small'), properties(text('small')));
    expect(await segmentNames()).toHaveLength(2);
    expect((await store.read('written over', LIMIT)).size).toBe(5);

    await putLarge('copied over', 53);
    const address = await store.copyAddress('written over');
    await store.copyFrom(address, 'copied over', { ...properties(text('small')), size: 5 });
    expect(await segmentNames()).toHaveLength(2);
    expect((await store.read('written', LIMIT)).bytes).toEqual(Buffer.from(other));
    await store.remove('written');
    expect(await segmentNames()).toEqual([]);
  });

  test('segments whose removal failed go when the write is asked for again', async () => {
    for (const [key, again] of [
      ['owed to a write', () => store.write('owed to a write', text('small'), properties(text('small')))],
      ['owed to a large one', () => putLarge('owed to a large one', 57).then(() => undefined)],
    ] as const) {
      await putLarge(key, 56);
      proxy.add({ fault: { kind: 'answer', status: 503 }, method: 'DELETE', first: 1 });
      await expect(again()).rejects.toMatchObject({ kind: 'transient', code: 'throttled' });
      await again();
      await store.remove(key);
      expect(await segmentNames()).toEqual([]);
    }
  });

  test('more than a manifest can name is refused before anything is sent', async () => {
    const requests = await requestsOf(async () => {
      const beginning = store.beginParts('huge', 1000 * 64 * MiB + 1, NO_PROPERTIES);
      await expect(beginning).rejects.toMatchObject(coded('too-large'));
    });
    expect(requests).toBe(0);
  });

  test('a name of all the bytes there are can be a large object too', async () => {
    const key = 'ü'.repeat((store.traits.limits.keyBytes - 1) / 2);
    const bytes = await putLarge(key, 54);
    expect((await store.read(key, LIMIT)).bytes).toEqual(Buffer.from(bytes));
    await store.remove(key);
    expect(await segmentNames()).toEqual([]);
  });

  test('tells no MD5 of large objects of either kind, and their whole size', async () => {
    await putLarge('static', 55);
    for (const [name, body] of [
      ['1', 'abc'],
      ['2', 'de'],
    ] as const)
      await ask('PUT', `/tiles/dynamic-parts/${name}`, {}, body);
    await ask('PUT', '/tiles/spring/dynamic', { 'x-object-manifest': 'tiles/dynamic-parts/' }, '');
    expect(await store.head('static')).toMatchObject({ md5: null, size: 2_000 });
    expect(await store.head('dynamic')).toMatchObject({ md5: null, size: 5 });
    expect(await store.read('dynamic', LIMIT)).toMatchObject({ md5: null, bytes: Buffer.from('abcde') });
    await store.remove('static');
  });
});

describe('one request', () => {
  test('an operation, while objects are new', async () => {
    const bytes = noise(14_000, 60);
    // What was written last may have met an object.
    await store.write(newKey(), bytes, properties(bytes));
    for (const key of [newKey(), newKey()]) {
      expect(await requestsOf(() => store.write(key, bytes, properties(bytes)))).toBe(1);
      expect(await requestsOf(() => store.read(key, LIMIT))).toBe(1);
      expect(await requestsOf(() => store.head(key))).toBe(1);
      expect(await requestsOf(() => store.readStart(key, 100))).toBe(1);
    }
    expect(await requestsOf(() => store.check())).toBe(1);
  });

  test('more a write that meets the same object, which is left as it is; others are replaced', async () => {
    const key = newKey();
    const bytes = noise(14_000, 61);
    await store.write(key, bytes, properties(bytes));
    const before = (await ask('HEAD', `/tiles/spring/${key}`)).headers.get('x-timestamp');
    expect(await requestsOf(() => store.write(key, bytes, properties(bytes)))).toBe(2);
    // The next one looks first.
    expect(await requestsOf(() => store.write(key, bytes, properties(bytes)))).toBe(1);
    expect((await ask('HEAD', `/tiles/spring/${key}`)).headers.get('x-timestamp')).toBe(before);
    const changed = properties(bytes, { metadata: { name: 'new' } });
    expect(await requestsOf(() => store.write(key, bytes, changed))).toBe(2);
    expect((await store.head(key))?.metadata).toEqual({ name: 'new' });
    expect(await requestsOf(() => store.write(newKey(), bytes, changed))).toBe(2);
    expect(await requestsOf(() => store.write(newKey(), bytes, changed))).toBe(1);
  });

  test('a miss, but for one that asks whether the container is there', async () => {
    const fresh = swiftStore(session, { container: 'tiles', prefix: 'spring' });
    const missing = () => expect(fresh.read(newKey(), LIMIT)).rejects.toMatchObject(coded('not-found'));
    expect(await requestsOf(missing)).toBe(2);
    expect(await requestsOf(missing)).toBe(1);
    expect(await requestsOf(() => fresh.head('nowhere'))).toBe(1);
  });

  test('more a large body, which is never sent in vain', async () => {
    const key = newKey();
    for (const seed of [62, 63]) {
      const bytes = noise(8 * MiB, seed);
      expect(await requestsOf(() => store.write(key, bytes, properties(bytes)))).toBe(2);
      expect((await store.head(key))?.md5).toBe(md5(bytes));
    }
  });
});

describe('who asks', () => {
  test('a token that expires under 50 requests is renewed by one login, and nobody notices', async () => {
    const counted = await startFaultProxy(server.url, { host: new URL(server.url).host });
    const asked = swiftStore(await sessionThrough(counted.url), { container: 'tiles', prefix: 'spring' });
    try {
      const written = Array.from({ length: 50 }, (_, index) => [newKey(), text(`tile ${index}`)] as const);
      for (const [key, bytes] of written) await asked.write(key, bytes, properties(bytes));
      expect(counted.requests).toBe(1);
      await server.forgetTokens();
      const read = await Promise.all(written.map(([key]) => asked.read(key, LIMIT)));
      expect(read.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(
        written.map(([, bytes]) => Buffer.from(bytes).toString()),
      );
      expect(counted.requests).toBe(2);
    } finally {
      await asked.close();
      await counted.close();
    }
  });

  test('a token that is refused just after it was given is a wrong credential, named by its variables', async () => {
    const { storageUrl } = await session.login();
    let logins = 0;
    const useless: SwiftSession = {
      ...{ variables: 'OS_USERNAME and OS_PASSWORD', ca: null, close: async () => undefined },
      login: async () => ({ storageUrl, token: 'AUTH_tk-secret' }),
      renew: async () => ({ storageUrl, token: `AUTH_tk-secret${++logins}` }),
    };
    const refused = swiftStore(useless, { container: 'tiles', prefix: '' });
    for (const asking of [
      () => refused.check(),
      () => refused.read('x', LIMIT),
      () => refused.listPage('', null),
    ]) {
      const error: unknown = await asking().catch((reason: unknown) => reason);
      expect(error).toMatchObject(coded('wrong-credentials'));
      expect(messageOf(error)).toContain('OS_USERNAME and OS_PASSWORD');
      expect(messageOf(error)).not.toContain('secret');
    }
    expect(logins).toBe(3);
    await refused.close();
  });

  test('a user without rights is forbidden, which no new login would change', async () => {
    const { user, key } = server.stranger;
    const env = storeEnvironment({ ST_AUTH: server.authUrl, ST_USER: user, ST_KEY: key });
    const stranger = await openSwift({ kind: 'swift', container: 'tiles', prefix: '' }, env);
    await expect(stranger.check()).rejects.toMatchObject(coded('forbidden'));
    await expect(stranger.head('x')).rejects.toMatchObject(coded('forbidden'));
    await expect(stranger.write('x', text('x'), properties(text('x')))).rejects.toMatchObject(
      coded('forbidden'),
    );
    await stranger.close();
  });
});

describe('copies within the cluster', () => {
  const bytes = noise(14_000, 70);
  const expected = { ...properties(bytes), size: bytes.length };

  test('a source that changed is a checksum-mismatch, and what was there stays', async () => {
    const [from, to] = [newKey(), newKey()];
    await store.write(from, text('changed'), properties(text('changed')));
    await store.write(to, text('old'), properties(text('old')));
    const copying = store.copyFrom(await store.copyAddress(from), to, expected);
    await expect(copying).rejects.toMatchObject(coded('checksum-mismatch'));
    expect((await store.read(to, LIMIT)).size).toBe(3);
  });

  test('takes none of the properties of the source, a date to be deleted at least of all', async () => {
    const [from, to] = [newKey(), newKey()];
    const headers = { 'x-delete-after': '86400', 'x-object-meta-old': '1', 'cache-control': 'no-store' };
    await ask('PUT', `/tiles/spring/${from}`, headers, 'expires');
    const small = { ...properties(text('expires'), { contentType: 'image/png' }), size: 7 };
    await store.copyFrom(await store.copyAddress(from), to, small);
    expect(await store.head(to)).toMatchObject({ contentType: 'image/png', headers: {}, metadata: {} });
    expect((await ask('HEAD', `/tiles/spring/${to}`)).headers.get('x-delete-at')).toBeNull();
  });

  test('the very same that is there already is left as it is, unless it expires', async () => {
    const [from, to] = [newKey(), newKey()];
    await store.write(from, bytes, expected);
    const address = await store.copyAddress(from);
    expect(await requestsOf(() => store.copyFrom(address, to, expected))).toBe(3);
    expect(await requestsOf(() => store.copyFrom(address, to, expected))).toBe(1);
    await ask('POST', `/tiles/spring/${to}`, { 'x-delete-after': '86400', 'content-type': 'image/jpeg' });
    await store.copyFrom(address, to, expected);
    expect((await ask('HEAD', `/tiles/spring/${to}`)).headers.get('x-delete-at')).toBeNull();
  });

  test('a large object has no MD5 to copy by: it is never taken for verified', async () => {
    const large = await putLarge('large source', 71);
    const copying = store.copyFrom(await store.copyAddress('large source'), newKey(), {
      ...properties(large),
      size: large.length,
    });
    await expect(copying).rejects.toMatchObject(coded('checksum-mismatch'));
    await store.remove('large source');
  });

  test('from an account that may not be read is copy-refused, from another cluster without a request', async () => {
    const { storageUrl } = await session.login();
    const theirs = {
      kind: 'swift',
      storageUrl: storageUrl.replace('AUTH_test', 'AUTH_other'),
      path: '/c/o',
    } as const;
    expect(store.canCopyFrom(theirs)).toBe(true);
    const refused = coded('copy-refused');
    await expect(store.copyFrom(theirs, newKey(), expected)).rejects.toMatchObject(refused);
    const elsewhere = { kind: 'swift', storageUrl: 'http://127.0.0.1:1/v1/AUTH_test', path: '/c/o' } as const;
    const requests = await requestsOf(async () => {
      await expect(store.copyFrom(elsewhere, newKey(), expected)).rejects.toMatchObject(refused);
    });
    expect(requests).toBe(0);
  });

  test('into a container that is absent is container-absent, of a source that is absent not-found', async () => {
    const key = newKey();
    await store.write(key, bytes, expected);
    const absent = swiftStore(session, { container: 'absent', prefix: '' });
    const address = await store.copyAddress(key);
    await expect(absent.copyFrom(address, 'x', expected)).rejects.toMatchObject(coded('container-absent'));
    const nothing = await store.copyAddress(newKey());
    await expect(store.copyFrom(nothing, newKey(), expected)).rejects.toMatchObject(coded('not-found'));
  });
});

test('a body that is stored compressed comes as it is stored', async () => {
  const key = newKey();
  const bytes = gzipSync(text('many words'));
  await store.write(key, bytes, properties(bytes, { headers: { 'content-encoding': 'gzip' } }));
  const back = await store.read(key, LIMIT);
  expect([md5(back.bytes), back.md5, back.headers]).toEqual([
    md5(bytes),
    md5(bytes),
    { 'content-encoding': 'gzip' },
  ]);
});
