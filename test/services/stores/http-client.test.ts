import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { aborted, messageOf, transient } from '../../../runtime/errors.js';
import { type HttpClient, type HttpClientOptions, httpClient } from '../../../stores/http-client.js';
import { startOnlyWhile } from '../../../stores/http-signals.js';
import { makeAuthority } from '../../support/certificates.js';
import { useGround } from '../../support/services.js';
import { startNginx } from '../../support/stores/nginx.js';
import { until } from '../../support/until.js';

const MIB = 1024 ** 2;
const ground = useGround('http-client');
const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server of bytes: `serve` gets each connection. */
async function raw(serve: (socket: Socket) => void, options: HttpClientOptions = {}) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => {
      for (const socket of sockets) socket.destroy();
    },
  );
  const { port } = server.address() as { port: number };
  return { client: clientAt(port, options), sockets };
}

async function served(listener: RequestListener, options: HttpClientOptions = {}): Promise<HttpClient> {
  const server = createHttpServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => server.closeAllConnections(),
  );
  return clientAt((server.address() as { port: number }).port, options);
}

function clientAt(port: number, options: HttpClientOptions): HttpClient {
  const client = httpClient(`http://127.0.0.1:${port}`, options);
  closers.push(() => client.close());
  return client;
}

/** Answers each request of a connection by its number, when its head is whole. */
function answering(answers: readonly (string | null)[]): (socket: Socket) => void {
  let asked = 0;
  return (socket) =>
    socket.on('data', (data) => {
      if (!data.includes('\r\n\r\n')) return;
      const answer = answers[Math.min(asked++, answers.length - 1)];
      if (answer === null || answer === undefined) socket.destroy();
      else socket.write(answer);
    });
}

const ok = (body: string): string => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
const get = { method: 'GET', path: '/', what: 'GET it' };
const put = { method: 'PUT', path: '/', what: 'PUT it' };
const textOf = (client: HttpClient, request = get): Promise<string> =>
  client.send(request, async (answer) => Buffer.from(await answer.bytes(1e8)).toString());

describe('an answer that comes before the whole body is sent', () => {
  const tooMuch = 'HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n';
  /** Answers to the head, and never reads what follows. */
  const deaf = (socket: Socket): void =>
    void socket.once('data', () => {
      socket.write(tooMuch);
      socket.pause();
    });

  test('is heard, with a body in memory', async () => {
    const { client } = await raw(deaf);
    const asking = client.send({ ...put, body: new Uint8Array(32 * MIB) }, () => 'done');
    await expect(asking).rejects.toMatchObject({ kind: 'permanent', code: 'too-large', status: 413 });
  });

  test('is heard, with a body in a stream, which is ended', async () => {
    const { client } = await raw(deaf);
    let ended = false;
    async function* body(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield new Uint8Array(65_536);
      } finally {
        ended = true;
      }
    }
    const headers = { 'content-length': String(1e12) };
    await expect(client.send({ ...put, headers, body: body() }, () => 'done')).rejects.toMatchObject({
      ...{ code: 'too-large', status: 413 },
    });
    await until('the end of the body', () => ended);
  });
});

test('what must not start any more once it has its connection is not sent', async () => {
  let requests = 0;
  const client = await served((_request, response) => {
    requests += 1;
    response.end('x');
  });
  const { signal } = new AbortController();
  let mayStart = true;
  startOnlyWhile(signal, () => {
    if (!mayStart) throw aborted('too late', { code: 'late' });
  });
  const send = (): Promise<string> =>
    client.send({ ...get, signal }, async (answer) => Buffer.from(await answer.bytes(10)).toString());
  const waiting = send();
  // Its connection comes about only after this.
  mayStart = false;
  await expect(waiting).rejects.toMatchObject({ kind: 'aborted', code: 'late' });
  expect(requests).toBe(0);
  mayStart = true;
  expect(await send()).toBe('x');
});

