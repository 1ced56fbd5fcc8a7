import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createRawServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { freePort } from '../../../agent/ground.js';
import { httpStore } from '../../../stores/http.js';
import { useGround } from '../../support/services.js';
import { startNginx } from '../../support/stores/nginx.js';
import { until } from '../../support/until.js';

type HttpStore = ReturnType<typeof httpStore>;

const ground = useGround('http');
const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function storeOf(listener: RequestListener): Promise<HttpStore> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => server.closeAllConnections(),
  );
  return storeAt((server.address() as { port: number }).port);
}

function storeAt(port: number): HttpStore {
  const store = httpStore(`http://127.0.0.1:${port}/base`, { timeoutMs: 1_000 });
  closers.push(() => store.close());
  return store;
}

/** A server that says exactly these bytes and closes. */
async function rawStore(answer: string): Promise<HttpStore> {
  const sockets = new Set<Socket>();
  const server = createRawServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('data', () => socket.end(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => {
      for (const socket of sockets) socket.destroy();
    },
  );
  return storeAt((server.address() as { port: number }).port);
}

describe('an answer that is not the object', () => {
  test.each([
    [404, 'permanent', 'not-found'],
    [410, 'permanent', 'not-found'],
    [401, 'permanent', 'wrong-credentials'],
    [403, 'permanent', 'forbidden'],
    [400, 'permanent', 'rejected'],
    [206, 'permanent', 'rejected'],
    [204, 'permanent', 'rejected'],
    [408, 'transient', 'server-error'],
    [429, 'transient', 'throttled'],
    [500, 'transient', 'server-error'],
    [503, 'transient', 'throttled'],
    [504, 'transient', 'server-error'],
  ])('HTTP %i is %s/%s', async (status, kind, code) => {
    const store = await storeOf((_, response) => response.writeHead(status).end());
    await expect(store.read('k', 100)).rejects.toMatchObject({ kind, code, status });
  });

  test('a redirect is refused and its target told, without secrets', async () => {
    const store = await storeOf((_, response) =>
      response.writeHead(302, { location: 'http://u:topsecret@elsewhere/k?sig=topsecret' }).end(),
    );
    const error = (await store.read('k', 100).catch((caught: unknown) => caught)) as Error;
    expect(error).toMatchObject({ kind: 'permanent', code: 'rejected', status: 302 });
    expect(error.message).toContain('elsewhere/k');
    expect(error.message).not.toContain('topsecret');
  });

  test.each([
    ['seconds', '7', 7_000],
    ['a date', 'Sat, 21 Nov 2026 03:00:30 GMT', 30_000],
    ['a date gone by', 'Sat, 21 Nov 2026 02:00:00 GMT', 0],
    ['nonsense', 'soon', undefined],
  ])('Retry-After in %s is understood', async (_, value, ms) => {
    const store = await storeOf((_, response) =>
      response.writeHead(503, { 'retry-after': value, date: 'Sat, 21 Nov 2026 03:00:00 GMT' }).end(),
    );
    await expect(store.read('k', 100)).rejects.toMatchObject({ kind: 'transient', retryAfterMs: ms });
  });

  test('a compressed body is refused: its bytes are not the object', async () => {
    const store = await storeOf((request, response) => {
      expect(request.headers['accept-encoding']).toBe('identity');
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('bytes'));
    });
    await expect(store.read('k', 100)).rejects.toMatchObject({ kind: 'permanent', code: 'rejected' });
  });

  test('an end that could be a cut is refused: no length, not in chunks', async () => {
    const store = await rawStore('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nbytes');
    await expect(store.read('k', 100)).rejects.toMatchObject({ kind: 'permanent', code: 'rejected' });
  });

  test('what is not HTTP is transient', async () => {
    const store = await rawStore('SSH-2.0-OpenSSH\r\n');
    await expect(store.read('k', 100)).rejects.toMatchObject({ kind: 'transient', code: 'bad-answer' });
  });
});

