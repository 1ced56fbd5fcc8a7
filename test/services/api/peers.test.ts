import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { connect as connectTcp, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { PASSED_ON } from '../../../api/pass-on.js';
import { choosePeerListen, PEER_TLS } from '../../../api/peer-server.js';
import type { Api, ApiOptions } from '../../../api/server.js';
import { type Log, silentLog } from '../../../runtime/log.js';
import { makeAuthority } from '../../support/certificates.js';
import { type FakeFleet, FOR_PEERS, startFakeFleet } from '../../support/fake-fleet.js';
import { until } from '../../support/until.js';

/** What one convoyd asks of another: A passes on to B, each served as convoyd serves it; or something else is at B. */

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);
const EVERYWHERE = {
  options: [
    { section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' },
    { section: 'X-Fleet', name: 'Global', value: 'true' },
  ],
};
const TOKENS = [
  { name: 'reader', role: 'read' as const, secret: 'r'.repeat(32) },
  { name: 'operator', role: 'operate' as const, secret: 'o'.repeat(32) },
];
const OTHER_SECRET = Buffer.alloc(32, 7);

let fleet: FakeFleet;
let secret: Buffer;
let stops: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  fleet = await startFakeFleet([
    { id: A, ip: '10.0.0.1', metadata: {} },
    { id: B, ip: '10.0.0.2', metadata: {} },
  ]);
  secret = await fleet.registry.readSecret();
  await fleet.registry.submitUnit('every.service', EVERYWHERE, 'launched');
  await until('it runs', async () => {
    const states = (await fleet.registry.readUnit('every.service'))?.states ?? [];
    return states.filter(({ active }) => active === 'active').length === 2;
  });
});
afterAll(() => fleet.stop());
beforeEach(() => async () => {
  await Promise.all(stops.map((stop) => stop()));
  stops = [];
});

async function serve(options: Partial<ApiOptions>): Promise<Api> {
  const api = await fleet.serve(options);
  stops.push(() => api.stop());
  return api;
}
/** Machine B. */
const holder = (options: Partial<ApiOptions> = {}): Promise<Api> =>
  serve({ machineId: B, peerListen: FOR_PEERS, ...options });

/** Machine A, for which B is at `at()`; callers show tokens. */
function front(at: () => string, options: Partial<ApiOptions> = {}): Promise<Api> {
  const { registry } = fleet;
  return serve({
    access: { tokens: TOKENS, tls: null },
    tcp: [{ host: '127.0.0.1', port: 0, role: null }],
    registry: {
      ...registry,
      async readMachines(signal) {
        const read = await registry.readMachines(signal);
        const machines = read.machines.map((one) => (one.id === B ? { ...one, apiAddress: at() } : one));
        return { ...read, machines };
      },
    },
    ...options,
  });
}
const fleetWith = (readSecret: () => Promise<Buffer>, registry = fleet.registry) => ({
  ...registry,
  readSecret,
});

const LOG = `/v1/units/every.service/log?machine=${B}`;
async function ask(api: Api, path = LOG, token = 'r', method: 'GET' | 'POST' = 'GET') {
  const headers = { authorization: `Bearer ${token.repeat(32)}` };
  const { statusCode, body } = await request(`${api.addresses[0]}${path}`, { method, headers });
  return { status: statusCode, text: await body.text() };
}

describe('passed on', () => {
  test('the caller keeps name and role, and the machine it came through is told', async () => {
    const { log, changes } = collected();
    const asked = await holder({ log });
    const api = await front(() => asked.peerAddress);
    expect(asked.peerAddress).toMatch(/^psk:\/\/127\.0\.0\.1:\d+$/);
    expect(await ask(api)).toEqual({ status: 200, text: expect.stringContaining('every.service line 1') });
    expect(await ask(api, '/v1/units/every.service/reload', 'r', 'POST')).toMatchObject({ status: 403 });
    expect(await ask(api, '/v1/units/every.service/reload', 'o', 'POST')).toMatchObject({ status: 200 });
    expect(changes).toEqual([
      {
        ...{
          who: 'operator',
          role: 'operate',
          through: A,
          from: expect.stringMatching(/^127\.0\.0\.1 port/),
        },
        ...{ method: 'POST', path: '/v1/units/every.service/reload', unit: 'every.service', status: 200 },
        msg: 'changed',
      },
    ]);
  });

  test('roles hold on the other machine too, whatever the one that asks has let pass', async () => {
    const asked = await holder();
    const dispatcher = peer(secret);
    const change = (vouched?: string) =>
      raw(asked, dispatcher, 'POST', '/v1/units/every.service/reload', vouched);
    expect(await change('read bob')).toMatchObject({
      status: 403,
      text: expect.stringContaining('bob has the role read: this needs the role operate'),
    });
    expect(await change()).toMatchObject({
      status: 403,
      text: expect.stringContaining('has to say for whom'),
    });
    expect(await change('root bob')).toMatchObject({ status: 403 });
    expect(await change('operate bob')).toMatchObject({ status: 200 });
  });

  test('what is passed on goes no further, also if the one that asks forgets to say so', async () => {
    const asked = await holder();
    const forgetful = await raw(asked, peer(secret), 'GET', `${LOG.replace(B, A)}`, 'read bob', {});
    expect(forgetful).toMatchObject({ status: 409, text: expect.stringContaining('is not on this machine') });
    const other = await raw(asked, peer(secret), 'GET', LOG, 'read bob', { [PASSED_ON]: A });
    expect(other).toMatchObject({ status: 421 });
  });
});

