import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { messageOf } from '../../../runtime/errors.js';
import { type Log, silentLog } from '../../../runtime/log.js';
import type { AzureAuth } from '../../../stores/azure/credentials.js';
import { type AzureStore, azureStore } from '../../../stores/azure/store.js';
import { NO_PROPERTIES } from '../../../stores/store.js';
import { withCare } from '../../../stores/wrap.js';
import { manualClock } from '../../support/clock.js';

/*
 * What Azurite cannot do, from a stand-in that answers as Azure documents it: Put Blob From URL, refusals with
 * Retry-After, a signature that expires in the middle.
 */

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}
type Answer = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

const seen: Seen[] = [];
let answer: Answer;
const server = createServer((request, response) => {
  request.resume().on('end', () => {
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers });
    void answer(request, response);
  });
});
let endpoint: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const refuse =
  (status: number, code: string, headers: Record<string, string> = {}): Answer =>
  (_, response) => {
    const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>as documented</Message></Error>`;
    response
      .writeHead(status, { 'x-ms-error-code': code, 'content-length': body.length, ...headers })
      .end(body);
  };

const NOW = Date.UTC(2026, 10, 21, 12);
const KEY = Buffer.alloc(64, 7).toString('base64');
const SIGNATURE = 'c2VjcmV0LXNpZw';
const SAS: AzureAuth = {
  ...{ kind: 'sas', variable: 'AZURE_STORAGE_SAS_TOKEN', expiresMs: NOW + 60_000 },
  token: `sv=2021-12-02&sp=rw&se=2026-11-21T12%3A01%3A00Z&sig=${SIGNATURE}%3D`,
};
const stores: AzureStore[] = [];
afterEach(async () => {
  seen.length = 0;
  await Promise.all(stores.splice(0).map((store) => store.close()));
});

function open(
  auth: AzureAuth = { kind: 'key', key: KEY, variable: 'AZURE_STORAGE_KEY' },
  clock = manualClock(NOW),
) {
  const access = { account: 'zoom', endpoint, auth };
  const store = azureStore({ access, container: 'tiles', prefix: '', clock, nonce: () => 'nonce' });
  stores.push(store);
  return store;
}

const bytes = new TextEncoder().encode('the bytes of a tile');
const md5 = createHash('md5').update(bytes).digest();
const expected = { ...NO_PROPERTIES, md5: md5.toString('hex'), size: bytes.length };

describe('Put Blob From URL', () => {
  const address = { kind: 'url', url: 'https://elsewhere.example/o%20b?sig=c291cmNlLXNpZw' } as const;

  test('names the source, the MD5 that must come, and the properties', async () => {
    answer = (_, response) => void response.writeHead(201, { 'content-length': 0 }).end();
    const headers = { 'cache-control': 'no-cache' };
    const told = { ...expected, contentType: 'image/jpeg', headers, metadata: { name: 'value' } };
    await open().copyFrom(address, 'a/b c', told);
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({
      ...{ method: 'PUT', url: '/tiles/a/b%20c' },
      headers: {
        'x-ms-blob-type': 'BlockBlob',
        'x-ms-copy-source': address.url,
        'x-ms-source-content-md5': md5.toString('base64'),
        'x-ms-blob-content-md5': md5.toString('base64'),
        'x-ms-copy-source-blob-properties': 'false',
        'x-ms-blob-content-type': 'image/jpeg',
        'x-ms-blob-cache-control': 'no-cache',
        'x-ms-meta-name': 'value',
        'content-length': '0',
        authorization: expect.stringMatching(/^SharedKey zoom:/),
      },
    });
  });

  test('that brought other bytes is refused by the service itself', async () => {
    answer = refuse(400, 'Md5Mismatch');
    await expect(open().copyFrom(address, 'x', expected)).rejects.toMatchObject({
      ...{ kind: 'permanent', code: 'checksum-mismatch' },
    });
    expect(seen).toHaveLength(1);
  });

  test.each([
    [404, 'CannotVerifyCopySource'],
    [403, 'CannotVerifyCopySource'],
    [409, 'CannotVerifyCopySource'],
    [400, 'UnsupportedHeader'],
  ])('that the service may not or cannot do (%i %s) is copy-refused', async (status, code) => {
    answer = refuse(status, code);
    const error = await open()
      .copyFrom(address, 'x', expected)
      .catch((reason: unknown) => reason as Error);
    expect(error).toMatchObject({ kind: 'permanent', code: 'copy-refused' });
    expect((error as Error).message).toContain(code);
    expect((error as Error).stack).not.toContain('c291cmNlLXNpZw');
  });

  test('whose source is busy may be asked again', async () => {
    answer = refuse(503, 'CannotVerifyCopySource', { 'retry-after': '2' });
    await expect(open().copyFrom(address, 'x', expected)).rejects.toMatchObject({
      ...{ kind: 'transient', retryAfterMs: 2_000 },
    });
  });

  test('is not asked for what one request cannot copy', async () => {
    answer = refuse(500, 'NotAsked');
    const copyRefused = { kind: 'permanent', code: 'copy-refused' };
    const store = open();
    await expect(
      store.copyFrom(address, 'x', { ...expected, size: 256 * 2 ** 20 + 1 }),
    ).rejects.toMatchObject(copyRefused);
    await expect(
      store.copyFrom({ kind: 'url', url: `https://elsewhere.example/${'x'.repeat(2_048)}` }, 'x', expected),
    ).rejects.toMatchObject(copyRefused);
    await expect(
      store.copyFrom({ kind: 's3', endpoint: 'https://elsewhere.example', path: '/b/k' }, 'x', expected),
    ).rejects.toMatchObject(copyRefused);
    expect(seen).toEqual([]);
  });
});