describe('a connection that fails', () => {
  test('a body cut short is transient, never a short answer', async () => {
    const store = await storeOf((request, response) => {
      response.writeHead(200, { 'content-length': 1000 });
      response.write('half', () => request.socket.destroy());
    });
    await expect(store.read('k', 5000)).rejects.toMatchObject({ kind: 'transient', code: 'connection-lost' });
  });

  test('a chunked body cut short is transient', async () => {
    const store = await storeOf((request, response) => {
      response.writeHead(200);
      response.write('half', () => request.socket.destroy());
    });
    await expect(store.read('k', 5000)).rejects.toMatchObject({ kind: 'transient' });
  });

  test('a chunked body that is whole is read', async () => {
    const store = await storeOf((_, response) => {
      response.writeHead(200);
      response.write('who');
      response.end('le');
    });
    expect(Buffer.from((await store.read('k', 5)).bytes).toString()).toBe('whole');
    await expect(store.read('k', 4)).rejects.toMatchObject({ code: 'too-large' });
  });

  test('a reset is transient', async () => {
    const store = await storeOf((request) => request.socket.resetAndDestroy());
    await expect(store.read('k', 100)).rejects.toMatchObject({ kind: 'transient', code: 'connection-lost' });
  });

  test.each(['nothing', 'headers only', 'a byte now and then'])(
    'a server that accepts and sends %s is given up after the time-out',
    async (what) => {
      const store = await storeOf((_, response) => {
        if (what === 'nothing') return;
        response.writeHead(200, { 'content-length': 1000 }).flushHeaders();
        if (what === 'headers only') return;
        const drip = setInterval(() => response.write('x'), 50);
        response.on('close', () => clearInterval(drip));
      });
      await expect(store.read('k', 5000)).rejects.toMatchObject({ kind: 'transient', code: 'timeout' });
    },
  );

  test('nobody listening is transient/unreachable', async () => {
    const store = storeAt(await freePort());
    await expect(store.read('k', 100)).rejects.toMatchObject({ kind: 'transient', code: 'unreachable' });
    await expect(store.head('k')).rejects.toMatchObject({ kind: 'transient', code: 'unreachable' });
  });

  test('a signal ends a request under way', async () => {
    const requests: unknown[] = [];
    const store = await storeOf((request) => requests.push(request));
    const stop = new AbortController();
    const reading = store.read('k', 100, stop.signal);
    await until('the request to arrive', () => requests.length > 0);
    stop.abort();
    await expect(reading).rejects.toMatchObject({ kind: 'aborted' });
  });
});

test('a body over the limit is refused before it is read', async () => {
  let sent = 0;
  const store = await storeOf((_, response) => {
    response.writeHead(200, { 'content-length': 1e9 });
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536))) sent += 65_536;
    };
    response.on('drain', more);
    more();
  });
  await expect(store.read('k', 1000)).rejects.toMatchObject({ kind: 'permanent', code: 'too-large' });
  expect(sent).toBeLessThan(1e8);
});