describe('a machine that does not know this one for a machine is not asked, and that is said', () => {
  const stranger = (at: string, why = 'their secrets differ'): object => ({
    status: 502,
    text: expect.stringContaining(
      `"machine ${B} at ${at} does not know this one as a machine of the cluster: ${why}"`,
    ),
  });

  test.each<[string, string, () => Buffer | null]>([
    ['of another cluster', 'their secrets differ', () => OTHER_SECRET],
    ['that has not joined yet', 'it has not joined one yet', () => null],
  ])('one %s', async (_, why, present) => {
    const asked = await holder({ secret: present });
    const api = await front(() => asked.peerAddress);
    expect(await ask(api)).toEqual(stranger(asked.peerAddress, why));
  });

  test('a machine that comes to another cluster is known there at once, and no longer where it was', async () => {
    let theirs = secret;
    let ours = secret;
    const asked = await holder({ secret: () => theirs });
    let at = asked.peerAddress;
    const { registry } = fleet;
    const api = await front(() => at, {
      registry: {
        ...fleetWith(async () => ours),
        async readMachines(signal) {
          const read = await registry.readMachines(signal);
          const machines = read.machines.map((one) => (one.id === B ? { ...one, apiAddress: at } : one));
          return { ...read, machines };
        },
      },
    });
    expect(await ask(api)).toMatchObject({ status: 200 });
    // The connection is still there.
    theirs = OTHER_SECRET;
    expect(await ask(api)).toEqual(stranger(at));
    expect(await ask(api)).toEqual(stranger(at));
    ours = OTHER_SECRET;
    expect(await ask(api)).toMatchObject({ status: 200 });
    at = '';
    expect(await ask(api)).toMatchObject({
      status: 502,
      text: expect.stringContaining('give this command there'),
    });
  });

  test('a server with a certificate, or with the wrong secret beside it, is not believed', async () => {
    const { cert, key } = makeAuthority(join(fleet.dir, 'rogue')).issue('host2', 'IP:127.0.0.1');
    const pem = { cert: readFileSync(cert), key: readFileSync(key) };
    let heard = 0;
    const handle: RequestListener = (_, response) => {
      heard++;
      response.end('mine');
    };
    const all = { ...pem, ciphers: 'ALL:aNULL:eNULL:@SECLEVEL=0', maxVersion: 'TLSv1.2' as const };
    for (const rogue of [
      createServer(pem, handle),
      createServer(all, handle),
      createServer({ ...all, pskCallback: () => OTHER_SECRET }, handle),
    ]) {
      const at = `psk://127.0.0.1:${await listening(rogue)}`;
      expect(await ask(await front(() => at))).toEqual(stranger(at));
    }
    expect(heard).toBe(0);
  });
});

test('whatever else is at the address: nothing is asked of it, and its machine does not answer', async () => {
  let heard = 0;
  const http = createHttpServer((_, response) => {
    heard++;
    response.end('mine');
  });
  const deaf = createTcpServer((socket) => socket.destroy());
  const port = await listening(http);
  const why = {
    [`psk://127.0.0.1:${port}`]: `does not answer at psk://127.0.0.1:${port}: what answers there is no convoyd"`,
    [`psk://127.0.0.1:${await listening(deaf)}`]: 'Client network socket disconnected before secure TLS',
    'psk://127.0.0.1:1': 'ECONNREFUSED',
    [`http://127.0.0.1:${port}`]: 'answers no requests of other machines: give this command there',
  };
  for (const [at, words] of Object.entries(why))
    expect(await ask(await front(() => at))).toEqual({ status: 502, text: expect.stringContaining(words) });
  expect(heard).toBe(0);
});

