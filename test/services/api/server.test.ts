import { spawnSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FakeFleet, FOR_PEERS, startFakeFleet } from '../../support/fake-fleet.js';
import { until } from '../../support/until.js';

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);
const MACHINES = [
  { id: A, ip: '10.0.0.1', metadata: { az: 'a' } },
  { id: B, ip: '10.0.0.2', metadata: {} },
];
const SLEEP = { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' }] };
const GLOBAL = { options: [...SLEEP.options, { section: 'X-Fleet', name: 'Global', value: 'true' }] };

let fleet: FakeFleet;
beforeAll(async () => {
  fleet = await startFakeFleet(MACHINES);
});
afterAll(() => fleet.stop());

async function get(path: string, base = fleet.url) {
  const { statusCode, body, headers } = await request(`${base}${path}`);
  return { status: statusCode, type: headers['content-type'], text: await body.text() };
}
async function json(path: string, base?: string) {
  const { status, text } = await get(path, base);
  return { status, body: JSON.parse(text) as Record<string, unknown> };
}
async function send(method: 'PUT' | 'POST' | 'DELETE', path: string, headers = {}, base = fleet.url) {
  const { statusCode, body } = await request(`${base}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body: '{"desiredState":"inactive"}',
  });
  return { status: statusCode, text: await body.text() };
}
async function launch(name: string, unit = SLEEP, machines = 1): Promise<void> {
  await fleet.registry.submitUnit(name, unit, 'launched');
  await until(`${name} runs`, async () => {
    const states = (await fleet.registry.readUnit(name))?.states ?? [];
    return states.filter(({ active }) => active === 'active').length === machines;
  });
}

test.each(['/fleet/v1/state', '/v1/units'])(
  '%s in hand as the server stops gets its answer',
  async (path) => {
    const events = new EventEmitter();
    const [began, goesOn] = [once(events, 'began'), once(events, 'goes on')];
    /** Waits as for an etcd, and gives up when it is told to. */
    const slowly =
      <T>(read: () => Promise<T>) =>
      async (signal?: AbortSignal): Promise<T> => {
        events.emit('began');
        await goesOn;
        signal?.throwIfAborted();
        return read();
      };
    const { registry } = fleet;
    const other = await fleet.serve({
      registry: {
        ...registry,
        readAll: slowly(() => registry.readAll()),
        readAllStates: slowly(() => registry.readAllStates()),
      },
      tcp: [{ host: '127.0.0.1', port: 0, role: 'read' }],
    });
    const answer = get(path, other.addresses[0]);
    await began;
    const stopped = other.stop();
    events.emit('goes on');
    expect(await answer).toMatchObject({ status: 200 });
    await stopped;
  },
);

describe('addresses', () => {
  test('a socket is open to owner and group only', () => {
    expect(fleet.api.addresses[0]).toBe(`unix://${fleet.socket}`);
    expect(statSync(fleet.socket).mode & 0o777).toBe(0o660);
  });

  test('a socket another convoyd answers on is refused, one that nobody answers on is replaced', async () => {
    const path = join(fleet.dir, 'other.sock');
    const first = await fleet.serve({ sockets: [{ path, role: 'admin' }] });
    await expect(fleet.serve({ sockets: [{ path, role: 'admin' }] })).rejects.toThrow(
      `cannot serve the API on ${path}: another program answers there`,
    );
    await first.stop();
    leaveStaleSocket(path);
    expect(statSync(path).isSocket()).toBe(true);
    const second = await fleet.serve({ sockets: [{ path, role: 'admin' }] });
    const client = new Client('http://convoyd', { connect: { socketPath: path } });
    expect((await client.request({ method: 'GET', path: '/healthz' })).statusCode).toBe(200);
    await client.destroy();
    await second.stop();
  });

  test('a file that is not a socket is left alone', async () => {
    const path = join(fleet.dir, 'file');
    writeFileSync(path, 'mine');
    await expect(fleet.serve({ sockets: [{ path, role: 'admin' }] })).rejects.toThrow('not a socket');
  });

  test('TCP anywhere but on loopback is refused, and nothing else is served then', async () => {
    const path = join(fleet.dir, 'alone.sock');
    const refused = fleet.serve({
      sockets: [{ path, role: 'admin' }],
      tcp: [{ host: '0.0.0.0', port: 0, role: 'admin' }],
    });
    await expect(refused).rejects.toThrow('API address 0.0.0.0:0 is not on loopback');
    expect(() => statSync(path)).toThrow('ENOENT');
  });

  test('a read-only address answers 403 to changes, and to changes only', async () => {
    const api = await fleet.serve({ tcp: [{ host: '127.0.0.1', port: 0, role: 'read' }] });
    const [url] = api.addresses as [string];
    expect((await json('/fleet/v1/machines', url)).status).toBe(200);
    for (const [method, path] of [
      ['PUT', '/fleet/v1/units/x.service'],
      ['DELETE', '/fleet/v1/units/x.service'],
      ['POST', '/v1/units/x.service/restart'],
    ] as const)
      expect({ path, ...(await send(method, path, {}, url)) }).toMatchObject({ path, status: 403 });
    expect((await send('POST', '/fleet/v1/units', {}, url)).status).toBe(405);
    await api.stop();
  });

  test('no web page changes anything', async () => {
    const answer = await send('POST', '/v1/units/x.service/restart', { origin: 'http://evil.example' });
    expect(answer).toMatchObject({ status: 403, text: expect.stringContaining('web pages') });
  });
});