describe('a signature that expires in the middle', () => {
  test('is permanent/wrong-credentials, names the variable and the hour, and is in no text', async () => {
    const lines: string[] = [];
    const log: Log = { ...silentLog, debug: (...told) => void lines.push(JSON.stringify(told)) };
    const clock = manualClock(NOW);
    const plain = open(SAS, clock);
    const store = withCare(plain, { log });
    answer = (_, response) =>
      void response.writeHead(200, { 'content-length': 1, 'x-ms-blob-type': 'BlockBlob' }).end('x');
    expect((await store.read('x', 10)).size).toBe(1);
    expect(seen[0]?.url).toBe(`/tiles/x?${SAS.kind === 'sas' ? SAS.token : ''}`);
    await clock.advance(61_000);
    answer = refuse(403, 'AuthenticationFailed');
    for (const ask of [
      () => store.read('x', 10),
      () => store.head('x'),
      () => store.write('x', bytes, expected),
      () => store.listPage('', null),
      () => store.check(),
    ]) {
      const error: unknown = await ask().catch((reason: unknown) => reason);
      expect(error).toMatchObject({ kind: 'permanent', code: 'wrong-credentials' });
      expect((error as Error).message).toMatch(
        /AZURE_STORAGE_SAS_TOKEN expired at 2026-11-21T12:01:00.000Z$/,
      );
      lines.push(String((error as Error).stack), JSON.stringify(error));
    }
    expect(lines.join('\n')).toContain('wrong-credentials');
    expect(lines.join('\n')).not.toContain(SIGNATURE);
    expect(store.name).toBe('azure://zoom/tiles');
  });
});

test('the signature of an address is made anew in time, before it expires', async () => {
  const clock = manualClock(NOW);
  const store = open(undefined, clock);
  const expiry = async (): Promise<number> => {
    const address = await store.copyAddress('x');
    if (address.kind !== 'url') throw new Error(address.kind);
    return (Date.parse(new URL(address.url).searchParams.get('se') ?? '') - clock.now()) / 60_000;
  };
  const left: number[] = [];
  for (const minutes of [0, 29, 2, 29]) {
    await clock.advance(minutes * 60_000);
    left.push(await expiry());
  }
  expect(left).toEqual([60, 31, 60, 31]);
});

