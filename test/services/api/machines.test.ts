import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiOptions } from '../../../api/server.js';
import type { UnitReport } from '../../../api/wire.js';
import type { Machine } from '../../../registry/model.js';
import type { Registry } from '../../../registry/registry.js';
import { permanent, transient } from '../../../runtime/errors.js';
import { type FakeFleet, FOR_PEERS, startFakeFleet } from '../../support/fake-fleet.js';
import { until } from '../../support/until.js';

/** Machines, moves and holds over `/v1`. */

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);
const C = 'c'.repeat(32);
const D = 'd'.repeat(32);
const SLEEP = { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' }] };
const GLOBAL = { options: [...SLEEP.options, { section: 'X-Fleet', name: 'Global', value: 'true' }] };

let fleet: FakeFleet;
beforeAll(async () => {
  fleet = await startFakeFleet(
    [A, B, C].map((id, at) => ({ id, ip: `10.0.0.${at + 1}`, metadata: { az: id[0] ?? '' } })),
  );
});
afterAll(() => fleet.stop());

async function get(path: string, base = fleet.url) {
  const { statusCode, body } = await request(`${base}${path}`);
  return { status: statusCode, body: (await body.json()) as Record<string, unknown> };
}
async function post(path: string, sent?: unknown, base = fleet.url, headers = {}) {
  const body = sent === undefined ? null : typeof sent === 'string' ? sent : JSON.stringify(sent);
  const answer = await request(`${base}${path}`, { method: 'POST', body, headers });
  const text = await answer.body.text();
  return { status: answer.statusCode, body: text === '' ? null : (JSON.parse(text) as unknown) };
}
async function machine(id: string): Promise<Record<string, unknown> | undefined> {
  const { machines } = (await get('/v1/machines')).body as { machines: Record<string, unknown>[] };
  return machines.find((one) => one.id === id);
}
async function launch(name: string, unit = SLEEP, machines = 1): Promise<string> {
  await fleet.registry.submitUnit(name, unit, 'launched');
  await until(`${name} runs`, async () => {
    const states = (await fleet.registry.readUnit(name))?.states ?? [];
    return states.filter(({ active }) => active === 'active').length === machines;
  });
  return (await fleet.registry.readUnit(name))?.machine ?? '';
}
const error = (code: string, kind: string) => ({ error: { code, kind, message: expect.any(String) } });

describe('machines', () => {
  test('are cordoned, drained and taken back', async () => {
    expect(await post(`/v1/machines/${B}/cordon`)).toEqual({ status: 204, body: null });
    expect(await machine(B)).toMatchObject({ alive: true, cordoned: true, draining: false, away: null });
    expect((await post(`/v1/machines/${B}/uncordon`)).status).toBe(204);
    expect((await post(`/v1/machines/${B}/drain`)).status).toBe(204);
    expect(await machine(B)).toMatchObject({ cordoned: true, draining: true, metadata: { az: 'b' } });
    expect(await machine(A)).toMatchObject({ cordoned: false, draining: false });
    expect((await post(`/v1/machines/${B}/uncordon`)).status).toBe(204);
    expect(await machine(B)).toMatchObject({ cordoned: false, draining: false });
  });

  test('that never joined are not found; others than these words are not in the API', async () => {
    for (const verb of ['cordon', 'uncordon', 'drain', 'evict'])
      expect(await post(`/v1/machines/${'e'.repeat(32)}/${verb}`)).toEqual({
        status: 404,
        body: error('not-found', 'permanent'),
      });
    expect((await post(`/v1/machines/${A}/explode`)).status).toBe(404);
    expect((await get(`/v1/machines/${A}/cordon`)).status).toBe(405);
    const readOnly = await fleet.serve({ tcp: [{ host: '127.0.0.1', port: 0, role: 'read' }] });
    expect((await post(`/v1/machines/${A}/drain`, undefined, readOnly.addresses[0])).status).toBe(403);
    await readOnly.stop();
  });
});

describe('the condition of a machine', () => {
  const condition = (one: number) => ({
    cpus: 8,
    load: { oneMinute: one, fiveMinutes: 0.5, quarterHour: 0 },
    memory: { total: 16e9, available: 4e9 },
    up: 61.5,
  });

  test('is what it finds on itself, with its own hold, whoever is asked', async () => {
    const hold = 'etcd was replaced';
    const onB = await served({ machineId: B, localCondition: () => condition(7.25), hold: () => hold });
    const onA = await served({ localCondition: () => condition(0.75), registry: withApi(B, onB.peers) });
    const told = (id: string, url: string) => get(`/v1/machines/${id}/condition`, url);
    expect(await told(A, onA.url)).toEqual({
      status: 200,
      body: { machine: A, ...condition(0.75), hold: null },
    });
    const ofB = { status: 200, body: { machine: B, ...condition(7.25), hold } };
    expect(await told(B, onB.url)).toEqual(ofB);
    expect(await told(B, onA.url)).toEqual(ofB);
    await Promise.all([onA.stop(), onB.stop()]);
  });

  test('of its own it tells also while the registry does not answer', async () => {
    const away = () => Promise.reject(transient('etcd does not answer'));
    const api = await served({ registry: { ...fleet.registry, readMachines: away, readLeader: away } });
    expect(await get(`/v1/machines/${A}/condition`, api.url)).toMatchObject({ status: 200 });
    expect(await get(`/v1/machines/${B}/condition`, api.url)).toMatchObject({ status: 503 });
    await api.stop();
  });

  test('is not to be had of one that is gone, was never there, or does not answer', async () => {
    const session = await fleet.registry.join(
      { id: D, ip: '10.0.0.4', metadata: {}, apiAddress: '', version: 'test', bootId: '1' },
      60_000,
    );
    await session.leave();
    expect(await get(`/v1/machines/${D}/condition`)).toEqual({
      status: 404,
      body: error('machine-gone', 'permanent'),
    });
    await fleet.registry.forgetMachine(D);
    expect(await get(`/v1/machines/${D}/condition`)).toEqual({
      status: 404,
      body: error('not-found', 'permanent'),
    });
    for (const address of ['', 'psk://127.0.0.1:1']) {
      const api = await served({ registry: withApi(B, address) });
      expect(await get(`/v1/machines/${B}/condition`, api.url)).toEqual({
        status: 502,
        body: error('machine-unreachable', 'transient'),
      });
      await api.stop();
    }
  });

  test('takes the role read, and is no business of units', async () => {
    const tcp = (['read', 'unit'] as const).map((role) => ({ host: '127.0.0.1', port: 0, role }));
    const api = await fleet.serve({ tcp });
    const [read, unit] = api.addresses;
    expect((await get(`/v1/machines/${A}/condition`, read)).status).toBe(200);
    expect((await get(`/v1/machines/${A}/condition`, unit)).status).toBe(403);
    await api.stop();
  });
});

describe('a move', () => {
  test('is asked for with a machine or without', async () => {
    const from = await launch('web.service');
    const to = from === A ? B : A;
    expect((await post('/v1/units/web.service/move', { to })).status).toBe(204);
    expect((await fleet.registry.readUnit('web.service'))?.record.move).toMatchObject({ to });
    expect((await post('/v1/units/web.service/move', { to: null })).status).toBe(204);
    expect((await fleet.registry.readUnit('web.service'))?.record.move).toMatchObject({ to: null });
  });

  test.each([
    ['nosuch.service', { to: null }, 404, 'not-found'],
    ['every.service', { to: null }, 409, 'not-placed'],
    ['web.service', { to: 'nobody' }, 400, 'no-machine'],
    ['web.service', {}, 400, 'bad-body'],
    ['web.service', { to: 7 }, 400, 'bad-body'],
    ['web.service', '', 400, 'bad-body'],
    ['web.service', 'null', 400, 'bad-body'],
  ])('of %s with %j is refused', async (unit, body, status, code) => {
    if (unit === 'every.service') await launch(unit, GLOBAL, 3);
    expect(await post(`/v1/units/${unit}/move`, body)).toEqual({ status, body: error(code, 'permanent') });
  });

  test('plan of a rebalance is made of the whole cluster', async () => {
    const move = { unit: 'web.service', from: A, to: B, why: '3 units on aaaaaaaa, 1 on bbbbbbbb' };
    const api = await served({ planRebalance: ({ units }) => (units.has('web.service') ? [move] : []) });
    expect(await get('/v1/rebalance', api.url)).toEqual({ status: 200, body: { moves: [move] } });
    await api.stop();
  });
});

describe('reasons', () => {
  const lost = 'pending: 0 of 2 machines: 2 lack az=c';
  const frozen = '3 of 5 machines are missing';
  const leading = () => ({ term: 7, refusals: new Map([['lost.service', lost]]), frozen, hold: null });
  beforeAll(async () => {
    await fleet.registry.submitUnit('idle.service', SLEEP, 'inactive');
    fleet.behaviours.set('lost.service', { refusal: lost });
    await fleet.registry.submitUnit('lost.service', SLEEP, 'launched');
    fleet.behaviours.set('boom.service', { fails: 'exited with code 7\nlast words' });
    await fleet.registry.submitUnit('boom.service', SLEEP, 'launched');
    await until('boom.service fails', async () =>
      ((await fleet.registry.readUnit('boom.service'))?.states ?? []).some(
        ({ active }) => active === 'failed',
      ),
    );
  });
  async function reasons(url?: string): Promise<Record<string, unknown>> {
    const { units } = (await get('/v1/units', url)).body as { units: UnitReport[] };
    return Object.fromEntries(units.map(({ record, reason }) => [record.name, reason]));
  }

  test('are in the list of all units: what is pending, else why it is as it is, in a line', async () => {
    expect(await reasons()).toMatchObject({
      'lost.service': lost,
      'boom.service': 'exited with code 7',
      'idle.service': null,
      'every.service': null,
    });
  });

  test("are the leader's, whoever is asked", async () => {
    const leader = await served({ leading });
    const other = await served({ machineId: B, leading: () => null, registry: withApi(A, leader.peers) });
    expect(await reasons(other.url)).toMatchObject({ 'lost.service': lost });
    expect((await get('/v1/leader', other.url)).body).toEqual({
      machine: A,
      refusals: { 'lost.service': lost },
      term: fleet.leader.fence,
      frozen,
      hold: null,
    });
    expect((await get('/v1/leader', leader.url)).body).toMatchObject({ machine: A, term: 7 });
    expect((await get('/v1/leader?unit=web.service', other.url)).body).toMatchObject({
      refusals: {},
      frozen,
    });
    await Promise.all([leader.stop(), other.stop()]);
  });

  test.each([
    ['has no address', ''],
    ['does not answer', 'psk://127.0.0.1:1'],
    ['is not who answers at its address', 'itself'],
  ])('are worked out here where the leader %s', async (_, address) => {
    const own = 'pending: as this machine sees it';
    const explain = () => new Map([['lost.service', own]]);
    // All loopback addresses are alike: what is meant for another machine may come back to this one.
    const itself = await served({ machineId: B, leading: () => null });
    const other = await served({
      machineId: B,
      leading: () => null,
      explain,
      registry: withApi(A, address === 'itself' ? itself.peers : address),
    });
    expect(await reasons(other.url)).toMatchObject({ 'lost.service': own });
    expect((await get('/v1/units/lost.service', other.url)).body).toMatchObject({
      pending: own,
      reason: own,
    });
    await Promise.all([itself.stop(), other.stop()]);
  });

  test('name the freeze that the leader has written down, where it does not answer', async () => {
    const registry: Registry = {
      ...withApi(A, ''),
      readLeader: async () => ({ machine: A, term: 3, frozen }),
    };
    const explain = (_: unknown, words: string | null) => new Map([['lost.service', `gone, but ${words}`]]);
    const other = await served({ machineId: B, leading: () => null, explain, registry });
    expect(await reasons(other.url)).toMatchObject({ 'lost.service': `gone, but ${frozen}` });
    expect((await get('/v1/units/lost.service', other.url)).body.pending).toBe(`gone, but ${frozen}`);
    expect((await get('/v1/leader', other.url)).body).toMatchObject({
      ...{ machine: A, term: 3, frozen, hold: null },
    });
    await other.stop();
  });

  test('say that the leader decides nothing', async () => {
    fleet.behaviours.set('later.service', { refusal: 'unused' });
    await fleet.registry.submitUnit('later.service', SLEEP, 'launched');
    const api = await served({
      leading: () => ({ term: 7, refusals: new Map(), frozen: null, hold: 'etcd was replaced' }),
    });
    expect((await get('/v1/units/later.service', api.url)).body.pending).toBe(
      'pending: nothing is decided: etcd was replaced',
    );
    await api.stop();
  });
});

describe('reload', () => {
  test('is done on every machine that runs the unit, and passed on to the others', async () => {
    await launch('every.service', GLOBAL, 3);
    const done: string[] = [];
    const reloading = (id: string) => async (unit: string) => void done.push(`${unit} on ${id[0]}`);
    const onB = await served({ machineId: B, localReload: reloading(B) });
    const onC = await served({ machineId: C, localReload: reloading(C) });
    const registry = withApi(C, onC.peers, withApi(B, onB.peers));
    const onA = await served({ machineId: A, localReload: reloading(A), registry });
    expect(await post('/v1/units/every.service/reload', undefined, onA.url)).toEqual({
      status: 200,
      body: { machines: [A, B, C] },
    });
    expect(done.sort()).toEqual(['every.service on a', 'every.service on b', 'every.service on c']);
    await Promise.all([onA.stop(), onB.stop(), onC.stop()]);
  });

  test('that fails is told with its reason, from wherever', async () => {
    const localReload = () => Promise.reject(permanent('it has no ExecReload=', { code: 'failed' }));
    const onB = await served({ machineId: B, localReload });
    const onA = await served({ machineId: A, registry: withApi(B, onB.peers) });
    expect(await post('/v1/units/every.service/reload', undefined, onA.url)).toEqual({
      status: 409,
      body: { error: { code: 'failed', kind: 'permanent', message: 'it has no ExecReload=' } },
    });
    expect(await post('/v1/units/lost.service/reload')).toEqual({
      status: 409,
      body: error('not-running', 'permanent'),
    });
    expect((await post('/v1/units/nosuch.service/reload')).status).toBe(404);
    await Promise.all([onA.stop(), onB.stop()]);
  });

  test('of a machine that others cannot reach says what to do', async () => {
    const onA = await served({ machineId: A, registry: withApi(B, '') });
    expect(await post('/v1/units/every.service/reload', undefined, onA.url)).toEqual({
      status: 502,
      body: {
        error: {
          code: 'machine-unreachable',
          kind: 'transient',
          message: `machine ${B} answers no requests of other machines: give this command there`,
        },
      },
    });
    await onA.stop();
  });
});

test('a request that is meant for another machine is not answered', async () => {
  const answer = await request(`${fleet.url}/v1/units`, { headers: { 'x-convoy-passed-on': B } });
  expect(answer.statusCode).toBe(421);
  expect(await answer.body.json()).toEqual(error('wrong-machine', 'permanent'));
});

test('rejoin tells the hold, and accepts', async () => {
  expect((await get('/v1/rejoin')).body).toEqual({ machine: A, hold: null });
  const api = await served({
    hold: () => 'etcd was replaced',
    registry: { ...fleet.registry, accept: async () => ({ clusterId: 'C1', revision: 7 }) },
  });
  expect((await get('/v1/rejoin', api.url)).body).toEqual({ machine: A, hold: 'etcd was replaced' });
  expect(await post('/v1/rejoin', undefined, api.url)).toEqual({
    status: 200,
    body: { clusterId: 'C1', revision: 7 },
  });
  await api.stop();
});

test('machines are evicted only when they are not there, and stay in the list', async () => {
  const session = await fleet.registry.join(
    { id: D, ip: '10.0.0.4', metadata: { az: 'd' }, apiAddress: '', version: 'test', bootId: '1' },
    60_000,
  );
  expect(await post(`/v1/machines/${D}/evict`)).toEqual({ status: 409, body: error('alive', 'conflict') });
  expect(await machine(D)).toMatchObject({ alive: true, away: null, ip: '10.0.0.4', bootId: '1' });
  await session.leave();
  expect(await machine(D)).toEqual({
    ...{ id: D, alive: false, cordoned: false, draining: false, away: 'left', leader: false },
    ...{ ip: '', metadata: {}, apiAddress: '', version: '', bootId: '' },
  });
  expect((await post(`/v1/machines/${D}/evict`)).status).toBe(204);
  const live = (await get('/fleet/v1/machines')).body.machines as { id: string }[];
  expect(live.map(({ id }) => id)).toEqual([A, B, C]);
});

async function served(options: Partial<ApiOptions>) {
  const tcp = [{ host: '127.0.0.1', port: 0, role: 'admin' as const }];
  const api = await fleet.serve({ tcp, peerListen: FOR_PEERS, ...options });
  return { url: api.addresses[0] ?? '', peers: api.peerAddress, stop: () => api.stop() };
}

/** The registry, with one machine answering at that address. */
function withApi(id: string, apiAddress: string, registry: Registry = fleet.registry): Registry {
  return {
    ...registry,
    async readMachines(signal?: AbortSignal) {
      const { machines, ...more } = await registry.readMachines(signal);
      const changed = machines.map((one): Machine => (one.id === id ? { ...one, apiAddress } : one));
      return { machines: changed, ...more };
    },
  };
}