describe('when the registry does not answer', () => {
  test('every path of fleet says so, the native ones with a kind, and health tells it apart', async () => {
    fleet.registry.cut();
    try {
      const error = { code: 503, message: 'fleet server unable to communicate with etcd' };
      expect(await json('/fleet/v1/units')).toEqual({ status: 503, body: { error } });
      expect(await json('/fleet/v1/nosuch')).toEqual({ status: 503, body: { error } });
      expect(await json('/v1/services')).toMatchObject({
        status: 503,
        body: { error: { code: 'unavailable', kind: 'transient' } },
      });
      expect((await json('/readyz')).status).toBe(503);
      expect((await json('/healthz')).status).toBe(200);
    } finally {
      fleet.registry.restore();
    }
    expect((await json('/fleet/v1/nosuch')).status).toBe(404);
    expect((await json('/readyz')).status).toBe(200);
  });
});

describe('lists', () => {
  test('states of all machines, and filtered', async () => {
    await launch('every.service', GLOBAL, 2);
    const states = async (query: string) => {
      const { body } = await json(`/fleet/v1/state?${query}`);
      return ((body.states as { machineID: string }[] | undefined) ?? []).map(({ machineID }) => machineID);
    };
    expect(await states('unitName=every.service')).toEqual([A, B]);
    expect(await states(`unitName=every.service&machineID=${B}`)).toEqual([B]);
    expect(await states('unitName=nosuch.service')).toEqual([]);
    expect(await states(`unitName=&machineID=${B}`)).toEqual([B]);
    expect(await states('unitName=every.service&machineID=')).toEqual([A, B]);
    expect(await json('/fleet/v1/state/nosuch.service')).toEqual({
      status: 404,
      body: { error: { code: 404, message: 'unit state does not exist' } },
    });
    expect((await json('/fleet/v1/state/every.service')).body).toMatchObject({
      name: 'every.service',
      systemdActiveState: 'active',
      systemdLoadState: 'loaded',
      systemdSubState: 'running',
    });
    const list = (await json('/fleet/v1/units')).body.units as Record<string, unknown>[];
    expect(list.find(({ name }) => name === 'every.service')).toMatchObject({ currentState: 'inactive' });
    expect((await json('/fleet/v1/units/every.service')).body).not.toHaveProperty('currentState');
  });

  test('machines, with the metadata in force', async () => {
    expect((await json('/fleet/v1/machines')).body).toEqual({
      machines: [
        { id: A, metadata: { az: 'a' }, primaryIP: '10.0.0.1' },
        { id: B, primaryIP: '10.0.0.2' },
      ],
    });
    expect((await json('/v1/machines')).body.machines).toMatchObject([
      { id: A, leader: true },
      { id: B, leader: false },
    ]);
  });
});

describe('a unit', () => {
  test('is reported with its record, place and states', async () => {
    await launch('web.service');
    const { body } = await json('/v1/units/web.service');
    expect(body).toMatchObject({
      record: { name: 'web.service', target: 'launched', restarts: 0, global: false, ...SLEEP },
      machine: expect.stringMatching(/^(a|b)+$/),
      why: 'fewest units',
      states: [{ active: 'active', reached: 'launched' }],
      pending: null,
    });
    expect(await json('/v1/units/nosuch.service')).toEqual({
      status: 404,
      body: {
        error: { code: 'not-found', message: 'unit nosuch.service does not exist', kind: 'permanent' },
      },
    });
  });

  test("that cannot be placed has the leader's reason, also when another machine is asked", async () => {
    const refusal = 'pending: 0 of 2 machines: 2 lack az=c';
    fleet.behaviours.set('lost.service', { refusal });
    await fleet.registry.submitUnit('lost.service', SLEEP, 'launched');
    expect((await json('/v1/units/lost.service')).body).toMatchObject({ machine: null, pending: refusal });

    const { registry } = fleet;
    const other = await fleet.serve({
      machineId: B,
      leading: () => null,
      explain: () => new Map(),
      registry: {
        ...registry,
        readMachines: async (signal) => {
          const { machines, ...more } = await registry.readMachines(signal);
          const apiAddress = fleet.api.peerAddress;
          return { machines: machines.map((machine) => ({ ...machine, apiAddress })), ...more };
        },
      },
      tcp: [{ host: '127.0.0.1', port: 0, role: 'read' }],
    });
    expect((await json('/v1/units/lost.service', other.addresses[0])).body).toMatchObject({
      pending: refusal,
    });
    await other.stop();
  });

  test('is restarted where it is; a template or an unknown unit is not', async () => {
    await launch('again.service');
    expect((await send('POST', '/v1/units/again.service/restart')).status).toBe(204);
    await until('it was started twice', () => fleet.starts.get('again.service') === 2);
    expect((await send('POST', '/v1/units/nosuch.service/restart')).status).toBe(404);
    await fleet.registry.submitUnit('t@.service', SLEEP, 'inactive');
    expect((await send('POST', '/v1/units/t%40.service/restart')).status).toBe(400);
  });
});

