import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { SwiftSession } from '../../../stores/swift/session.js';
import { type SwiftStore, swiftStore } from '../../../stores/swift/store.js';
import { coded, LIMIT, md5, properties, text } from '../../contracts/store-cases.js';

/** What a Swift may answer, but not the one the other tests run. */
type Answer = readonly [status: number, headers?: Record<string, string>, body?: string];
const BYTES = text('bytes');
const STORED: Answer = [201, { etag: md5(BYTES) }];

let server: Server;
let store: SwiftStore;
let answers: (request: IncomingMessage) => Answer = () => [500];
let asked: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    request.resume().on('end', () => {
      const [status, headers = {}, body = ''] = answers(request);
      response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => new Promise((resolve) => server.close(resolve)));
beforeEach(() => {
  asked = [];
  const storageUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/AUTH_a`;
  const login = { storageUrl, token: 'token' };
  const session: SwiftSession = {
    ...{ variables: 'ST_KEY', ca: null, close: async () => undefined },
    ...{ login: async () => login, renew: async () => login },
  };
  store = swiftStore(session, { container: 'box', prefix: '' });
  return () => store.close();
});

const write = (): Promise<void> => store.write('x', BYTES, properties(BYTES));
/** With nothing to tell at /info. */
const to = (answer: Answer) => (request: IncomingMessage) =>
  request.url === '/info' ? ([404] as const) : answer;

test.each<[string, Answer, Record<string, unknown>]>([
  ['498', [498, { 'retry-after': '3' }], { kind: 'transient', code: 'throttled', retryAfterMs: 3000 }],
  ['429', [429, { 'retry-after': '2' }], { kind: 'transient', code: 'throttled', retryAfterMs: 2000 }],
  ['503', [503, { 'retry-after': '1' }], { kind: 'transient', code: 'throttled', retryAfterMs: 1000 }],
  ['507', [507], coded('disk-full')],
  ['413', [413, {}, 'Your request is too large.'], coded('too-large')],
  ['413 of a quota', [413, {}, 'Upload exceeds quota.'], coded('disk-full')],
  ['411', [411], coded('rejected')],
  ['422', [422], coded('checksum-mismatch')],
  ['400', [400, { 'content-type': 'text/plain' }, 'Invalid path'], { ...coded('rejected'), status: 400 }],
  ['404', [404], coded('container-absent')],
  ['202: a later object is there', [202], { kind: 'transient', code: 'server-error' }],
  ['201 with another ETag', [201, { etag: md5(text('other')) }], coded('checksum-mismatch')],
  ['201 without an ETag', [201], coded('checksum-mismatch')],
])('a write answered %s', async (_, answer, expected) => {
  answers = to(answer);
  await expect(write()).rejects.toMatchObject(expected);
});

test('what Swift says in words is in the message', async () => {
  answers = to([400, { 'content-type': 'text/plain' }, 'Object name length of 1025\nlonger than 1024']);
  await expect(write()).rejects.toThrow('HTTP 400, Object name length of 1025 longer than 1024');
});

test.each<[string, Answer]>([
  ['404', [404]],
  ['500', [500]],
  ['a page', [200, {}, '<html>']],
  ['other things', [200, {}, '{"swift": {"max_file_size": "x"}}']],
])('a cluster that tells %s at /info is asked once, and taken to be as most are', async (_, info) => {
  answers = (request) => (request.url === '/info' ? info : STORED);
  await Promise.all([write(), write()]);
  await write();
  expect(store.traits.limits).toMatchObject({ keyBytes: 1024, writeBytes: 5 * 1024 ** 3 });
  expect(asked.filter((line) => line.endsWith('/info'))).toHaveLength(1);
});

test('a name longer than the cluster holds is refused before it is sent', async () => {
  answers = (request) =>
    request.url === '/info' ? [200, {}, '{"swift": {"max_object_name_length": 10}}'] : STORED;
  await write();
  asked = [];
  const writing = store.write('eleven long', BYTES, properties(BYTES));
  await expect(writing).rejects.toMatchObject(coded('name-refused'));
  await expect(store.read('eleven long', LIMIT)).rejects.toMatchObject(coded('name-refused'));
  expect(asked).toEqual([]);
});

test('a manifest taken for the object itself, where there are no large objects, is refused by its ETag', async () => {
  let sent: string | undefined;
  answers = (request) => {
    if (request.method !== 'PUT')
      return request.method === 'HEAD' && request.url?.endsWith('box/x') ? [404] : [204];
    if (request.url?.includes('multipart-manifest') !== true) return STORED;
    sent = request.headers.etag;
    return [422];
  };
  const writing = await store.beginParts('x', BYTES.length, properties(BYTES));
  await writing.writePart(0, BYTES, md5(BYTES));
  await expect(writing.complete(md5(BYTES))).rejects.toMatchObject(coded('checksum-mismatch'));
  expect(sent).toBe(md5(text(md5(BYTES))));
});

test('a miss in a container that may not be looked at is a miss, and asked about once', async () => {
  answers = (request) => (request.url?.endsWith('/box') === true ? [403] : [404]);
  await expect(store.check()).rejects.toMatchObject(coded('forbidden'));
  asked = [];
  expect(await store.head('x')).toBeNull();
  await expect(store.read('x', LIMIT)).rejects.toMatchObject(coded('not-found'));
  expect(asked).toEqual(['HEAD /v1/AUTH_a/box/x', 'HEAD /v1/AUTH_a/box', 'GET /v1/AUTH_a/box/x']);
});

test('the container of segments has the storage policy of the container itself', async () => {
  let policy: string | undefined;
  answers = (request) => {
    if (request.method === 'HEAD') return [204, { 'x-storage-policy': 'cold' }];
    if (request.method === 'PUT') policy = request.headers['x-storage-policy'] as string | undefined;
    return [201];
  };
  await store.beginParts('x', 1, properties(BYTES));
  expect(policy).toBe('cold');
  expect(asked).toEqual(['GET /info', 'HEAD /v1/AUTH_a/box', 'PUT /v1/AUTH_a/box_segments']);
  await store.beginParts('y', 1, properties(BYTES));
  expect(asked).toHaveLength(3);
});

test('a removal with segments that leaves some is not done, whatever its status', async () => {
  const left = { 'Response Status': '400 Bad Request', Errors: [['/box_segments/x/1', '403 Forbidden']] };
  answers = (request) =>
    request.method === 'HEAD' ? [200, { 'x-static-large-object': 'True' }] : [200, {}, JSON.stringify(left)];
  await expect(store.remove('x')).rejects.toThrow('400 Bad Request, /box_segments/x/1: 403 Forbidden');
});

test('a range that begins elsewhere, or is none, is not taken for what was asked', async () => {
  answers = () => [206, { 'content-range': 'bytes 0-4/5' }, 'bytes'];
  await expect(store.readStream('x', 2)).rejects.toMatchObject(coded('rejected'));
  answers = () => [200, {}, 'bytes'];
  await expect(store.readStream('x', 2)).rejects.toMatchObject(coded('rejected'));
});

test('a copy whose ETag is not the expected one is no copy', async () => {
  const expected = { ...properties(BYTES), size: BYTES.length };
  answers = (request) => (request.method === 'HEAD' ? [404] : [201, { etag: md5(text('other')) }]);
  const address = await store.copyAddress('from');
  await expect(store.copyFrom(address, 'to', expected)).rejects.toMatchObject(coded('checksum-mismatch'));
  // The PUT's answer would do, but what is there afterwards has another size.
  let heads = 0;
  answers = (request) => {
    if (request.method !== 'HEAD') return STORED;
    return heads++ === 0 ? [404] : [200, { etag: md5(BYTES), 'content-length': '4' }];
  };
  await expect(store.copyFrom(address, 'to', expected)).rejects.toMatchObject(coded('checksum-mismatch'));
  for (const status of [403, 405, 413, 501]) {
    answers = (request) => (request.method === 'HEAD' ? [404] : [status]);
    await expect(store.copyFrom(address, 'to', expected)).rejects.toMatchObject(coded('copy-refused'));
  }
});

test('a folder shows no object that only stands for it', async () => {
  const entry = { bytes: 3, last_modified: '2026-11-21T12:00:00.000000', hash: md5(BYTES) };
  const listing = [{ ...entry, name: 'a/' }, { subdir: 'a/b/' }, { ...entry, name: 'a/ü' }];
  answers = to([200, {}, JSON.stringify(listing)]);
  expect(await store.listFolder('a/', 'a/0')).toEqual({
    objects: [{ key: 'a/ü', size: 3, modifiedMs: Date.UTC(2026, 10, 21, 12) }],
    folders: ['a/b/'],
    cursor: 'a/ü',
  });
  expect(asked).toEqual(['GET /v1/AUTH_a/box?format=json&limit=1000&prefix=a%2F&marker=a%2F0&delimiter=/']);
});