describe('a connection that is kept', () => {
  test('and closed by the server just when it is used again is transient/connection-lost', async () => {
    const { client } = await raw(answering([ok('first'), null, ok('third')]));
    expect(await textOf(client)).toBe('first');
    await expect(textOf(client)).rejects.toMatchObject({ kind: 'transient', code: 'connection-lost' });
    expect(await textOf(client)).toBe('third');
  });

  test('is kept after HEAD, and after an error', async () => {
    const connections = new Set<unknown>();
    const client = await served(
      (request, response) => {
        connections.add(request.socket);
        response.writeHead(request.url === '/missing' ? 404 : 200, { 'content-length': 4 });
        response.end(request.method === 'HEAD' ? undefined : 'body');
      },
      { connections: 1 },
    );
    for (let i = 0; i < 5; i++) {
      await client.send({ ...get, method: 'HEAD' }, (answer) => expect(answer.length).toBe(4));
      await expect(textOf(client, { ...get, path: '/missing' })).rejects.toMatchObject({ status: 404 });
      expect(await textOf(client)).toBe('body');
    }
    expect(connections.size).toBe(1);
  });

  test('a body sent with HEAD is not taken for the next answer', async () => {
    const { client } = await raw(answering([ok('hello'), ok('the next')]), { connections: 1 });
    await client.send({ ...get, method: 'HEAD' }, (answer) => expect(answer.length).toBe(5));
    expect(await textOf(client)).toBe('the next');
  });
});

test('answers of 1xx are passed over', async () => {
  const { client } = await raw(
    answering([`HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n${ok('ok')}`]),
  );
  expect(await textOf(client)).toBe('ok');
});

