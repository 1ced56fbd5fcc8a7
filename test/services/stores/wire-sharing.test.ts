import { createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { aborted, ConvoyError } from '../../../runtime/errors.js';
import { type HttpClient, type HttpClientOptions, httpClient } from '../../../stores/http-client.js';
import { startOnlyWhile } from '../../../stores/http-signals.js';
import { seeded } from '../../support/seed.js';
import { until } from '../../support/until.js';

const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Request {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

type Serve = (socket: Socket, requests: readonly Request[]) => void;

/** A server that reads whole requests, and tells `serve` of those that came together on a connection. */
class Server {
  serve: Serve = answerAll;
  /** As they came. */
  readonly asked: Request[] = [];
  readonly sockets = new Set<Socket>();
  connections = 0;
  /** The most requests that were under way on one connection. */
  most = 0;
  client!: HttpClient;

  async open(options: HttpClientOptions = {}): Promise<this> {
    const server = createServer({ noDelay: true }, (socket) => this.greet(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(
      () => new Promise((resolve) => server.close(resolve)),
      () => {
        for (const socket of this.sockets) socket.destroy();
      },
    );
    const { port } = server.address() as { port: number };
    this.client = httpClient(`http://127.0.0.1:${port}`, { connections: 32, ...options });
    closers.push(() => this.client.close());
    return this;
  }

  countOf(path: string): number {
    return this.asked.filter((request) => request.path === path).length;
  }

  private greet(socket: Socket): void {
    this.connections += 1;
    this.sockets.add(socket);
    let text = '';
    socket.on('error', () => undefined).on('close', () => this.sockets.delete(socket));
    socket.on('data', (data) => {
      text += data.toString('latin1');
      const requests: Request[] = [];
      for (let found = wholeRequest(text); found !== null; found = wholeRequest(text)) {
        text = text.slice(found.size);
        requests.push(found.request);
      }
      if (requests.length === 0) return;
      this.asked.push(...requests);
      this.most = Math.max(this.most, requests.length);
      this.serve(socket, requests);
    });
  }
}

function wholeRequest(text: string): { request: Request; size: number } | null {
  const head = /^([A-Z]+) (\S+) HTTP\/1\.1\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(text);
  if (head === null) return null;
  const length = Number(/\r\ncontent-length: (\d+)\r\n/.exec(head[0])?.[1] ?? 0);
  const size = head[0].length + length;
  if (text.length < size) return null;
  return { request: { method: head[1]!, path: head[2]!, body: text.slice(head[0].length, size) }, size };
}

const ok = (body: string, lines = ''): string =>
  `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${lines}\r\n${body}`;
const answerTo = ({ method, path, body }: Request): string =>
  method === 'HEAD' ? `HTTP/1.1 200 OK\r\ncontent-length: 99\r\nx-path: ${path}\r\n\r\n` : ok(path + body);
function answerAll(socket: Socket, requests: readonly Request[]): void {
  socket.write(requests.map(answerTo).join(''));
}

async function textOf(client: HttpClient, method: string, path: string, more: object = {}): Promise<string> {
  const body = method === 'PUT' ? { body: `=${path}` } : {};
  return client.send({ method, path, what: `${method} ${path}`, ...body, ...more }, async (answer) =>
    method === 'HEAD' ? (answer.header('x-path') ?? '') : Buffer.from(await answer.bytes(1e8)).toString(),
  );
}

const expected = (method: string, path: string): string => (method === 'PUT' ? `${path}=${path}` : path);

/** What came of it: the body, or the code of the error. */
const outcomeOf = (client: HttpClient, method: string, path: string, more?: object): Promise<string> =>
  textOf(client, method, path, more).catch((error: unknown) => {
    expect(error).toBeInstanceOf(ConvoyError);
    return (error as ConvoyError).code ?? (error as ConvoyError).kind;
  });

let named = 0;
const paths = (count: number): string[] => Array.from({ length: count }, () => `/${++named}`);

/** Asks until requests share connections. */
async function learnt(server: Server, methods: readonly string[] = ['GET']): Promise<void> {
  server.serve = answerAll;
  for (const method of methods) {
    server.most = 0;
    await until('requests to share a connection', async () => {
      await Promise.all(paths(64).map((path) => textOf(server.client, method, path)));
      return server.most > 1;
    });
  }
  server.asked.length = 0;
}

/** Asks for all of them at once; each gets its own answer, or `else` says what it may get. */
async function answered(
  server: Server,
  method: string,
  count: number,
  orElse: (outcome: string, path: string) => boolean = () => false,
): Promise<string[]> {
  const all = paths(count);
  const outcomes = await Promise.all(all.map((path) => outcomeOf(server.client, method, path)));
  for (const [index, path] of all.entries())
    if (!orElse(outcomes[index]!, path)) expect(outcomes[index]).toBe(expected(method, path));
  return outcomes;
}

test('requests to a server that is near share connections, and each gets its own answer', async () => {
  const server = await new Server().open();
  await learnt(server, ['GET', 'PUT', 'HEAD']);
  const all = paths(300);
  const methods = ['GET', 'PUT', 'HEAD', 'DELETE'];
  await Promise.all(
    all.map(async (path, index) => {
      const method = methods[index % methods.length]!;
      expect(await textOf(server.client, method, path)).toBe(expected(method, path));
    }),
  );
  expect(server.asked.map(({ path }) => path).toSorted()).toEqual(all.toSorted());
  expect(server.sockets.size).toBeLessThanOrEqual(32);
});

test('answers that come together are told apart however they are cut', async () => {
  const server = await new Server().open();
  await learnt(server, ['GET', 'PUT']);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('GET', 'PUT'),
      fc.array(fc.nat(3000), { maxLength: 12 }),
      async (method, cuts) => {
        server.serve = (socket, requests) => {
          const bytes = Buffer.from(requests.map(answerTo).join(''), 'latin1');
          const at = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
          const send = (part: number): void => {
            if (part === at.length) return;
            socket.write(bytes.subarray(at[part - 1], at[part]));
            setImmediate(send, part + 1);
          };
          send(1);
        };
        await answered(server, method, 40);
      },
    ),
    seeded(60),
  );
  expect(new Set(server.asked.map(({ path }) => path)).size).toBe(server.asked.length);
});

test('a server that is far never has two requests at once on a connection', async () => {
  const server = await new Server().open();
  server.serve = (socket, requests) => void setTimeout(answerAll, 5, socket, requests);
  for (let round = 0; round < 20; round++) await answered(server, 'GET', 64);
  expect(server.most).toBe(1);
});

describe('a connection that breaks', () => {
  const three = [1, 2, 3].map((nth) => ok(`/${nth}00000`)).join('');

  test.each<[string, (socket: Socket) => void]>([
    ['ends', (socket) => void socket.end()],
    ['is reset', (socket) => void socket.resetAndDestroy()],
  ])(
    '(%s) at any byte fails at most the request whose answer it was',
    async (_, breakOff) => {
      for (let at = 0; at < three.length; at += 3) {
        const server = await new Server().open({ connections: 16 });
        await learnt(server);
        let broken = 0;
        server.serve = (socket, requests) => {
          if (broken > 0 || requests.length < 3) return answerAll(socket, requests);
          broken += 1;
          const text = requests.map(answerTo).join('').slice(0, at);
          if (text === '') breakOff(socket);
          else socket.write(text, 'latin1', () => breakOff(socket));
        };
        const outcomes = await answered(server, 'GET', 32, (outcome) => outcome === 'connection-lost');
        expect(outcomes.filter((outcome) => outcome === 'connection-lost').length).toBeLessThanOrEqual(
          broken,
        );
        for (const { path } of server.asked) expect(server.countOf(path)).toBeLessThanOrEqual(2);
        await server.client.close();
      }
    },
    60_000,
  );

  test('after so many answers, as it tells, costs nobody an error', async () => {
    const server = await new Server().open();
    await learnt(server, ['PUT']);
    const served = new Map<Socket, number>();
    server.serve = (socket, requests) => {
      for (const request of requests) {
        const count = (served.get(socket) ?? 0) + 1;
        served.set(socket, count);
        if (count > 50) return;
        const last = count === 50;
        socket.write(ok(request.path + request.body, last ? 'connection: close\r\n' : ''));
        if (last) socket.end();
      }
    };
    for (let round = 0; round < 20; round++) await answered(server, 'PUT', 64);
  });

  test('whenever requests share it, is left to one at a time for good', async () => {
    const server = await new Server().open();
    await learnt(server);
    const sharing = async (): Promise<boolean> => {
      server.most = 0;
      server.serve = (socket, requests) => {
        socket.write(answerTo(requests[0]!));
        if (requests.length > 1) socket.end();
      };
      for (let round = 0; round < 30; round++) await answered(server, 'GET', 64);
      return server.most > 1;
    };
    await until('it to be asked for one at a time', async () => !(await sharing()));
    for (let round = 0; round < 3; round++) expect(await sharing()).toBe(false);
  });
});

test('an unusual answer among others is asked for by undici, and the others come', async () => {
  const server = await new Server().open();
  await learnt(server);
  const unusual = new Set<string>();
  server.serve = (socket, requests) => {
    for (const [index, request] of requests.entries()) {
      const { path } = request;
      if (unusual.has(path) || (index === 1 && unusual.size < 3)) {
        unusual.add(path);
        const size = path.length.toString(16);
        socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${size}\r\n${path}\r\n0\r\n\r\n`);
      } else socket.write(answerTo(request));
    }
  };
  await answered(server, 'GET', 64);
  expect(unusual.size).toBe(3);
});

test('an error that ends the connection is no answer to what was written behind another', async () => {
  const server = await new Server().open();
  await learnt(server);
  const bad = 'HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n';
  server.serve = (socket, requests) => {
    if (requests.length === 1) return answerAll(socket, requests);
    socket.end(answerTo(requests[0]!) + bad);
  };
  await answered(server, 'PUT', 64);
  const refused: string[] = [];
  server.serve = (socket, requests) => {
    refused.push(requests[0]!.path);
    socket.end(bad);
  };
  await answered(server, 'PUT', 64, (outcome, path) => outcome === 'rejected' && refused.includes(path));
});

test('a long answer keeps nobody waiting behind it', async () => {
  const server = await new Server().open();
  await learnt(server);
  const long = 'x'.repeat(300_000);
  let longPath = '';
  const rest: (() => void)[] = [];
  server.serve = (socket, requests) => {
    const [first] = requests;
    if (longPath !== '' || requests.length === 1) return answerAll(socket, requests);
    longPath = first!.path;
    const text = ok(long);
    socket.write(text.slice(0, 1000));
    rest.push(() => socket.write(text.slice(1000)));
  };
  const all = paths(64);
  const coming = all.map((path) => outcomeOf(server.client, 'GET', path));
  await until('the long answer', () => longPath !== '');
  for (const [index, path] of all.entries()) if (path !== longPath) expect(await coming[index]).toBe(path);
  for (const send of rest) send();
  expect(await coming[all.indexOf(longPath)]).toBe(long);
});

describe('a request that is given up', () => {
  test('among others leaves them their connection and their answers', async () => {
    const server = await new Server().open();
    await learnt(server);
    const { connections } = server;
    let held: (() => void) | undefined;
    let givenUp = '';
    server.serve = (socket, requests) => {
      if (held !== undefined || requests.length < 3) return answerAll(socket, requests);
      held = () => answerAll(socket, requests);
      givenUp = requests[1]!.path;
      stops.get(givenUp)?.abort();
    };
    const stops = new Map(paths(64).map((path) => [path, new AbortController()]));
    const coming = [...stops].map(([path, { signal }]) => outcomeOf(server.client, 'GET', path, { signal }));
    await until('one to be given up', () => givenUp !== '');
    held?.();
    for (const [index, path] of [...stops.keys()].entries())
      expect(await coming[index]).toBe(path === givenUp ? 'aborted' : path);
    expect(server.connections).toBe(connections);
    expect(new Set(server.asked.map(({ path }) => path)).size).toBe(64);
  });

  test('with all others ends the connections', async () => {
    const server = await new Server().open();
    await learnt(server);
    server.serve = () => undefined;
    const stop = new AbortController();
    const { signal } = stop;
    const coming = paths(64).map((path) => outcomeOf(server.client, 'GET', path, { signal }));
    await until('requests', () => server.asked.length >= 32);
    stop.abort();
    for (const outcome of coming) expect(await outcome).toBe('aborted');
    const { size } = server.sockets;
    await until('the end of connections', () => server.sockets.size < size);
    await learnt(server);
    await answered(server, 'GET', 64);
  });

  test('because it waited too long does not keep the others waiting', async () => {
    const server = await new Server().open({ timeoutMs: 5_000 });
    await learnt(server);
    let hangs = '';
    server.serve = (socket, requests) => {
      if (hangs === '' && requests.length > 2) hangs = requests[1]!.path;
      for (const request of requests) {
        if (request.path === hangs) return;
        socket.write(answerTo(request));
      }
    };
    await answered(server, 'GET', 64, (outcome, path) => outcome === 'timeout' && path === hangs);
  }, 60_000);

  test('and may not start any more is not written once more', async () => {
    const server = await new Server().open();
    await learnt(server);
    const { signal } = new AbortController();
    let mayStart = true;
    startOnlyWhile(signal, () => {
      if (!mayStart) throw aborted('too late', { code: 'late' });
    });
    server.serve = (socket, requests) => {
      if (requests.length < 2) return answerAll(socket, requests);
      mayStart = false;
      socket.write(answerTo(requests[0]!), () => socket.destroy());
    };
    const all = paths(32);
    const outcomes = await Promise.all(all.map((path) => outcomeOf(server.client, 'GET', path, { signal })));
    expect(outcomes).toContain('late');
    for (const [index, path] of all.entries())
      if (outcomes[index] !== 'late') expect([path, 'connection-lost']).toContain(outcomes[index]);
    expect(new Set(server.asked.map(({ path }) => path)).size).toBe(server.asked.length);
  });
});

test('a server that loses what comes behind another is left to one at a time, and nothing is lost', async () => {
  const server = await new Server().open();
  await learnt(server);
  const sharing = async (): Promise<boolean> => {
    server.most = 0;
    server.serve = (socket, requests) => void socket.write(answerTo(requests[0]!));
    for (let round = 0; round < 10; round++) await answered(server, 'GET', 64);
    return server.most > 1;
  };
  await until('it to be asked for one at a time', async () => !(await sharing()), 60_000);
}, 90_000);

test('of a server that sends more than it was asked for, nothing is taken for the next answer', async () => {
  const server = await new Server().open();
  await learnt(server);
  const smuggled = ok('smuggled');
  let sent = 0;
  server.serve = (socket, requests) => {
    answerAll(socket, requests);
    if (sent++ < 3) socket.write(smuggled);
  };
  await answered(server, 'GET', 64);
  await answered(server, 'GET', 64);
  server.most = 0;
  for (let round = 0; round < 10; round++) await answered(server, 'GET', 64);
  expect(server.most).toBe(1);
});