describe('of an object', () => {
  const BYTES = Buffer.from('0123456789');
  /** Answers as it pleases to GET, and properly to HEAD. */
  const storeThat = (answer: RequestListener) =>
    storeOf((request, response) => {
      if (request.method === 'HEAD') return void response.writeHead(200, { 'content-length': 10 }).end();
      answer(request, response);
    });

  test('the start is read from a server that ignores ranges, and the rest is not', async () => {
    let ended = false;
    const store = await storeThat((_, response) => {
      response.on('close', () => {
        ended = true;
      });
      response.writeHead(200, { 'content-length': 1e9 }).write(BYTES);
    });
    const start = await store.readStart('k', 4);
    expect([start?.size, Buffer.from(start?.bytes ?? []).toString()]).toEqual([1e9, '0123']);
    await until('the end of the connection', () => ended);
  });

  test('the start tells the size only where the server does', async () => {
    const store = await storeThat((_, response) => {
      response.write(BYTES);
      response.end();
    });
    await expect(store.readStart('k', 4)).rejects.toMatchObject({ kind: 'permanent', code: 'rejected' });
    expect(await store.readStart('k', 100)).toMatchObject({ size: 10 });
  });

  test("an MD5 that is the start's own is not taken for the whole object's", async () => {
    const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest();
    for (const [told, expected] of [
      [md5(BYTES.subarray(0, 4)), null],
      [md5(BYTES), md5(BYTES).toString('hex')],
    ] as const) {
      const store = await storeThat((_, response) => {
        const headers = { 'content-range': 'bytes 0-3/10', 'content-length': 4 };
        response.writeHead(206, { ...headers, 'content-md5': told.toString('base64') });
        response.end(BYTES.subarray(0, 4));
      });
      expect(await store.readStart('k', 4)).toMatchObject({ size: 10, md5: expected });
    }
  });

  test.each([
    [200, undefined, 'permanent', 'rejected'],
    [206, undefined, 'permanent', 'rejected'],
    [206, 'bytes 0-9/10', 'permanent', 'rejected'],
    [206, 'bytes 4-7/10', 'permanent', 'rejected'],
    [206, 'bytes 4-9/*', 'permanent', 'rejected'],
    [206, 'bytes 4-19/20', 'transient', 'truncated'],
  ])('the rest is not read from an answer %i for %s', async (status, range, kind, code) => {
    const store = await storeThat((_, response) => {
      response.writeHead(status, range === undefined ? {} : { 'content-range': range });
      response.end(BYTES);
    });
    await expect(store.readStream('k', 4)).rejects.toMatchObject({ kind, code });
  });

  test('the address for others is encoded, and holds nothing else', async () => {
    const store = httpStore('https://host:8443/a%20base/');
    closers.push(() => store.close());
    const url = 'https://host:8443/a%20base/100%25/a%20%2B%23%3F%C3%BC.jpg';
    expect(await store.copyAddress('100%/a +#?ü.jpg')).toEqual({ kind: 'url', url });
    await expect(store.copyAddress('../x')).rejects.toMatchObject({ code: 'name-refused' });
  });
});

describe('a location that is checked', () => {
  test.each([200, 204, 301, 403, 404, 405])('is there if it answers %i', async (status) => {
    const store = await storeOf((_, response) => response.writeHead(status, { location: '/x' }).end());
    await store.check();
  });

  test.each([
    [401, 'permanent', 'wrong-credentials'],
    [429, 'transient', 'throttled'],
    [500, 'transient', 'server-error'],
    [503, 'transient', 'throttled'],
  ])('is not fine if it answers %i', async (status, kind, code) => {
    const store = await storeOf((_, response) => response.writeHead(status).end());
    await expect(store.check()).rejects.toMatchObject({ kind, code });
  });
});

test('a folder is no object, and an empty object is one, to nginx', async () => {
  const nginx = await startNginx(ground);
  for (const name of ['folder', "a + 'b' (ü)"]) mkdirSync(join(nginx.root, name));
  writeFileSync(join(nginx.root, 'empty'), '');
  const store = httpStore(nginx.url);
  closers.push(() => store.close());
  expect(await store.head('folder')).toBeNull();
  expect(await store.head("a + 'b' (ü)")).toBeNull();
  expect(await store.readStart('folder', 4)).toBeNull();
  await expect(store.read('folder', 100)).rejects.toMatchObject({ kind: 'permanent', code: 'not-found' });
  await expect(store.readStream('folder', 0)).rejects.toMatchObject({ code: 'not-found' });
  expect(await store.head('empty')).toMatchObject({ size: 0 });
});

test('an empty object is one to Apache, whose HEAD tells no length', async () => {
  const store = await storeOf((request, response) => {
    if (request.method !== 'HEAD') return void response.writeHead(200, { 'content-length': 0 }).end();
    response.removeHeader('transfer-encoding');
    response.writeHead(200).end();
  });
  expect(await store.head('empty')).toMatchObject({ size: 0 });
});
