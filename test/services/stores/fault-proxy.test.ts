import { createServer, type IncomingMessage } from 'node:http';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type HttpClient, httpClient } from '../../../stores/http-client.js';
import { collect, noise } from '../../contracts/store-cases.js';
import {
  busy,
  type Fault,
  type FaultProxy,
  HTML,
  startFaultProxy,
} from '../../support/stores/fault-proxy.js';

const BYTES = noise(300_000);
/** What the server behind the proxy heard: whole requests only. */
const heard: { line: string; host: string | undefined; body: Buffer }[] = [];
const server = createServer(async (request, response) => {
  const body = await collect(request as IncomingMessage & AsyncIterable<Uint8Array>).catch(() => null);
  if (body === null) return;
  heard.push({ line: `${request.method} ${request.url}`, host: request.headers.host, body });
  const chunked = request.url?.includes('chunked');
  response.writeHead(200, { 'X-Mixed-Case': 'kept', ...(chunked ? {} : { 'content-length': BYTES.length }) });
  response.end(request.method === 'HEAD' ? undefined : BYTES);
});
let proxy: FaultProxy;
let client: HttpClient;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy = await startFaultProxy(`http://127.0.0.1:${(server.address() as { port: number }).port}`, {
    seed: 7,
  });
  client = httpClient(proxy.url, { timeoutMs: 700 });
});
afterEach(() => {
  proxy.clear();
  heard.length = 0;
});
afterAll(async () => {
  await client.close();
  await proxy.close();
  await new Promise((resolve) => server.close(resolve));
});

const get = (path: string): Promise<Uint8Array> =>
  client.send({ method: 'GET', path, what: 'GET' }, (answer) => answer.bytes(1_000_000));
const put = (path: string, body: Uint8Array): Promise<Uint8Array> =>
  client.send({ method: 'PUT', path, body, what: 'PUT' }, (answer) => answer.bytes(1_000_000));
const strike = (fault: Fault): void => proxy.add({ fault, path: /struck/ });

test('hands on what no rule strikes as it came, with the Host header the client sent', async () => {
  strike({ kind: 'reset', when: 'at-once' });
  for (const path of ['/a%20b?c=%2F', '/chunked'])
    expect(Buffer.from(await get(path)).equals(BYTES)).toBe(true);
  await put('/put', BYTES);
  // Of what is answered in chunks the client asks once more, by undici.
  const lines = ['GET /a%20b?c=%2F', 'GET /chunked', 'GET /chunked', 'PUT /put'];
  expect(heard.map(({ line }) => line)).toEqual(lines);
  expect(heard[3]?.body.equals(BYTES)).toBe(true);
  expect(heard[0]?.host).toBe(`127.0.0.1:${proxy.port}`);
  expect([proxy.requests, proxy.struck]).toEqual([4, 0]);
});

test.each<[string, Fault, object, boolean]>([
  ['resets at once', { kind: 'reset', when: 'at-once' }, { code: 'connection-lost' }, false],
  ['resets once the server did it', { kind: 'reset', when: 'answered' }, { code: 'connection-lost' }, true],
  [
    'resets in the answer',
    { kind: 'reset', when: 'receiving', after: 1_000 },
    { code: 'connection-lost' },
    true,
  ],
  ['closes in the answer', { kind: 'truncate', after: 1_000, length: 'true' }, { kind: 'transient' }, true],
  ['hangs', { kind: 'hang', after: 'nothing' }, { code: 'timeout' }, false],
  ['hangs in the answer', { kind: 'hang', after: 1_000 }, { code: 'timeout' }, true],
  [
    'answers too slowly',
    { kind: 'throttle', of: 'answer', bytesPerSecond: 1_000 },
    { code: 'timeout' },
    true,
  ],
  ['takes too long', { kind: 'delay', ms: 5_000 }, { code: 'timeout' }, false],
  ['is busy for seconds', busy(429, 7), { code: 'throttled', retryAfterMs: 7_000 }, false],
  ['is busy until a date', busy(503, 9, 'date'), { code: 'throttled', retryAfterMs: 9_000 }, false],
])('%s', async (_, fault, expected, reached) => {
  strike(fault);
  await expect(get('/struck')).rejects.toMatchObject(expected);
  expect([proxy.struck, heard.length]).toEqual([1, reached ? 1 : 0]);
  expect((await get('/else')).length).toBe(BYTES.length);
});

test('shortens a body under a length that fits, and flips a bit', async () => {
  strike({ kind: 'truncate', after: 1_000, length: 'fitting' });
  expect(await get('/struck')).toEqual(Buffer.from(BYTES.subarray(0, 1_000)));
  proxy.clear();
  strike({ kind: 'corrupt', of: 'answer', at: 70_000 });
  const damaged = Buffer.from(await get('/struck'));
  expect([...damaged.keys()].filter((index) => damaged[index] !== BYTES[index])).toEqual([70_000]);
});

test('damages, cuts off and ignores what is sent', async () => {
  strike({ kind: 'corrupt', of: 'request', at: 200_000 });
  await put('/struck', BYTES);
  const damaged = heard[0]!.body;
  expect([...damaged.keys()].filter((index) => damaged[index] !== BYTES[index])).toEqual([200_000]);
  proxy.clear();
  strike({ kind: 'reset', when: 'sending', after: 1_000 });
  await expect(put('/struck', BYTES)).rejects.toMatchObject({ code: 'connection-lost' });
  proxy.clear();
  strike({ kind: 'deaf' });
  await expect(put('/struck', new Uint8Array(50_000_000))).rejects.toMatchObject({ code: 'timeout' });
  expect(heard).toHaveLength(1);
});

test('answers with a page of its own', async () => {
  strike(HTML);
  expect(Buffer.from(await get('/struck')).toString()).toContain('Please log in');
});

test('strikes by number, by method and by share', async () => {
  const struck = async (rule: object, count: number): Promise<number[]> => {
    proxy.clear();
    proxy.add({ fault: busy(429, 1), ...rule });
    const numbers: number[] = [];
    for (let number = 1; number <= count; number++) await get('/').catch(() => numbers.push(number));
    return numbers;
  };
  expect(await struck({ nth: 2 }, 4)).toEqual([2]);
  expect(await struck({ first: 2 }, 4)).toEqual([1, 2]);
  expect(await struck({ every: 3 }, 7)).toEqual([3, 6]);
  expect(await struck({ method: 'PUT' }, 2)).toEqual([]);
  const shares = await struck({ share: 0.5 }, 20);
  expect(shares.length).toBeGreaterThan(4);
  expect(shares.length).toBeLessThan(16);
});
