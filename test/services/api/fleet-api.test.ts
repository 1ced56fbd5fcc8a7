import { Client, request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';

/** What no recorded conversation shows of fleet's API (the rest: fleet-replay.test.ts). */

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);
const MACHINES = [
  { id: A, ip: '10.0.0.1', metadata: { az: 'a', host: '1' } },
  { id: B, ip: '10.0.0.2', metadata: {} },
];
const SLEEP = { options: [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep 1' }] };

let fleet: FakeFleet;
beforeAll(async () => {
  fleet = await startFakeFleet(MACHINES, { still: true });
});
afterAll(() => fleet.stop());

async function ask(
  method: 'GET' | 'PATCH' | 'PUT' | 'HEAD' | 'OPTIONS' | 'DELETE' | 'POST',
  path: string,
  sent?: unknown,
  base = fleet.url,
) {
  const body = sent === undefined ? null : typeof sent === 'string' ? sent : JSON.stringify(sent);
  const headers = { 'content-type': 'application/json' };
  const answer = await request(`${base}${path}`, { method, body, headers });
  const text = await answer.body.text();
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: text === '' ? null : (JSON.parse(text) as unknown),
  };
}
const refused = (status: number, message: string) => ({ status, body: { error: { code: status, message } } });

/** Metadata of the live machines by id, as the list shows it. */
async function metadata(): Promise<Record<string, unknown>> {
  const { machines } = (await ask('GET', '/fleet/v1/machines')).body as {
    machines: { id: string; metadata?: object }[];
  };
  return Object.fromEntries(machines.map((machine) => [machine.id, machine.metadata ?? {}]));
}

describe('PATCH of machines', () => {
  const set = (machine: string, key: string, value?: unknown) => ({
    op: value === undefined ? 'remove' : 'add',
    path: `/${machine}/metadata/${key}`,
    value,
  });

  test('takes both forms of a value, in order, over what a machine has by itself', async () => {
    const patch = [set(A, 'az', 'b'), set(A, 'az', { value: 'c' }), set(B, 'disk', 'ssd'), set(A, 'host')];
    const { status, body, headers } = await ask('PATCH', '/fleet/v1/machines', patch);
    expect({ status, body, type: headers['content-type'] }).toEqual({
      status: 204,
      body: null,
      type: 'application/json',
    });
    expect(await metadata()).toEqual({ [A]: { az: 'c' }, [B]: { disk: 'ssd' } });
    const back = [set(A, 'az', 'a'), set(A, 'host', '1'), set(B, 'disk')];
    expect((await ask('PATCH', '/v1-alpha/machines?alt=json', back)).status).toBe(204);
    expect(await metadata()).toEqual({ [A]: { az: 'a', host: '1' }, [B]: {} });
  });

  test('changes nothing when any operation is bad', async () => {
    const before = await metadata();
    for (const bad of [{ op: 'move', path: 'x' }, set(A, 'a b', 'x'), set(A, 'a', ''), set(A, 'a', 5), 7])
      expect((await ask('PATCH', '/fleet/v1/machines', [set(A, 'az', 'z'), bad])).status).toBe(400);
    expect(await metadata()).toEqual(before);
  });

  test('remembers what is set of a machine that never joined; it is not listed for that', async () => {
    const unknown = 'e'.repeat(32);
    expect((await ask('PATCH', '/fleet/v1/machines', [set(unknown, 'az', 'e')])).status).toBe(204);
    expect(Object.keys(await metadata())).toEqual([A, B]);
    const machine = { id: unknown, ip: '', metadata: {}, apiAddress: '', version: 'test', bootId: '' };
    const session = await fleet.registry.join(machine, 60_000);
    expect((await metadata())[unknown]).toEqual({ az: 'e' });
    await session.leave();
  });

  test('takes more machines at once than one transaction does', async () => {
    const ids = Array.from({ length: 120 }, (_, number) => `${number}`.padStart(32, 'f'));
    const patches = ['one', 'two'].flatMap((value) => ids.map((id) => set(id, 'x', value)));
    expect((await ask('PATCH', '/fleet/v1/machines', patches)).status).toBe(204);
    const last = ids.at(-1) ?? '';
    const machine = { id: last, ip: '', metadata: {}, apiAddress: '', version: 'test', bootId: '' };
    const session = await fleet.registry.join(machine, 60_000);
    expect((await metadata())[last]).toEqual({ x: 'two' });
    await session.leave();
  });

  test('is for administrators', async () => {
    const api = await fleet.serve({
      tcp: (['read', 'operate', 'admin'] as const).map((role) => ({ host: '127.0.0.1', port: 0, role })),
    });
    const statuses = [];
    for (const url of api.addresses)
      statuses.push((await ask('PATCH', '/fleet/v1/machines', [], url)).status);
    expect(statuses).toEqual([403, 403, 204]);
    await api.stop();
  });
});

describe('the state of a unit', () => {
  test('is that of the machine it is placed on, of a global one that of some machine', async () => {
    const unit = 'two.service';
    await fleet.registry.submitUnit(unit, SLEEP, 'launched');
    const [first, second] = fleet.sessions;
    const state = (machine: string, active: string) => ({
      ...{ unit, machine, hash: 'x', load: 'loaded', active, sub: 'sub', reached: 'launched' as const },
      ...{ since: 0, exit: null, autoRestarts: 0, reason: '', heard: 0 },
    });
    await first?.publish([state(A, 'deactivating')], []);
    await second?.publish([state(B, 'active')], []);
    expect((await ask('GET', `/fleet/v1/state/${unit}`)).body).toMatchObject({ machineID: A });
    const { generation = 0 } = (await fleet.registry.readUnit(unit))?.record ?? {};
    const placement = { unit, machine: B, hash: 'x', target: 'launched' as const, restarts: 0, why: '' };
    await fleet.registry.commit(
      [
        {
          kind: 'place',
          unit,
          machine: B,
          global: false,
          generation,
          revision: 0,
          why: '',
          stopBoundMs: null,
          failedOn: [],
          placement,
        },
      ],
      fleet.leader,
    );
    expect((await ask('GET', `/fleet/v1/state/${unit}`)).body).toMatchObject({
      machineID: B,
      systemdActiveState: 'active',
    });
    expect((await ask('GET', `/fleet/v1/state?machineID=${A}&machineID=${B}`)).body).toMatchObject({
      states: [{ machineID: A }],
    });
    await Promise.all(fleet.sessions.map((session) => session.publish([], [unit])));
    expect(await ask('GET', `/fleet/v1/state/${unit}`)).toMatchObject(
      refused(404, 'unit state does not exist'),
    );
    await fleet.registry.destroyUnit(unit);
  });
});

describe('discovery', () => {
  test('is the same under both prefixes; any other method is a bad request', async () => {
    const { body } = await ask('GET', '/fleet/v1/discovery');
    expect((await ask('GET', '/v1-alpha/discovery?alt=json')).body).toEqual(body);
    expect(body).toMatchObject({ id: 'fleet:v1', rootUrl: '$ENDPOINT/' });
    for (const method of ['PUT', 'DELETE', 'PATCH', 'POST', 'OPTIONS'] as const)
      expect(await ask(method, '/fleet/v1/discovery')).toMatchObject(
        refused(400, 'only HTTP GET supported against this resource'),
      );
    expect((await ask('HEAD', '/fleet/v1/discovery')).status).toBe(400);
  });
});

describe('PUT of a unit', () => {
  /** The fleet's API, with something done between the first reading of a unit and what comes of it. */
  async function putMeanwhile(name: string, sent: unknown, meanwhile: () => Promise<unknown>) {
    const { registry } = fleet;
    let reads = 0;
    const readUnit: typeof registry.readUnit = async (...args) => {
      const view = await registry.readUnit(...args);
      if (reads++ === 0) await meanwhile();
      return view;
    };
    const api = await fleet.serve({
      registry: { ...registry, readUnit },
      tcp: [{ host: '127.0.0.1', port: 0, role: 'operate' }],
    });
    const answer = await ask('PUT', `/fleet/v1/units/${name}`, sent, api.addresses[0]);
    await api.stop();
    return answer;
  }

  test.each([
    [
      'MachineOf=b.service',
      'Conflicts=[ab].service',
      'unresolvable requirements: peer "b.service" matches conflict "[ab].service"',
    ],
    [
      'MachineOf=b.service',
      'Replaces=b*',
      'unresolvable requirements: peer "b.service" matches replace "b*"',
    ],
    ['MachineID=m', 'MachineOf=b.service', 'MachineID cannot be used with Peers'],
    ['MachineID=m', 'Conflicts=b', 'MachineID cannot be used with Conflicts'],
    ['MachineID=m', 'Global=true', 'MachineID cannot be used with Global'],
    ['MachineID=m', 'Replaces=b', 'MachineID cannot be used with Replaces'],
    ['Global=true', 'MachineOf=b.service', 'Global cannot be used with Peers'],
    ['Global=true', 'Replaces=b', 'Global cannot be used with Replaces'],
    ['Conflicts=b', 'Replaces=c', 'Conflicts cannot be used with Replaces'],
    ['MachineMetadata=az', 'Conflicts=b', 'malformed MachineMetadata "az": expected one key=value'],
  ])('with %s and %s is refused, new or in place of another', async (one, other, message) => {
    const { registry } = fleet;
    const options = [one, other].map((line) => {
      const [name, ...value] = line.split('=');
      return { section: 'X-Fleet', name, value: value.join('=') };
    });
    const bad = { options: [...SLEEP.options, ...options] };
    expect(await ask('PUT', '/fleet/v1/units/bad.service', bad)).toMatchObject(refused(400, message));
    expect(await registry.readUnit('bad.service')).toBeNull();
    await registry.submitUnit('bad.service', SLEEP, 'inactive');
    expect(await ask('PUT', '/fleet/v1/units/bad.service', bad)).toMatchObject(refused(400, message));
    expect((await registry.readUnit('bad.service'))?.record.unit).toEqual(SLEEP);
    await registry.destroyUnit('bad.service');
  });

  test('takes a unit from any desired state to any other, and to none there is not', async () => {
    const { registry } = fleet;
    const states = ['inactive', 'loaded', 'launched'];
    await registry.submitUnit('any.service', SLEEP, 'inactive');
    for (const from of states)
      for (const to of states) {
        for (const desiredState of [from, to])
          expect((await ask('PUT', '/fleet/v1/units/any.service', { desiredState })).status).toBe(204);
        expect((await registry.readUnit('any.service'))?.record.target).toBe(to);
        expect(await ask('PUT', '/fleet/v1/units/any.service', { desiredState: 'Launched' })).toMatchObject(
          refused(400, 'invalid desired state "Launched": expected one of inactive, loaded, launched'),
        );
        expect((await ask('GET', '/fleet/v1/units/any.service')).body).toMatchObject({ desiredState: to });
      }
    await registry.destroyUnit('any.service');
  });

  test('as new does not reset a unit that was made and started meanwhile', async () => {
    const { registry } = fleet;
    const answer = await putMeanwhile('race.service', SLEEP, () =>
      registry.submitUnit('race.service', SLEEP, 'launched'),
    );
    expect(answer).toMatchObject(refused(409, 'must provide DesiredState to update existing unit'));
    expect((await registry.readUnit('race.service'))?.record.target).toBe('launched');
  });

  test('of a state finds out that the unit was destroyed meanwhile, or replaced', async () => {
    const { registry } = fleet;
    const state = { desiredState: 'loaded' };
    const replaced = () => registry.submitUnit('race.service', { options: [] }, 'inactive');
    expect((await putMeanwhile('race.service', state, replaced)).status).toBe(204);
    expect((await registry.readUnit('race.service'))?.record).toMatchObject({
      target: 'loaded',
      unit: { options: [] },
    });
    const answer = await putMeanwhile('race.service', state, () => registry.destroyUnit('race.service'));
    expect(answer).toMatchObject(refused(409, 'unit does not exist and options field empty'));
  });
});

describe('what goes wrong', () => {
  test('within convoyd is a 500 without words', async () => {
    const broken = () => Promise.reject(new Error('a bug, with a secret in its words'));
    const api = await fleet.serve({
      registry: { ...fleet.registry, readMachines: broken },
      tcp: [{ host: '127.0.0.1', port: 0, role: 'read' }],
    });
    expect(await ask('GET', '/fleet/v1/machines', undefined, api.addresses[0])).toMatchObject(
      refused(500, ''),
    );
    await api.stop();
  });

  test('with a body over the limit is a 413, and nothing is stored', async () => {
    const value = 'x'.repeat(4 * 1024 * 1024);
    const huge = { options: [{ section: 'Service', name: 'ExecStart', value }] };
    expect(await ask('PUT', '/fleet/v1/units/huge.service', huge)).toMatchObject({
      status: 413,
      body: { error: { code: 413, message: 'body over 4194304 bytes' } },
    });
    expect(await ask('PATCH', '/fleet/v1/machines', huge)).toMatchObject({ status: 413 });
    expect(await fleet.registry.readUnit('huge.service')).toBeNull();
  });
});

describe('paths', () => {
  test('may be any bytes; what is no escape is refused', async () => {
    expect(await ask('GET', '/fleet/v1/units/%ff.service')).toMatchObject(
      refused(404, 'unit does not exist'),
    );
    expect(await ask('PUT', '/fleet/v1/units/%ff.service', SLEEP)).toMatchObject(
      refused(400, "invalid character '\ufffd' in unit name"),
    );
    for (const broken of ['%', '%4', '%zz'])
      expect(await ask('GET', `/fleet/v1/units/a${broken}`)).toMatchObject(
        refused(400, `invalid URL escape "${broken}"`),
      );
  });

  test('are decoded once; what they are sent to is encoded again', async () => {
    expect((await ask('PUT', '/fleet/v1/units/a%40%31.service', SLEEP)).status).toBe(201);
    expect((await ask('GET', '/fleet/v1/units/a@1.service')).body).toMatchObject({ name: 'a@1.service' });
    expect(await ask('GET', '/fleet/v1/units/a%2540.service')).toMatchObject(
      refused(404, 'unit does not exist'),
    );
    expect(await ask('GET', '/fleet/v1/units/a%2Fb.service')).toMatchObject(refused(404, ''));
    const { statusCode, headers, body } = await request(`${fleet.url}/fleet/v1//units/a%40%22.service?x="&y`);
    expect({ statusCode, location: headers.location, text: await body.text() }).toEqual({
      statusCode: 301,
      location: '/fleet/v1/units/a@%22.service?x=%22&y',
      text: '<a href="/fleet/v1/units/a@%22.service?x=%22&amp;y">Moved Permanently</a>.\n\n',
    });
    expect((await ask('DELETE', '/fleet/v1/units/a@1.service')).status).toBe(204);
  });

  test('that are not clean are sent on without words by other methods than GET', async () => {
    for (const method of ['PUT', 'DELETE', 'OPTIONS'] as const) {
      const { statusCode, headers, body } = await request(`${fleet.url}/fleet//v1/units`, { method });
      expect([method, statusCode, headers.location, headers['content-type'], await body.text()]).toEqual([
        ...[method, 301, '/fleet/v1/units', undefined, ''],
      ]);
    }
  });
});

describe('pages', () => {
  test('are of one moment and cost one reading, each on a connection of its own', async () => {
    const many = await startFakeFleet(MACHINES.slice(0, 1), { still: true });
    let reads = 0;
    const { readAll } = many.registry;
    const counted = (signal?: AbortSignal) => {
      reads++;
      return readAll.call(many.registry, signal);
    };
    const api = await many.serve({
      registry: { ...many.registry, readAll: counted },
      tcp: [{ host: '127.0.0.1', port: 0, role: 'read' }],
    });
    async function page(token?: string): Promise<{ names: string[]; next: string | undefined }> {
      const client = new Client(api.addresses[0] ?? '');
      const query = token === undefined ? '' : `?nextPageToken=${encodeURIComponent(token)}`;
      const { body } = await client.request({ method: 'GET', path: `/fleet/v1/units${query}` });
      const listed = (await body.json()) as { units?: { name: string }[]; nextPageToken?: string };
      await client.destroy();
      return { names: (listed.units ?? []).map(({ name }) => name), next: listed.nextPageToken };
    }
    const name = (number: number): string => `tiny-${String(number).padStart(3, '0')}.service`;
    const names = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, at) => name(from + at));
    for (const each of names(1, 300)) await many.registry.submitUnit(each, SLEEP, 'inactive');

    const first = await page();
    expect(first).toEqual({ names: names(1, 100), next: 'ZAACAA==' });
    await many.registry.destroyUnit(name(1));
    await many.registry.submitUnit('aaa.service', SLEEP, 'inactive');
    // Another client begins while the first is under way, and sees what is there now.
    const other = await page();
    expect(other.names).toEqual(['aaa.service', ...names(2, 100)]);
    await many.registry.destroyUnit(name(150));
    const second = await page(first.next);
    const otherSecond = await page(other.next);
    expect([second.names, otherSecond.names]).toEqual([names(101, 200), names(101, 200)]);
    const thirds = [await page(second.next), await page(otherSecond.next)];
    expect(thirds).toEqual(Array(2).fill({ names: names(201, 300), next: undefined }));
    expect(reads).toBe(2);

    // Nothing is kept: a token from nowhere is a reading of its own.
    expect((await page('ZAACAA==')).names).toEqual([...names(101, 149), ...names(151, 201)]);
    expect(reads).toBe(3);
    expect(await page('ZAAEAA==')).toEqual({ names: [], next: undefined });
    await api.stop();
    await many.stop();
  });
});
