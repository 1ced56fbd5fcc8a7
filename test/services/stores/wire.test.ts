import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { ConvoyError } from '../../../runtime/errors.js';
import {
  type Carrier,
  type HttpClient,
  type HttpClientOptions,
  httpClient,
} from '../../../stores/http-client.js';
import { undiciCarrier } from '../../../stores/undici-carrier.js';
import { wireCarrier } from '../../../stores/wire/carrier.js';
import { collect, noise } from '../../contracts/store-cases.js';
import { freeze } from '../../support/freeze.js';
import { seeded } from '../../support/seed.js';
import { until } from '../../support/until.js';

const MIB = 1024 ** 2;
const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Raw {
  readonly origin: string;
  readonly client: HttpClient;
  /** Open connections. */
  readonly sockets: ReadonlySet<Socket>;
  /** The paths that were asked for, as they came. */
  readonly asked: readonly string[];
  /** Connections so far. */
  readonly connections: number;
}

/** A server of bytes, which hears of each request when its head is whole. Bodies are not awaited. */
async function raw(
  serve: (socket: Socket, path: string, request: Buffer) => void,
  options: HttpClientOptions = {},
): Promise<Raw> {
  const sockets = new Set<Socket>();
  const asked: string[] = [];
  let connections = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    socket.on('data', (data) => {
      const path = /^[A-Z]+ (\S+) HTTP\/1\.1\r\n/.exec(data.toString('latin1'))?.[1];
      if (path === undefined) return;
      asked.push(path);
      serve(socket, path, data);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  closers.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => {
      for (const socket of sockets) socket.destroy();
    },
  );
  return {
    ...{ origin, client: clientTo(origin, options), sockets, asked },
    get connections() {
      return connections;
    },
  };
}

function clientTo(origin: string, options: HttpClientOptions = {}): HttpClient {
  const client = httpClient(origin, options);
  closers.push(() => client.close());
  return client;
}

const viaUndici = (origin: string): HttpClient =>
  clientTo(origin, {
    carrier: undiciCarrier(origin, { connections: 1, connectTimeoutMs: 5_000, ca: null }),
  });

const ok = (body: string, lines = ''): string =>
  `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${lines}\r\n${body}`;
const get = (path = '/'): { method: string; path: string; what: string } => ({
  ...{ method: 'GET', path, what: `GET ${path}` },
});
const textOf = (client: HttpClient, path?: string, more: object = {}): Promise<string> =>
  client.send({ ...get(path), ...more }, async (answer) => Buffer.from(await answer.bytes(1e8)).toString());

/** What came of it: the body, or kind and code of the error. */
const outcomeOf = (client: HttpClient, path?: string, more?: object): Promise<unknown> =>
  textOf(client, path, more).catch((error: unknown) => {
    expect(error).toBeInstanceOf(ConvoyError);
    const { kind, code, status } = error as ConvoyError;
    return { kind, code, status };
  });

describe('an unusual answer', () => {
  const head = 'HTTP/1.1 200 OK\r\n';
  const cases: [string, string][] = [
    ['in chunks', `${head}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`],
    ['in chunks, with a length', `${head}transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n`],
    ['without a length', `${head}\r\nto the end`],
    ['with two lengths', `${head}content-length: 3\r\ncontent-length: 4\r\n\r\nabcd`],
    ['with one length twice', `${head}content-length: 3\r\ncontent-length: 3\r\n\r\nabc`],
    ['with two lengths in a line', `${head}content-length: 3, 3\r\n\r\nabc`],
    ['with a length that is none', `${head}content-length: 3x\r\n\r\nabc`],
    ['with a signed length', `${head}content-length: +3\r\n\r\nabc`],
    ['after 100', `HTTP/1.1 100 Continue\r\n\r\n${ok('abc')}`],
    ['after 103', `HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n${ok('abc')}`],
    ['of another protocol', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'],
    ['of HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nabc'],
    ['of no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['with a folded line', `${head}x: a\r\n b\r\ncontent-length: 3\r\n\r\nabc`],
    ['with a blank before a colon', `${head}content-length : 3\r\n\r\nabc`],
    ['with a line that is none', `${head}content-length: 3\r\nnothing\r\n\r\nabc`],
    ['with a lone line feed', `${head}content-length: 3\nx: y\r\n\r\nabc`],
    ['with a zero byte', `${head}content-length: 3\r\nx: \0\r\n\r\nabc`],
    ['with a head over 16 KiB', `${head}x: ${'x'.repeat(17_000)}\r\ncontent-length: 3\r\n\r\nabc`],
  ];

  test.each(cases)('%s is asked for once more by undici, whose word counts', async (_, answer) => {
    const server = await raw((socket) => socket.end(answer, 'latin1'));
    const expected = await outcomeOf(viaUndici(server.origin));
    expect(server.asked).toHaveLength(1);
    expect(await outcomeOf(server.client)).toEqual(expected);
    expect(server.asked).toHaveLength(3);
  });

  test('does not start once more what must not start any more', async () => {
    const stop = new AbortController();
    const server = await raw((socket) => {
      stop.abort();
      socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    });
    expect(await outcomeOf(server.client, '/', { signal: stop.signal })).toMatchObject({ kind: 'aborted' });
    await until('the end of the connection', () => server.sockets.size === 0);
    expect(server.asked).toHaveLength(1);
  });

  test('eight times in a row leaves its method to undici, one now and then does not', async () => {
    const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
    const server = await raw((socket, path) => socket.write(path === '/chunked' ? chunked : ok('abc')));
    const askedFor = async (path: string, method = 'GET'): Promise<number> => {
      const before = server.asked.length;
      expect(await textOf(server.client, path, { method })).toBe('abc');
      return server.asked.length - before;
    };
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 7; i++) expect(await askedFor('/chunked')).toBe(2);
      for (let i = 0; i < 120; i++) expect(await askedFor('/')).toBe(1);
    }
    for (let i = 0; i < 8; i++) expect(await askedFor('/chunked')).toBe(2);
    expect(await askedFor('/chunked')).toBe(1);
    expect(await askedFor('/chunked', 'PROPFIND')).toBe(2);
  });

  test('is never made of a body that only looks like one', async () => {
    const inner = ok('inner');
    const server = await raw((socket, path) => socket.write(path === '/' ? ok(inner) : ok('next')));
    expect(await textOf(server.client)).toBe(inner);
    expect(await textOf(server.client, '/next')).toBe('next');
    expect(server.connections).toBe(1);
  });
});

describe('what is not plain goes by undici alone', () => {
  test.each<[string, object]>([
    ['another method', { method: 'POST' }],
    ['a body that comes bit by bit', { method: 'PUT', body: bits(), headers: { 'content-length': '2' } }],
  ])('%s', async (_, more) => {
    const server = await raw((socket) => socket.write(ok('abc')));
    expect(await textOf(server.client, '/', more)).toBe('abc');
    expect(server.asked).toHaveLength(1);
  });

  async function* bits(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(1);
    yield new Uint8Array(1);
  }
});

test('answers are read whole however they are cut', async () => {
  let cuts: readonly number[] = [];
  let body = '';
  const server = await raw((socket) => {
    const bytes = Buffer.from(ok(body), 'latin1');
    const at = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
    const send = (part: number): void => {
      if (part === at.length) return;
      socket.write(bytes.subarray(at[part - 1], at[part]));
      setImmediate(send, part + 1);
    };
    send(1);
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(1000), { maxLength: 30 }),
      fc.string({ unit: fc.constantFrom('a', '\r', '\n', 'HTTP/1.1 200 OK\r\n'), maxLength: 20 }),
      async (where, text) => {
        [cuts, body] = [where, text];
        expect(await textOf(server.client)).toBe(text);
      },
    ),
    seeded(150),
  );
  expect(server.connections).toBe(1);
});