describe('time-outs', () => {
  test('and signals also end what still waits for a connection', async () => {
    const stop = new AbortController();
    const client = await served(() => undefined, { connections: 1 });
    const first = client.send({ ...get, signal: stop.signal }, () => 'done');
    first.catch(() => undefined);
    const timedOut = client.send({ ...get, timeoutMs: 100 }, () => 'done');
    await expect(timedOut).rejects.toMatchObject({ kind: 'transient', code: 'timeout' });
    const given = new AbortController();
    const second = client.send({ ...get, signal: given.signal }, () => 'done');
    given.abort();
    await expect(second).rejects.toMatchObject({ kind: 'aborted' });
    stop.abort();
    await expect(first).rejects.toMatchObject({ kind: 'aborted' });
  });

  test('begin anew with each MiB that comes', async () => {
    const client = await served((_, response) => {
      response.writeHead(200, { 'content-length': 12 * MIB });
      let left = 12;
      const more = setInterval(() => {
        response.write(Buffer.alloc(MIB, 1));
        if (--left === 0) clearInterval(more);
      }, 200);
    });
    const size = await client.send(
      { ...get, timeoutMs: 2000 },
      async (answer) => (await answer.bytes(1e8)).length,
    );
    expect(size).toBe(12 * MIB);
  });

  test('begin anew with each MiB that goes', async () => {
    let got = 0;
    let due = MIB;
    const client = await served((request, response) => {
      request.on('data', (data: Buffer) => {
        got += data.length;
        if (got < due) return;
        due += MIB;
        request.pause();
        setTimeout(() => request.resume(), 100);
      });
      request.on('end', () => response.end());
    });
    // The pauses are twice the time-out in all, and half of it for what the two sockets hold (10 MiB).
    await client.send({ ...put, body: new Uint8Array(40 * MIB), timeoutMs: 2000 }, () => undefined);
    expect(got).toBe(40 * MIB);
  });

  test('are not prolonged by an error page that drips', async () => {
    const client = await served((_, response) => {
      response.writeHead(500, { 'content-length': 1000 });
      const drip = setInterval(() => response.write('x'), 50);
      response.on('close', () => clearInterval(drip));
    });
    const asking = client.send({ ...get, timeoutMs: 300 }, () => undefined);
    await expect(asking).rejects.toMatchObject({ code: 'server-error', status: 500 });
  }, 10_000);

  const halting: RequestListener = (_, response) => {
    response.writeHead(200, { 'content-length': 10 * MIB });
    response.write(Buffer.alloc(MIB));
  };

  test('a stream that halts is transient/timeout', async () => {
    const client = await served(halting, { timeoutMs: 200 });
    const { body } = await client.stream(get);
    const reading = async (): Promise<void> => {
      for await (const chunk of body) expect(chunk.length).toBeGreaterThan(0);
    };
    await expect(reading()).rejects.toMatchObject({ kind: 'transient', code: 'timeout' });
  });

  test('a stream waits for a reader that takes its time over a chunk', async () => {
    const client = await served((_, response) => void response.end(Buffer.alloc(2 * MIB)), {
      timeoutMs: 200,
    });
    let size = 0;
    for await (const chunk of (await client.stream(get)).body) {
      if (size === 0) await new Promise((resolve) => setTimeout(resolve, 400));
      size += chunk.length;
    }
    expect(size).toBe(2 * MIB);
  });

  test('a stream that nobody reads gives its connection back', async () => {
    const { client, sockets } = await raw(
      (socket) =>
        void socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf`)),
      { timeoutMs: 200 },
    );
    const { body } = await client.stream(get);
    await until('the end of the connection', () => sockets.size === 0);
    await expect(body[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'timeout' });
  });
});

test('the error of a body to be sent is handed on as it is', async () => {
  const client = await served((request, response) => request.resume().on('end', () => response.end()));
  const gone = transient('the source is gone', { code: 'connection-lost' });
  async function* body(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(10);
    throw gone;
  }
  const asking = client.send({ ...put, headers: { 'content-length': '20' }, body: body() }, () => undefined);
  await expect(asking).rejects.toBe(gone);
});

describe('certificates and names', () => {
  const authority = makeAuthority(join(ground.dir, 'authority'));
  const trusted = { ca: readFileSync(authority.cert, 'utf8') };
  const tls = authority.issue('here', 'DNS:localhost');

  test('one sentence for each that is wrong, and none for one that is right', async () => {
    const nginx = await startNginx(ground, { name: 'tls', tls });
    const sentenceOf = async (origin: string, options: HttpClientOptions): Promise<string> => {
      const client = httpClient(origin, options);
      closers.push(() => client.close());
      const error: unknown = await client
        .send({ ...get, accept: [403] }, () => new Error('let in'))
        .catch((caught: unknown) => caught);
      if ((error as Error).message !== 'let in')
        expect(error).toMatchObject({ kind: 'transient', code: 'unreachable' });
      return messageOf(error);
    };
    expect(await sentenceOf(nginx.url, trusted)).toBe('let in');
    expect(await sentenceOf(nginx.url, {})).toMatch(
      /^GET it: the server's certificate is not trusted: give .* in NODE_EXTRA_CA_CERTS \([^\n]*\)$/,
    );
    const elsewhere = await sentenceOf(`https://127.0.0.1:${nginx.port}`, trusted);
    expect(elsewhere).toMatch(/^GET it: the server's certificate is for another name \([^\n]*\)$/);
    const plain = await startNginx(ground, { name: 'plain' });
    expect(await sentenceOf(`https://127.0.0.1:${plain.port}`, {})).toMatch(
      /^GET it: the server does not speak TLS: is it http:\/\/\? \([^\n]*\)$/,
    );
    expect(await sentenceOf('http://nowhere.invalid', {})).toMatch(
      /^GET it: (no server has this name|the name)/,
    );
  });
});

describe('what a server or a store says', () => {
  test('of an error is cut, in one line, and without signatures', async () => {
    const page = `\r\n<p>no\u0000\n  see https://user:t0psecret@host/x?sig=t0psecret</p>\n${'x'.repeat(1e6)}`;
    const client = await served((_, response) => response.writeHead(400).end(page), {
      explain: (_, body) => ({ detail: body }),
    });
    const error = (await textOf(client).catch((caught: unknown) => caught)) as Error;
    expect(error.message).toMatch(/^GET it: HTTP 400, <p>no see https:\/\/[\x20-\x7e]{50,300}$/);
    expect(error.message).not.toContain('t0psecret');
  });

  test('in a header beyond ASCII is handed on byte for byte', async () => {
    const bytes = Buffer.from('attachment; filename="Übersicht 日本.jpg"');
    const heard: Buffer[] = [];
    const client = await served((request, response) => {
      if (request.method === 'PUT')
        heard.push(Buffer.from(request.headers['content-disposition'] ?? '', 'latin1'));
      response.writeHead(200, { 'content-disposition': bytes.toString('latin1') }).end();
    });
    const told = await client.send(get, (answer) => answer.header('content-disposition') ?? '');
    await client.send({ ...put, headers: { 'content-disposition': told } }, () => undefined);
    expect(heard[0]?.equals(bytes)).toBe(true);
  });

  test('in a header that HTTP cannot carry is permanent, and not repeated', async () => {
    const client = await served((_, response) => response.end());
    const asking = client.send({ ...get, headers: { 'x-auth-token': 't0psecret\n' } }, () => undefined);
    const error = (await asking.catch((caught: unknown) => caught)) as Error;
    expect(error).toMatchObject({ kind: 'permanent', code: 'rejected' });
    expect(error.stack).not.toContain('t0psecret');
  });
});

test('a thousand requests under one signal are no leak', async () => {
  const warnings: Error[] = [];
  const warned = (warning: Error): void => void warnings.push(warning);
  process.on('warning', warned);
  closers.push(() => process.off('warning', warned));
  const client = await served((_, response) => response.end('x'));
  const { signal } = new AbortController();
  await Promise.all(Array.from({ length: 1000 }, () => client.send({ ...get, signal }, () => undefined)));
  expect(warnings).toEqual([]);
});