test('a folder shows no object that only stands for it, and goes on by the marker', async () => {
  const blob = (name: string): string =>
    `<Blob><Name>${name}</Name><Properties><Last-Modified>Sat, 21 Nov 2026 12:00:00 GMT</Last-Modified><Content-Length>3</Content-Length></Properties></Blob>`;
  const body = `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="tiles"><Blobs>${blob('a/')}${blob('a/b &amp; c')}<BlobPrefix><Name>a/007/</Name></BlobPrefix></Blobs><NextMarker>2!more</NextMarker></EnumerationResults>`;
  answer = (_, response) =>
    void response
      .writeHead(200, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(body) })
      .end(body);
  expect(await open().listFolder('a/', null)).toEqual({
    objects: [{ key: 'a/b & c', size: 3, modifiedMs: NOW }],
    folders: ['a/007/'],
    cursor: '2!more',
  });
  await open().listFolder('a/', '2!more');
  const [first, second] = seen.map(({ url }) => new URL(url, endpoint).searchParams);
  expect([first?.get('delimiter'), first?.get('prefix'), second?.get('marker')]).toEqual([
    ...['/', 'a/', '2!more'],
  ]);
});

describe('refusals', () => {
  test.each([
    [503, 'ServerBusy', 'throttled'],
    [500, 'OperationTimedOut', 'server-error'],
    [500, 'InternalError', 'server-error'],
  ])('%i %s is transient, for as long as the service says', async (status, code, expectedCode) => {
    answer = refuse(status, code, { 'retry-after': '7' });
    const transient = { kind: 'transient', code: expectedCode, status, retryAfterMs: 7_000 };
    const store = open();
    await expect(store.read('x', 10)).rejects.toMatchObject(transient);
    await expect(store.write('x', bytes, expected)).rejects.toMatchObject(transient);
    await expect(store.listPage('', null)).rejects.toMatchObject(transient);
  });

  test('a page that is no listing is asked for once, whatever it says, and not repeated whole', async () => {
    const body = `<html><body>Gateway Timeout${'.'.repeat(10_000)}`;
    answer = (_, response) => void response.writeHead(200, { 'content-length': body.length }).end(body);
    const error: unknown = await open()
      .listPage('', null)
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ kind: 'transient', code: 'bad-answer' });
    expect(messageOf(error).length).toBeLessThan(400);
    expect(seen).toHaveLength(1);
  });

  test('an archived object is told as such', async () => {
    answer = refuse(409, 'BlobArchived');
    await expect(open().read('x', 10)).rejects.toMatchObject({
      ...{ kind: 'permanent', code: 'rejected' },
      message: expect.stringContaining('BlobArchived: the object is in the archive tier'),
    });
  });

  test('a container on its way out can be made later', async () => {
    answer = refuse(409, 'ContainerBeingDeleted');
    await expect(open().createContainer()).rejects.toMatchObject({ kind: 'transient' });
  });

  test.each(['<html><body>Sign in to the hotel</body></html>', '', 'no XML at all'])(
    'what is no listing is not taken for an empty one: %j',
    async (body) => {
      answer = (_, response) => void response.writeHead(200, { 'content-length': body.length }).end(body);
      await expect(open().listPage('', null)).rejects.toMatchObject({
        kind: 'transient',
        code: 'bad-answer',
      });
    },
  );
});

test('an object is one PUT, checked by the MD5 it is sent with, and signed for the second it is sent in', async () => {
  answer = (_, response) => void response.writeHead(201, { 'content-length': 0 }).end();
  const clock = manualClock(NOW + 999);
  const store = open(undefined, clock);
  await store.write('x', bytes, expected);
  await clock.advance(1);
  await store.write('x', bytes, expected);
  expect(seen.map(({ headers }) => headers['x-ms-date'])).toEqual([
    'Sat, 21 Nov 2026 12:00:00 GMT',
    'Sat, 21 Nov 2026 12:00:01 GMT',
  ]);
  expect(new Set(seen.map(({ headers }) => headers.authorization)).size).toBe(2);
  expect(seen[0]).toMatchObject({
    ...{ method: 'PUT', url: '/tiles/x' },
    headers: { 'content-md5': md5.toString('base64'), 'x-ms-version': '2021-12-02' },
  });
});
