import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { messageOf } from '../../../runtime/errors.js';
import { type Log, silentLog } from '../../../runtime/log.js';
import { prometheusMeter } from '../../../runtime/prometheus.js';
import { type StatusOptions, type StatusServer, startStatusServer } from '../../../runtime/status-server.js';
import { parseMetrics, sample } from '../../support/prometheus-text.js';
import { until } from '../../support/until.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(options: Partial<StatusOptions> = {}): Promise<StatusServer> {
  const server = await startStatusServer({
    ...{
      listen: { host: '127.0.0.1', port: 0 },
      metrics: async () => '',
      health: () => null,
      log: silentLog,
    },
    ...options,
  });
  closers.push(() => server.close());
  return server;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function ask(url: string, method = 'GET', body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest(url, { method, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer
        .on('data', (chunk: Buffer) => chunks.push(chunk))
        .on('end', () =>
          resolve({
            ...{ status: answer.statusCode ?? 0, headers: answer.headers },
            body: Buffer.concat(chunks).toString(),
          }),
        );
    });
    asked.on('error', reject).end(body);
  });
}

test('/metrics are the numbers of the program, as they are when somebody asks', async () => {
  const meter = prometheusMeter();
  const count = meter.counter({ name: 'a_total', help: 'a' });
  const lines: unknown[] = [];
  const log: Log = { ...silentLog, info: (...line) => void lines.push(line) };
  const { address } = await start({ metrics: () => meter.text(), log });
  expect(address).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
  expect(lines).toEqual([[{ address }, 'listening']]);
  for (const expected of [1, 2]) {
    count({});
    const { status, headers, body } = await ask(`${address}/metrics?x=y`);
    expect([status, headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    expect(sample(parseMetrics(body), 'a_total')).toBe(expected);
  }
  const head = await ask(`${address}/metrics`, 'HEAD');
  expect([head.status, head.body]).toEqual([200, '']);
  expect(Number(head.headers['content-length'])).toBeGreaterThan(10);
});

test('/healthz is 200 while the program can work, else 503 and why not', async () => {
  let trouble: string | null = null;
  const { address } = await start({ health: () => trouble });
  expect(await ask(`${address}/healthz`)).toMatchObject({ status: 200, body: 'ok\n' });
  trouble = 'waiting for Redis at 10.0.0.1:6379 for 12 s';
  expect(await ask(`${address}/healthz`)).toMatchObject({ status: 503, body: `${trouble}\n` });
  expect(await ask(`${address}/healthz`, 'HEAD')).toMatchObject({ status: 503, body: '' });
});

test('nothing else is there, and nothing can be changed', async () => {
  const { address } = await start();
  for (const path of ['/', '/metrics/', '/healthz/x', '//metrics', '/v1/machines'])
    expect(await ask(address + path)).toMatchObject({
      ...{ status: 404, body: 'here are /metrics and /healthz\n' },
    });
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
    expect(await ask(`${address}/metrics`, method, method.startsWith('P') ? 'x' : '')).toMatchObject({
      ...{ status: 405, headers: { allow: 'GET, HEAD' }, body: '/metrics can only be read (GET)\n' },
    });
});

test('what cannot be told is an error of the program, which its log tells', async () => {
  const lines: unknown[] = [];
  const log: Log = { ...silentLog, error: (...line) => void lines.push(line) };
  const metrics = () => Promise.reject(new Error('the child said secret-91 and died'));
  const { address } = await start({ metrics, log });
  const { status, body } = await ask(`${address}/metrics`);
  expect([status, body]).toEqual([500, 'there is no answer: the log tells why\n']);
  expect(JSON.stringify(lines)).toContain('the child said secret-91 and died');
  expect((await ask(`${address}/healthz`)).status).toBe(200);
});

describe('an address', () => {
  test('of IPv6 is told as it is typed', async () => {
    const { address } = await start({ listen: { host: '::1', port: 0 } });
    expect(address).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect((await ask(`${address}/healthz`)).status).toBe(200);
  });

  test('that is taken is one sentence', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => other.close(resolve)));
    const { port } = other.address() as { port: number };
    const error: unknown = await start({ listen: { host: '127.0.0.1', port } }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ kind: 'permanent', code: 'listen' });
    expect(messageOf(error)).toBe(
      `cannot serve /metrics on 127.0.0.1:${port}: listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
    );
  });

  test('is free again when the server is closed, whoever is connected', async () => {
    const { address, close } = await start();
    const silent = await opened(address, '');
    await close();
    await until('the silent one is cut', () => silent.destroyed);
    const port = Number(new URL(address).port);
    expect((await start({ listen: { host: '127.0.0.1', port } })).address).toBe(address);
  });
});

/** A connection that has sent this, and is not read until somebody does. */
async function opened(address: string, sent: string): Promise<Socket> {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  closers.push(() => socket.destroy());
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  if (sent !== '') socket.write(sent);
  return socket;
}

describe('nobody can hold it', () => {
  test('who is silent, slow to ask or slow to read is cut off, and others are answered meanwhile', async () => {
    const large = 'x'.repeat(30_000_000);
    const { address } = await start({ metrics: async () => large });
    const silent = await opened(address, '');
    const slow = await opened(address, 'GET /metrics HTTP/1.1\r\n');
    const reader = await opened(address, 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    silent.resume();
    slow.resume();
    expect((await ask(`${address}/healthz`)).status).toBe(200);
    // One letter at a time, for ever.
    await until('the slow one is cut', () => {
      slow.write('X');
      return slow.destroyed;
    });
    await until('the silent one is cut', () => silent.destroyed);
    // Who does not read hears of its end when it sends: empty lines, which mean nothing between requests.
    await until('the reader is cut', () => {
      reader.write('\r\n');
      return reader.destroyed;
    });
    expect((await ask(`${address}/healthz`)).status).toBe(200);
  });

  test('headers without end are refused, and an answer ends its connection', async () => {
    const { address } = await start();
    const flood = await opened(address, `GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}`);
    expect(await everything(flood)).toMatch(/^HTTP\/1\.1 431 /);
    const kept = await opened(address, 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n');
    expect(await everything(kept)).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nok\n$/s);
  });
});

function everything(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('close', () => resolve(Buffer.concat(chunks).toString()));
  });
}