describe('a log', () => {
  test('comes from this machine', async () => {
    await launch('here.service');
    const on = (await fleet.registry.readUnit('here.service'))?.machine ?? '';
    const api = await fleet.serve({ machineId: on, tcp: [{ host: '127.0.0.1', port: 0, role: 'read' }] });
    expect(await get('/v1/units/here.service/log?lines=2', api.addresses[0])).toEqual({
      status: 200,
      type: 'text/plain; charset=utf-8',
      text: 'here.service line 1\nhere.service line 2\n',
    });
    expect((await json('/v1/units/here.service/log?lines=x', api.addresses[0])).status).toBe(400);
    await api.stop();
  });

  test('of another machine is passed on, and followed until the reader goes', async () => {
    await launch('every.service', GLOBAL, 2);
    const ended = new Set<string>();
    const holder = await fleet.serve({
      machineId: B,
      localLog: async function* (unit, { follow }, signal) {
        yield `${unit} says hello`;
        if (follow) await new Promise((resolve) => signal.addEventListener('abort', resolve));
        ended.add(unit);
      },
      peerListen: FOR_PEERS,
    });
    const { registry } = fleet;
    const asked = await fleet.serve({
      machineId: A,
      registry: {
        ...registry,
        readMachines: async () => ({
          machines: [{ ...(await machineOf(B)), apiAddress: holder.peerAddress }],
          known: [],
          revision: 1,
        }),
      },
      tcp: [{ host: '127.0.0.1', port: 0, role: 'read' }],
    });
    expect((await get('/v1/units/every.service/log?machine=bbb', asked.addresses[0])).text).toBe(
      'every.service says hello\n',
    );
    expect(await json('/v1/units/every.service/log', asked.addresses[0])).toMatchObject({
      status: 400,
      body: { error: { code: 'ambiguous' } },
    });

    ended.clear();
    const { body } = await request(
      `${asked.addresses[0]}/v1/units/every.service/log?machine=bbb&follow=true`,
    );
    for await (const chunk of body) {
      expect(String(chunk)).toBe('every.service says hello\n');
      break;
    }
    await until('the other machine heard that nobody reads any more', () => ended.has('every.service'));

    const still = await request(`${asked.addresses[0]}/v1/units/every.service/log?machine=bbb&follow=true`);
    const rest = still.body.text().catch(() => 'cut');
    await Promise.all([holder.stop(), asked.stop()]);
    expect(['every.service says hello\n', 'cut']).toContain(await rest);
  });

  test('of a machine that does not answer is an error with its name', async () => {
    await launch('every.service', GLOBAL, 2);
    const { registry } = fleet;
    const asked = await fleet.serve({
      machineId: A,
      registry: {
        ...registry,
        readMachines: async () => ({
          machines: [{ ...(await machineOf(B)), apiAddress: 'psk://127.0.0.1:1' }],
          known: [],
          revision: 1,
        }),
      },
      tcp: [{ host: '127.0.0.1', port: 0, role: 'read' }],
    });
    expect(await json('/v1/units/every.service/log?machine=bbb', asked.addresses[0])).toMatchObject({
      status: 502,
      body: { error: { code: 'machine-unreachable', message: expect.stringContaining(B) } },
    });
    await asked.stop();
  });

  test('that cannot be read is an error, not an empty log', async () => {
    await launch('here.service');
    const on = (await fleet.registry.readUnit('here.service'))?.machine ?? '';
    const api = await fleet.serve({
      machineId: on,
      // biome-ignore lint/correctness/useYield: it fails before the first line
      localLog: async function* () {
        throw new Error('the manager is away');
      },
      tcp: [{ host: '127.0.0.1', port: 0, role: 'read' }],
    });
    expect(await json('/v1/units/here.service/log', api.addresses[0])).toMatchObject({
      status: 500,
      body: { error: { message: 'the manager is away' } },
    });
    await api.stop();
  });
});

test('services are found by name', async () => {
  const entry = { service: 'redis', unit: 'zh-redis.service', machine: A, host: '127.0.0.1', port: 4711 };
  await fleet.sessions[0]?.announce([entry]);
  expect((await json('/v1/services/redis')).body).toEqual({ services: [entry] });
  expect((await json('/v1/services')).body).toEqual({ services: [entry] });
  expect((await json('/v1/services/nosuch')).body).toEqual({ services: [] });
});

async function machineOf(id: string) {
  const { machines } = await fleet.registry.readMachines();
  const machine = machines.find((one) => one.id === id);
  if (machine === undefined) throw new Error(`no machine ${id}`);
  return machine;
}

/** What a killed process leaves: the file without a listener. */
function leaveStaleSocket(path: string): void {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
}
