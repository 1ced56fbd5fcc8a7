import { readFileSync, statSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Access } from '../../../api/access.js';
import { readAccess } from '../../../api/access-files.js';
import type { Api } from '../../../api/server.js';
import { type Log, silentLog } from '../../../runtime/log.js';
import { type Authority, type Certificate, makeAuthority } from '../../support/certificates.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { until } from '../../support/until.js';

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);
const SLEEP = { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' }] };
const EVERYWHERE = { options: [...SLEEP.options, { section: 'X-Fleet', name: 'Global', value: 'true' }] };
const SECRETS = { reader: 'r'.repeat(32), operator: 'o'.repeat(32) };
const TOKENS: Access['tokens'] = [
  { name: 'reader', role: 'read', secret: SECRETS.reader },
  { name: 'operator', role: 'operate', secret: SECRETS.operator },
];

let fleet: FakeFleet;
let authority: Authority;
let server: Certificate;
let own: Access;
beforeAll(async () => {
  fleet = await startFakeFleet([
    { id: A, ip: '10.0.0.1', metadata: {} },
    { id: B, ip: '10.0.0.2', metadata: {} },
  ]);
  authority = makeAuthority(join(fleet.dir, 'own'));
  server = authority.issue('host1', 'IP:127.0.0.1');
  own = accessOf(server);
  await fleet.registry.submitUnit('every.service', EVERYWHERE, 'launched');
  await until('it runs', async () => {
    const states = (await fleet.registry.readUnit('every.service'))?.states ?? [];
    return states.filter(({ active }) => active === 'active').length === 2;
  });
});
afterAll(() => fleet.stop());

/** As convoyd reads it from its files. */
function accessOf({ cert, key }: Certificate, tokens = TOKENS): Access {
  return { tokens, tls: readAccess({ tlsCert: cert, tlsKey: key, tlsCa: authority.cert }).tls };
}

/** Serves over TLS on loopback, where every caller has to show who it is. */
async function serve(access: Access = own, options: Parameters<FakeFleet['serve']>[0] = {}): Promise<Api> {
  return fleet.serve({ ...options, access, tcp: [{ host: '127.0.0.1', port: 0, role: null }] });
}

interface Asking {
  readonly token?: string;
  readonly certificate?: Certificate;
  readonly method?: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

async function ask(api: Api, path: string, asking: Asking = {}) {
  const { token, certificate, method = 'GET', headers = {}, body } = asking;
  const pem = (file: string): string => readFileSync(file, 'utf8');
  const dispatcher = new Agent({
    connect: {
      ca: pem(authority.cert),
      ...(certificate === undefined ? {} : { cert: pem(certificate.cert), key: pem(certificate.key) }),
    },
  });
  const answer = await request(`${api.addresses[0]}${path}`, {
    dispatcher,
    method,
    headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const text = await answer.body.text();
  await dispatcher.close();
  return {
    status: answer.statusCode,
    body: (text === '' ? null : JSON.parse(text)) as { error?: { code: unknown; message: string } } | null,
    challenge: answer.headers['www-authenticate'],
  };
}

describe('over TLS', () => {
  let api: Api;
  beforeAll(async () => {
    api = await serve();
  });
  afterAll(() => api.stop());

  test('nobody is served who shows nothing, wherever', async () => {
    expect(api.addresses[0]).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    for (const path of ['/v1/machines', '/fleet/v1/machines', '/healthz', '/nosuch', '/v1/nosuch', '//x'])
      expect({ path, ...(await ask(api, path)) }).toMatchObject({ path, status: 401, challenge: 'Bearer' });
    expect((await ask(api, '/v1/machines')).body).toMatchObject({
      error: { code: 'credentials', kind: 'permanent', message: expect.stringContaining('show a token') },
    });
    expect((await ask(api, '/fleet/v1/machines')).body).toEqual({
      error: { code: 401, message: expect.stringContaining('show a token') },
    });
  });

  test('a token and a certificate give their role, and no more', async () => {
    const [reader, operator, admin] = ['read', 'operate', 'admin'].map((role) =>
      authority.issue(role, 'DNS:laptop', `convoy-${role}`),
    ) as [Certificate, Certificate, Certificate];
    const look: Asking = {};
    const stop: Asking = { method: 'POST' };
    const evict: Asking = { method: 'POST' };
    const asked: [Asking, number[]][] = [
      [{ token: SECRETS.reader }, [200, 403, 403]],
      [{ certificate: reader }, [200, 403, 403]],
      [{ token: SECRETS.operator }, [200, 404, 403]],
      [{ certificate: operator }, [200, 404, 403]],
      [{ certificate: admin }, [200, 404, 409]],
    ];
    for (const [who, statuses] of asked)
      expect([
        (await ask(api, '/v1/units', { ...who, ...look })).status,
        (await ask(api, '/v1/units/nosuch.service/restart', { ...who, ...stop })).status,
        (await ask(api, `/v1/machines/${A}/evict`, { ...who, ...evict })).status,
      ]).toEqual(statuses);
    expect(
      (await ask(api, '/fleet/v1/units/x.service', { token: SECRETS.reader, method: 'DELETE' })).body,
    ).toEqual({
      error: { code: 403, message: 'reader has the role read: this needs the role operate' },
    });
  });

  test('a wrong token is refused, and so is a certificate of another authority, or without a role', async () => {
    const other = makeAuthority(join(fleet.dir, 'other'));
    expect(await ask(api, '/v1/machines', { token: 'x'.repeat(32) })).toMatchObject({ status: 401 });
    const stranger = other.issue('eve', 'DNS:laptop', 'convoy-admin');
    for (const token of [undefined, SECRETS.operator])
      expect(
        await ask(api, '/v1/machines', { certificate: stranger, ...(token === undefined ? {} : { token }) }),
      ).toMatchObject({
        status: 401,
        body: { error: { message: expect.stringContaining('this certificate is not accepted') } },
      });
    expect(
      await ask(api, '/v1/machines', { certificate: authority.issue('bob', 'DNS:laptop') }),
    ).toMatchObject({
      status: 403,
      body: { error: { code: 'role', message: expect.stringContaining('gives no role') } },
    });
  });

  test('only a machine names the caller it asks for: here nobody is one', async () => {
    const headers = { 'x-convoy-caller': 'admin root' };
    const asking = { method: 'POST' as const, headers };
    expect(await ask(api, `/v1/machines/${A}/evict`, { ...asking, token: SECRETS.operator })).toMatchObject({
      status: 403,
    });
    expect(await ask(api, `/v1/machines/${A}/evict`, asking)).toMatchObject({ status: 401 });
    const machine = authority.issue('host2', 'IP:127.0.0.1', 'convoy-machine');
    expect(await ask(api, `/v1/machines/${A}/evict`, { ...asking, certificate: machine })).toMatchObject({
      status: 403,
      body: { error: { message: expect.stringContaining('gives no role') } },
    });
  });

  test('with tokens alone nobody is asked for a certificate', async () => {
    const { tls } = own;
    const tokens = await serve({ tokens: TOKENS, tls: tls && { ...tls, ca: null } });
    const alice = authority.issue('alice', 'DNS:laptop', 'convoy-admin');
    expect(await ask(tokens, '/v1/machines', { token: SECRETS.reader })).toMatchObject({ status: 200 });
    expect(await ask(tokens, '/v1/machines', { certificate: alice })).toMatchObject({ status: 401 });
    await tokens.stop();
  });

  test('plain HTTP gets nothing', async () => {
    const plain = api.addresses[0]?.replace('https', 'http');
    await expect(request(`${plain}/healthz`)).rejects.toThrow();
  });
});

describe('a socket for units', () => {
  test('shows services, machines, states and counts, and refuses the rest in words', async () => {
    const path = join(fleet.dir, 'read.sock');
    const api = await fleet.serve({ sockets: [{ path, role: 'unit' }] });
    expect(statSync(path).mode & 0o777).toBe(0o666);
    const over = new Agent({ connect: { socketPath: path } });
    const statuses = await Promise.all(
      [
        ...['/v1/services', '/v1/services/redis', '/v1/machines', '/healthz', '/readyz'],
        ...['/fleet/v1/machines', '/fleet/v1/state', '/v1-alpha/state'],
        ...['/v1/units', '/v1/units/a.service', '/v1/units/a.service/log', '/fleet/v1/units', '/v1/leader'],
        ...['/fleet/v1/units/a.service', '/v1/rejoin', '/metrics'],
      ].map(async (target) => {
        const { statusCode, body } = await request(`http://convoyd${target}`, { dispatcher: over });
        await body.dump();
        return [target, statusCode];
      }),
    );
    expect(statuses.filter(([, status]) => status === 403).map(([target]) => target)).toEqual([
      ...['/v1/units', '/v1/units/a.service', '/v1/units/a.service/log', '/fleet/v1/units', '/v1/leader'],
      ...['/fleet/v1/units/a.service', '/v1/rejoin'],
    ]);
    expect(statuses.filter(([, status]) => status === 200)).toHaveLength(9);
    const { body } = await request('http://convoyd/v1/units', { dispatcher: over });
    expect(await body.text()).toContain('only services, machines, states and metrics are shown here');
    await over.close();
    await api.stop();
  });
});

test('every change is logged, carried out or refused; looks and what was sent are not', async () => {
  const { log, changes } = collected();
  const api = await serve(own, { log });
  const body = JSON.stringify({ ...SLEEP, desiredState: 'inactive', secret: 'geheim' });
  const headers = { 'content-type': 'application/json' };
  const put: Asking = { method: 'PUT', headers, body };
  await ask(api, '/fleet/v1/units/new.service?alt=json', { ...put, token: SECRETS.operator });
  await ask(api, '/fleet/v1/units/new.service', { ...put, token: SECRETS.reader });
  await ask(api, '/fleet/v1/units/new.service', { ...put, token: 'geheim'.repeat(5) });
  await ask(api, '/fleet/v1/units/new.service', { token: SECRETS.operator });
  const bob = authority.issue('bob', 'DNS:laptop', 'convoy-admin');
  await ask(api, `/v1/machines/${A}/cordon`, { method: 'POST', certificate: bob });
  await ask(api, `/v1/machines/${A}/uncordon`, { method: 'POST', certificate: bob });
  const unit = { method: 'PUT', path: '/fleet/v1/units/new.service' };
  const from = expect.stringMatching(/^127\.0\.0\.1 port \d+$/);
  expect(changes).toEqual([
    { ...unit, unit: 'new.service', who: 'operator', role: 'operate', from, status: 201, msg: 'changed' },
    { ...unit, unit: 'new.service', who: 'reader', role: 'read', from, status: 403, msg: 'refused a change' },
    { ...unit, who: null, role: null, from, status: 401, msg: 'refused a change' },
    ...['cordon', 'uncordon'].map((verb) => ({
      ...{ method: 'POST', path: `/v1/machines/${A}/${verb}`, machine: A },
      ...{ who: 'bob', role: 'admin', from, status: 204, msg: 'changed' },
    })),
  ]);
  expect(JSON.stringify(changes)).not.toContain('geheim');
  await api.stop();
});

/** The lines of the log of changes. */
function collected(): { log: Log; changes: object[] } {
  const changes: object[] = [];
  const log: Log = {
    ...silentLog,
    info: (fields, msg) => void changes.push(JSON.parse(JSON.stringify({ ...fields, msg }))),
    child: () => log,
  };
  return { log, changes };
}

describe('callers who hold a connection', () => {
  /** A connection that only sends what it is told to; `ended`: what came back, once the other end has closed. */
  function raw(port: number, first: string): { socket: Socket; ended: Promise<string> } {
    const socket = connectTcp(port, '127.0.0.1');
    let back = '';
    socket.on('data', (data) => {
      back += data;
    });
    const ended = new Promise<string>((resolve) => {
      socket.once('close', () => resolve(back));
      socket.once('error', () => resolve(back));
    });
    socket.write(first);
    return { socket, ended };
  }
  const portOf = (api: Api): number => Number(new URL(api.addresses[0] ?? '').port);

  test.concurrent('headers that do not end, headers drop by drop and silence are cut off', async () => {
    const port = Number(new URL(fleet.url).port);
    const drop = raw(port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n');
    const dropping = setInterval(() => drop.socket.write('X-A: b\r\n'), 500);
    const kept = raw(port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    const ended = await Promise.all([
      raw(port, 'GET / HTTP/1.1\r\nHost: x\r\nX-Half: ').ended,
      raw(port, '').ended,
      drop.ended,
      kept.ended,
    ]);
    clearInterval(dropping);
    expect(ended[0]).toMatch(/^HTTP\/1\.1 408 /);
    expect(ended[1]).toMatch(/^(HTTP\/1\.1 408 |$)/);
    expect(ended[2]).toMatch(/^HTTP\/1\.1 408 /);
    expect(ended[3]).toMatch(/^HTTP\/1\.1 200 /);
    expect((await request(`${fleet.url}/healthz`)).statusCode).toBe(200);
  }, 20_000);

  test.concurrent('more connections than there may be are dropped, until the silent ones are cut off', async () => {
    const api = await fleet.serve({ tcp: [{ host: '127.0.0.1', port: 0, role: 'read' }] });
    const many = Array.from({ length: 1_100 }, () => raw(portOf(api), ''));
    const served = async (): Promise<boolean> => {
      const dispatcher = new Agent();
      const status = await request(`${api.addresses[0]}/healthz`, { dispatcher }).then(
        ({ statusCode, body }) => body.dump().then(() => statusCode),
        () => null,
      );
      await dispatcher.destroy();
      return status === 200;
    };
    await until('no more', async () => !(await served()));
    await until('as before', served, 20_000);
    for (const { socket } of many) socket.destroy();
    await api.stop();
  }, 40_000);

  test.concurrent('a handshake that does not come is cut off', async () => {
    const api = await serve();
    await Promise.all(['', '\x16\x03\x01\x02\x00'].map((sent) => raw(portOf(api), sent).ended));
    expect((await ask(api, '/healthz', { token: SECRETS.reader })).status).toBe(200);
    await api.stop();
  }, 20_000);

  test.each([
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['a method there is not', 'FROB / HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['a proxy’s method', 'CONNECT other:1 HTTP/1.1\r\nHost: x\r\n\r\n', 405],
    ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
    ],
    ['a chunk of no size', 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 400],
    ['a header with a NUL', 'GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n', 400],
    ['headers of 20 KB', `GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['a path of 20 KB', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
  ])('%s is answered, and the others go on', async (_, sent, status) => {
    const { ended, socket } = raw(Number(new URL(fleet.url).port), sent);
    expect(await ended).toMatch(new RegExp(`HTTP/1\\.1 ${status} `));
    socket.destroy();
    expect((await request(`${fleet.url}/healthz`)).statusCode).toBe(200);
  });

  test('a body over the limit is refused in words', async () => {
    const body = 'x'.repeat(6 * 1024 * 1024);
    const send = { method: 'PUT', headers: { 'content-type': 'application/json' }, body } as const;
    const large = await request(`${fleet.url}/fleet/v1/units/large.service`, send);
    expect([large.statusCode, await large.body.text()]).toEqual([413, expect.stringContaining('body over')]);
    expect(await fleet.registry.readUnit('large.service')).toBeNull();
  });

  test('who sends without a credential is let finish: a refusal before that would be lost', async () => {
    const access = { tokens: TOKENS, tls: null };
    const api = await fleet.serve({ access, tcp: [{ host: '127.0.0.1', port: 0, role: null }] });
    const { socket, ended } = raw(
      portOf(api),
      'PUT /v1/units HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nhalf',
    );
    let answered = false;
    socket.once('data', () => {
      answered = true;
    });
    expect((await request(`${api.addresses[0]}/healthz`)).statusCode).toBe(401);
    expect(answered).toBe(false);
    socket.write('half');
    expect(await ended).toMatch(/^HTTP\/1\.1 401 /);
    await api.stop();
  });

  test('a caller who is refused does not keep the connection', async () => {
    const tokens = { tokens: TOKENS, tls: null };
    const api = await fleet.serve({ access: tokens, tcp: [{ host: '127.0.0.1', port: 0, role: null }] });
    const { ended } = raw(portOf(api), 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await ended).toMatch(/^HTTP\/1\.1 401 [\s\S]*connection: close/i);
    await api.stop();
  });

  test('those who are gone leave nothing behind', async () => {
    let reading = 0;
    const api = await fleet.serve({
      machineId: A,
      async *localLog(_, __, signal) {
        reading++;
        yield 'hello';
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        reading--;
      },
      tcp: [{ host: '127.0.0.1', port: 0, role: 'read' }],
    });
    const log = `/v1/units/every.service/log?machine=${A}&follow=true`;
    const readers = Array.from({ length: 50 }, () =>
      raw(portOf(api), `GET ${log} HTTP/1.1\r\nHost: x\r\n\r\n`),
    );
    await until('all read', () => reading === 50);
    for (const [at, { socket }] of readers.entries()) at % 2 === 0 ? socket.destroy() : socket.end();
    await until('nobody reads', () => reading === 0);
    await api.stop();
  });
});