describe('the address for machines', () => {
  test('is closed to all who do not know the secret', async () => {
    const asked = await holder();
    const { port } = new URL(asked.peerAddress);
    for (const wrong of [OTHER_SECRET, Buffer.alloc(32), Buffer.alloc(1)])
      await expect(raw(asked, peer(wrong), 'GET', '/healthz', 'admin eve')).rejects.toThrow(/bad record mac/);
    await expect(raw(asked, peer(secret, 'eve'), 'GET', '/healthz', 'admin eve')).rejects.toThrow(
      /unknown psk identity/,
    );
    await expect(request(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow();
    for (const options of [
      { rejectUnauthorized: false },
      { rejectUnauthorized: false, ciphers: 'ALL:aNULL:eNULL:@SECLEVEL=0', maxVersion: 'TLSv1.2' as const },
      { ...PEER_TLS, ciphers: 'PSK-AES256-GCM-SHA384', pskCallback: () => ({ identity: A, psk: secret }) },
    ])
      await expect(handshake(Number(port), options)).rejects.toThrow(/handshake failure/);
    expect(await raw(asked, peer(secret), 'GET', '/healthz', 'read bob')).toMatchObject({ status: 200 });
  });

  test('resumes no session: each connection proves that it knows the secret', async () => {
    const asked = await holder();
    const { port } = new URL(asked.peerAddress);
    const known = {
      ...PEER_TLS,
      pskCallback: () => ({ identity: A, psk: secret }),
      checkServerIdentity: () => undefined,
    };
    const first = await handshake(Number(port), known);
    const session = first.getSession();
    first.destroy();
    const again = await handshake(Number(port), { ...known, ...(session === undefined ? {} : { session }) });
    expect(again.isSessionReused()).toBe(false);
    again.destroy();
  });

  test('cuts off who does not shake hands', async () => {
    const asked = await holder();
    const { port } = new URL(asked.peerAddress);
    const ended = ['', '\x16\x03\x01\x02\x00'].map(
      (sent) =>
        new Promise<void>((resolve) => {
          const socket: Socket = connectTcp(Number(port), '127.0.0.1', () => socket.write(sent));
          socket.on('error', () => undefined).once('close', () => resolve());
        }),
    );
    await Promise.all(ended);
    expect(await raw(asked, peer(secret), 'GET', '/healthz', 'read bob')).toMatchObject({ status: 200 });
  }, 20_000);

  test('that cannot be had is done without if nobody asked for it, in one warning', async () => {
    const taken = await holder();
    const port = Number(new URL(taken.peerAddress).port);
    const warnings: string[] = [];
    const log: Log = { ...silentLog, warn: (_, msg) => void warnings.push(msg), child: () => log };
    const without = await holder({ log, peerListen: { ...FOR_PEERS, port, isDefault: true } });
    expect(without.peerAddress).toBe('');
    expect(warnings).toEqual([
      expect.stringMatching(
        /^other machines cannot ask this one .* 127\.0\.0\.1:\d+: .*EADDRINUSE.*--peer-listen, or none$/,
      ),
    ]);
    await expect(holder({ peerListen: { ...FOR_PEERS, port } })).rejects.toMatchObject({
      code: 'listen',
      message: expect.stringContaining(`cannot serve the API on 127.0.0.1:${port}`),
    });
  });

  test('is the public one and the usual port unasked, any port where that is loopback, or none', () => {
    const [ip, port] = ['10.0.0.5', 7373];
    const unasked = { host: ip, port, publicIp: ip, isDefault: true };
    expect(choosePeerListen(undefined, ip, port)).toEqual(unasked);
    expect(choosePeerListen(undefined, '127.0.0.1', port)).toMatchObject({ host: '127.0.0.1', port: 0 });
    const asked = { host: '0.0.0.0', port: 9 };
    expect(choosePeerListen(asked, ip, port)).toEqual({ ...asked, publicIp: ip, isDefault: false });
    expect(choosePeerListen('none', ip, port)).toBeNull();
  });

  test.each([
    ['0.0.0.0', '10.0.0.5', 'psk://10.0.0.5:'],
    ['::', 'fd00::5', 'psk://[fd00::5]:'],
    ['127.0.0.1', '10.0.0.5', 'psk://127.0.0.1:'],
  ])('%s of a machine at %s is told as %s', async (host, publicIp, told) => {
    expect((await holder({ peerListen: { ...FOR_PEERS, host, publicIp } })).peerAddress).toContain(told);
  });
});

test('a reader who goes leaves nothing behind on the machine that was asked', async () => {
  let reading = 0;
  const asked = await holder({
    async *localLog(_, __, signal) {
      reading++;
      yield 'hello';
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      reading--;
    },
  });
  const api = await front(() => asked.peerAddress);
  const headers = { authorization: `Bearer ${'r'.repeat(32)}` };
  const reader = await request(`${api.addresses[0]}${LOG}&follow=true`, { headers });
  reader.body.on('error', () => undefined);
  await until('it is read', () => reading === 1);
  reader.body.destroy();
  await until('nobody reads', () => reading === 0);
});

/** What connects as a machine. */
function peer(psk: Buffer, identity = A): Agent {
  const connect = {
    ...PEER_TLS,
    pskCallback: () => ({ identity, psk }),
    checkServerIdentity: () => undefined,
  };
  const agent = new Agent({ connect });
  stops.push(() => agent.destroy());
  return agent;
}

async function raw(
  { peerAddress }: Api,
  dispatcher: Agent,
  method: 'GET' | 'POST',
  path: string,
  vouched?: string,
  headers: Record<string, string> = { [PASSED_ON]: B },
) {
  const { statusCode, body } = await request(`${peerAddress.replace('psk', 'https')}${path}`, {
    ...{ dispatcher, method },
    headers: { ...headers, ...(vouched === undefined ? {} : { 'x-convoy-caller': vouched }) },
  });
  return { status: statusCode, text: await body.text() };
}

function handshake(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ ...options, host: '127.0.0.1', port }, () => resolve(socket));
    socket.once('error', reject);
  });
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(async () => server.close());
  return (server.address() as { port: number }).port;
}

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