test('bodies of all sizes come as they were, read whole or bit by bit', async () => {
  const sizes = [0, 1, 65_535, 65_536, 65_537, 262_144, 262_145, 5 * MIB];
  const bodies = sizes.map((size) => noise(size));
  const server = await raw((socket, path) => {
    const body = bodies[Number(path.slice(1))]!;
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`);
    socket.write(body);
  });
  for (const [index, body] of bodies.entries()) {
    const whole = await server.client.send(get(`/${index}`), (answer) => answer.bytes(1e8));
    expect(Buffer.from(whole).equals(body)).toBe(true);
    const { body: bits } = await server.client.stream(get(`/${index}`));
    expect((await collect(bits)).equals(body)).toBe(true);
  }
  expect(server.connections).toBe(1);
});

test('an answer that ends before its length is lost, in its head and in its body', async () => {
  const whole = ok('0123456789');
  let length = 0;
  const server = await raw((socket) => socket.end(whole.slice(0, length)));
  for (length = 0; length < whole.length; length++)
    expect(await outcomeOf(server.client)).toMatchObject({ kind: 'transient', code: 'connection-lost' });
  expect(await textOf(server.client)).toBe('0123456789');
});

describe('bytes that nobody asked for', () => {
  const smuggled = ok('smuggled');

  test('after an answer end its connection, and are nobody’s answer', async () => {
    const server = await raw((socket, path) => socket.write(ok(path) + (path === '/first' ? smuggled : '')));
    expect(await textOf(server.client, '/first')).toBe('/first');
    expect(await textOf(server.client, '/second')).toBe('/second');
    expect(server.connections).toBe(2);
  });

  test('right after an answer, in a piece of their own, neither', async () => {
    const server = await raw((socket, path) => {
      socket.write(ok(path));
      if (path === '/first') socket.write(smuggled);
    });
    expect(await textOf(server.client, '/first')).toBe('/first');
    expect(await textOf(server.client, '/second')).toBe('/second');
  });

  test('on an idle connection end it', async () => {
    const server = await raw((socket, path) => socket.write(ok(path)));
    expect(await textOf(server.client, '/first')).toBe('/first');
    for (const socket of server.sockets) socket.write(smuggled);
    await until('the end of the connection', () => server.sockets.size === 0);
    expect(await textOf(server.client, '/second')).toBe('/second');
  });

  test('after an answer that has no body, neither', async () => {
    const server = await raw((socket, path) => {
      socket.write(path === '/none' ? `HTTP/1.1 204 No Content\r\n\r\n${smuggled}` : ok(path));
    });
    await server.client.send({ ...get('/none'), accept: [204] }, () => undefined);
    await server.client.send({ ...get('/head'), method: 'HEAD' }, () => undefined);
    expect(await textOf(server.client, '/second')).toBe('/second');
    expect(server.connections).toBe(3);
  });
});

describe('a connection', () => {
  test('is closed where the server says so, though it leaves it open', async () => {
    const server = await raw((socket) => socket.write(ok('x', 'connection: close\r\n')));
    expect(await textOf(server.client)).toBe('x');
    await until('the end of the connection', () => server.sockets.size === 0);
  });

  test('is used again within the time that the server keeps it, and let go before that is over', async () => {
    const server = await raw((socket) => socket.write(ok('x', 'keep-alive: timeout=3\r\n')));
    for (let i = 0; i < 3; i++) expect(await textOf(server.client)).toBe('x');
    expect(server.connections).toBe(1);
    await until('the end of the connection', () => server.sockets.size === 0, 2_900);
  });

  test('closed by the server while idle is not used again', async () => {
    const server = await raw((socket) => socket.write(ok('x')));
    expect(await textOf(server.client)).toBe('x');
    for (const socket of server.sockets) socket.end();
    await until('the end of the connection', () => server.sockets.size === 0);
    expect(await textOf(server.client)).toBe('x');
  });

  test.each([1, 2])('of which there are enough (%i) is waited for in line', async (connections) => {
    const waiting: [Socket, string][] = [];
    const server = await raw((socket, path) => waiting.push([socket, path]), { connections });
    const paths = Array.from({ length: 9 }, (_, index) => `/${index}`);
    const answers = Promise.all(paths.map((path) => textOf(server.client, path)));
    for (let answered = 0; answered < paths.length; answered++) {
      await until('a request', () => waiting.length > 0);
      expect(waiting.length).toBeLessThanOrEqual(connections);
      const [socket, path] = waiting.shift()!;
      socket.write(ok(path));
    }
    expect(await answers).toEqual(paths);
    // Two connections may be heard of in either order.
    expect(connections === 1 ? server.asked : server.asked.toSorted()).toEqual(paths);
    expect(server.connections).toBe(connections);
  });

  test('whose request is given up is closed, and the next in line gets another', async () => {
    const server = await raw((socket, path) => (path === '/hangs' ? undefined : socket.write(ok(path))), {
      connections: 1,
    });
    const stop = new AbortController();
    const hanging = outcomeOf(server.client, '/hangs', { signal: stop.signal });
    const left = new AbortController();
    const leaving = outcomeOf(server.client, '/leaves', { signal: left.signal });
    const next = textOf(server.client, '/next');
    await until('the request', () => server.asked.length === 1);
    left.abort();
    expect(await leaving).toMatchObject({ kind: 'aborted' });
    stop.abort();
    expect(await hanging).toMatchObject({ kind: 'aborted' });
    expect(await next).toBe('/next');
    expect(server.asked).toEqual(['/hangs', '/next']);
  });

  test('ends with the client, and so do the requests under way and in line', async () => {
    const server = await raw(() => undefined, { connections: 1 });
    const asking = ['/0', '/1', '/2'].map((path) => outcomeOf(server.client, path));
    await until('the request', () => server.asked.length === 1);
    await server.client.close();
    for (const outcome of [...asking, outcomeOf(server.client)])
      expect(await outcome).toMatchObject({ kind: 'transient', code: 'unreachable' });
    await until('the end of the connection', () => server.sockets.size === 0);
    expect(server.asked).toHaveLength(1);
  });

  test('is read no faster than its body is taken', async () => {
    const size = 64 * MIB;
    let sender: Socket | undefined;
    const server = await raw((socket) => {
      sender = socket;
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
      socket.write(Buffer.alloc(size, 7));
    });
    const { body } = await server.client.stream(get());
    // The system's own buffers are full when no more leaves for a while.
    let gone = -1;
    await until('the server to wait', async () => {
      const before = gone;
      gone = size - (sender?.writableLength ?? 0);
      await new Promise((resolve) => setTimeout(resolve, 50));
      return before === gone;
    });
    expect(sender?.writableLength).toBeGreaterThan(0);
    let came = 0;
    for await (const chunk of body) came += chunk.length;
    expect(came).toBe(size);
  });
});

test('an answer that comes while the request is still written is heard, and its connection closed', async () => {
  const server = await raw((socket) => {
    socket.write('HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nkeep-alive: timeout=600\r\n\r\n');
    socket.pause();
  });
  const wire = wireCarrier(server.origin, {
    ...{ connections: 1, connectTimeoutMs: 5_000 },
    other: () => expect.unreachable('nothing of it is unusual'),
  });
  // More than the system takes from us at once.
  const body = new Uint8Array(64 * MIB);
  const carrier: Carrier = {
    carry: (request, exchange) => wire.carry({ ...request, body }, exchange),
    close: () => wire.close(),
  };
  const client = clientTo(server.origin, { carrier });
  expect(await outcomeOf(client, '/', { method: 'PUT' })).toMatchObject({ status: 401 });
  for (const socket of server.sockets) socket.resume();
  await until('the end of the connection', () => server.sockets.size === 0);
});

describe('no connection is told as through undici', () => {
  test.each([
    ['nobody listens', 'http://127.0.0.1:1'],
    ['no such name', 'http://nowhere.invalid'],
  ])('%s', async (_, origin) => {
    const expected = await outcomeOf(viaUndici(origin));
    expect(expected).toMatchObject({ kind: 'transient', code: 'unreachable' });
    const client = clientTo(origin, { connections: 2 });
    const outcomes = await Promise.all(Array.from({ length: 9 }, () => outcomeOf(client)));
    expect(outcomes).toEqual(outcomes.map(() => expected));
  });

  test.each([
    ['at once', ''],
    ['in the head', 'HTTP/1.1 200 OK\r\ncont'],
    ['in the body', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc'],
  ])('reset %s', async (_, start) => {
    const server = await raw((socket) => {
      if (start === '') socket.resetAndDestroy();
      else socket.write(start, () => setTimeout(() => socket.resetAndDestroy(), 20));
    });
    const expected = await outcomeOf(viaUndici(server.origin));
    expect(expected).toMatchObject({ kind: 'transient', code: 'connection-lost' });
    expect(await outcomeOf(server.client)).toEqual(expected);
  });

  test('a connection that does not come about within its time', async () => {
    const listens = `const server = require('node:net').createServer();
      server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => console.log(server.address().port));`;
    const child = spawn(process.execPath, ['-e', listens], { stdio: ['ignore', 'pipe', 'inherit'] });
    closers.push(() => child.kill('SIGKILL'));
    const port = Number(String(await once(child.stdout, 'data')));
    await freeze(child.pid ?? 0);
    // Nobody accepts these: the system lets in a few, and then no more.
    const filling = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    closers.push(() => {
      for (const socket of filling) socket.destroy();
    });
    let came = 0;
    for (const socket of filling) socket.on('connect', () => came++);
    await until('the first connections', () => came > 1);
    const origin = `http://127.0.0.1:${port}`;
    const carrier = wireCarrier(origin, {
      ...{ connections: 1, connectTimeoutMs: 200 },
      other: () => expect.unreachable('nothing of it is unusual'),
    });
    const client = clientTo(origin, { carrier });
    expect(await outcomeOf(client)).toMatchObject({ kind: 'transient', code: 'unreachable' });
  });

  test.each(['', 'HTTP/1.1 200 OK\r\ncont', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc'])(
    'no end within the time-out, after %j',
    async (start) => {
      const server = await raw((socket) => socket.write(start), { timeoutMs: 200 });
      expect(await outcomeOf(server.client)).toMatchObject({ kind: 'transient', code: 'timeout' });
      await until('the end of the connection', () => server.sockets.size === 0);
    },
  );
});
