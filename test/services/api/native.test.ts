import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { UnitReport } from '../../../api/wire.js';
import { MOST_WRITES } from '../../../registry/registry.js';
import { aState } from '../../contracts/registry-contract.js';
import { type DocumentedClient, openDocumented } from '../../support/documented.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { violations } from '../../support/json-schema.js';

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);
const MACHINES = [
  { id: A, ip: '10.0.0.1', metadata: { az: 'a' } },
  { id: B, ip: '10.0.0.2', metadata: { az: 'b' } },
];

let fleet: FakeFleet;
let api: DocumentedClient;
beforeAll(async () => {
  fleet = await startFakeFleet(MACHINES);
  api = await openDocumented(fleet.url);
});
afterAll(() => fleet.stop());
beforeEach(async () => {
  const names = [...(await fleet.registry.readAll()).units.keys()];
  for (const name of names) await fleet.registry.destroyUnit(name);
  if (names.length > 0) await fleet.rest();
});

const options = (command = '/bin/sleep 1', ...fleetOptions: readonly [string, string][]) => [
  { section: 'Service', name: 'ExecStart', value: command },
  ...fleetOptions.map(([name, value]) => ({ section: 'X-Fleet', name, value })),
];
const generationOf = async (name: string) => (await fleet.registry.readUnit(name))?.record.generation;
const submit = (units: readonly object[], query = '') =>
  api.send('POST', `/v1/units${query}`, { body: { units } });
const launch = async (...names: readonly string[]): Promise<void> => {
  await submit(names.map((name) => ({ name, options: options(), target: 'launched' })));
  await fleet.rest();
};

test('what is not described is found: the document is held to its word', async () => {
  await launch('a.service');
  const { body } = await api.send('GET', '/v1/units/a.service');
  const schema = { $ref: '#/components/schemas/UnitReport' };
  expect(violations(schema, body, api.resolve)).toEqual([]);
  const { machine: _, ...lacking } = body;
  const [state] = body.states;
  for (const wrong of [
    { ...body, more: 1 },
    lacking,
    { ...body, machine: 7 },
    { ...body, record: { ...body.record, target: 'running' } },
    { ...body, states: [{ ...state, more: 1 }] },
  ])
    expect(violations(schema, wrong, api.resolve)).toHaveLength(1);
});

describe('units', () => {
  test('are listed with the revision they are of, by name, target and machine', async () => {
    await launch('web@1.service', 'web@2.service', 'db.service');
    await submit([{ name: 'off.service', options: options(), target: 'inactive' }]);
    const names = async (query: string): Promise<string[]> => {
      const { body, headers } = await api.send('GET', `/v1/units${query}`);
      expect(headers['x-convoy-revision']).toBe(String((await fleet.registry.readAll()).revision));
      return body.units.map(({ record }: { record: { name: string } }) => record.name);
    };
    expect(await names('')).toEqual(['db.service', 'off.service', 'web@1.service', 'web@2.service']);
    expect(await names('?name=web@*')).toEqual(['web@1.service', 'web@2.service']);
    expect(await names('?name=db.service')).toEqual(['db.service']);
    expect(await names('?target=inactive')).toEqual(['off.service']);
    const { machine } = (await fleet.registry.readUnit('db.service'))!;
    expect(await names(`?name=db*&machine=${machine}`)).toEqual(['db.service']);
    expect(await names(`?name=db*&machine=${machine === A ? B : A}`)).toEqual([]);
  });

  test('that were destroyed are listed by the states they still have', async () => {
    await launch('a.service');
    const { machineId, publish } = fleet.sessions[1]!;
    const left = aState(machineId, 'gone.service', 'deactivating');
    await publish([left], []);
    const lists = async (query: string): Promise<unknown> => {
      const { units, destroyed } = (await api.send('GET', `/v1/units${query}`)).body;
      return { units: units.map(({ record }: UnitReport) => record.name), destroyed };
    };
    expect(await lists('')).toEqual({ units: ['a.service'], destroyed: [left] });
    expect(await lists(`?name=gone*&machine=${B}`)).toEqual({ units: [], destroyed: [left] });
    expect(await lists(`?name=gone*&machine=${A}`)).toEqual({ units: [], destroyed: [] });
    expect(await lists('?name=a*')).toEqual({ units: ['a.service'], destroyed: [] });
    expect(await lists('?target=launched')).toEqual({ units: ['a.service'], destroyed: [] });
    await publish([], ['gone.service']);
    expect(await lists('')).toEqual({ units: ['a.service'], destroyed: [] });
  });

  test('are created, replaced, left as they are, and changed in their target, by PUT', async () => {
    const put = (body: object, headers = {}) => api.send('PUT', '/v1/units/a.service', { body, headers });
    const created = await put({ options: options(), target: 'inactive' });
    expect(created.body).toMatchObject({ name: 'a.service', outcome: 'created', refusal: null });
    expect(created.headers.etag).toBe(`"${await generationOf('a.service')}"`);
    expect((await put({ options: options(), target: 'inactive' })).body).toEqual({
      ...created.body,
      outcome: 'unchanged',
    });
    expect((await put({ options: options('/bin/true'), target: 'inactive' })).body).toMatchObject({
      outcome: 'changed',
      generation: await generationOf('a.service'),
    });
    expect((await put({ target: 'loaded' })).body.outcome).toBe('changed');
    const { record } = (await fleet.registry.readUnit('a.service'))!;
    expect(record).toMatchObject({ target: 'loaded', unit: { options: options('/bin/true') } });
    expect((await api.send('PUT', '/v1/units/b.service', { body: { target: 'loaded' } })).status).toBe(404);
  });

  test('are read with their generation, and gone after DELETE', async () => {
    await launch('a.service');
    const { headers, body } = await api.send('GET', '/v1/units/a.service');
    expect(headers.etag).toBe(`"${body.record.generation}"`);
    expect(await api.send('DELETE', '/v1/units/a.service')).toMatchObject({ status: 204 });
    for (const method of ['GET', 'DELETE'])
      expect(await api.send(method, '/v1/units/a.service')).toMatchObject({
        status: 404,
        body: { error: { code: 'not-found', message: 'unit a.service does not exist' } },
      });
  });
});

describe('If-Match', () => {
  const changes: [string, string, object | undefined][] = [
    ['PUT', '', { target: 'loaded' }],
    ['POST', '/restart', undefined],
    ['POST', '/move', { to: null }],
    ['POST', '/reload', undefined],
    ['DELETE', '', undefined],
  ];
  test.each(changes)(
    '%s %s is made on the generation that was read and on no other',
    async (method, verb, body) => {
      await launch('a.service');
      const path = `/v1/units/a.service${verb}`;
      const before = (await fleet.registry.readUnit('a.service'))!.record;
      const reloads = fleet.reloads.length;
      const send = (headers: Record<string, string>) =>
        api.send(method, path, { headers, ...(body && { body }) });
      for (const stale of [1, before.generation + 1])
        expect(await send({ 'if-match': `"${stale}"` })).toMatchObject({
          status: 412,
          body: {
            error: {
              ...{ code: 'precondition', kind: 'conflict' },
              message: 'a.service was changed since it was read',
            },
          },
        });
      expect((await fleet.registry.readUnit('a.service'))!.record).toEqual(before);
      expect(fleet.reloads).toHaveLength(reloads);
      for (const wrong of ['17', 'W/"17"', '"x"'])
        expect(await send({ 'if-match': wrong })).toMatchObject({
          status: 400,
          body: { error: { code: 'bad-header', message: expect.stringContaining('If-Match') } },
        });
      expect((await send({ 'if-match': `"${before.generation}"` })).status).toBeLessThan(300);
      const after = await fleet.registry.readUnit('a.service');
      if (verb === '/reload') expect(after?.record).toEqual(before);
      else expect(after?.record).not.toEqual(before);
    },
  );

  test('* is for a unit that is there, If-None-Match: * for one that is not', async () => {
    const put = (headers: Record<string, string>) =>
      api.send('PUT', '/v1/units/a.service', { headers, body: { options: options(), target: 'loaded' } });
    expect(await put({ 'if-match': '*' })).toMatchObject({
      status: 412,
      body: { error: { code: 'precondition', message: 'unit a.service does not exist' } },
    });
    expect((await put({ 'if-none-match': '*' })).body.outcome).toBe('created');
    expect(await put({ 'if-none-match': '*' })).toMatchObject({
      status: 412,
      body: { error: { code: 'precondition', message: 'a.service was changed since it was read' } },
    });
    expect((await put({ 'if-match': '*' })).body.outcome).toBe('unchanged');
    expect((await put({ 'if-match': '*', 'if-none-match': '*' })).status).toBe(400);
    expect((await put({ 'if-none-match': '"3"' })).status).toBe(400);
    expect(
      (await api.send('DELETE', '/v1/units/a.service', { headers: { 'if-none-match': '*' } })).status,
    ).toBe(400);
  });
});

describe('many units at once', () => {
  test('are written in one transaction, each with what became of it', async () => {
    await submit([{ name: 'same.service', options: options(), target: 'loaded' }]);
    await submit([{ name: 'old.service', options: options(), target: 'loaded' }]);
    await fleet.rest();
    const before = await fleet.registry.readAll();
    const { body } = await submit([
      { name: 'new.service', options: options(), target: 'launched', expected: 0 },
      { name: 'same.service', options: options(), target: 'loaded' },
      { name: 'old.service', target: 'launched', expected: before.units.get('old.service')!.generation },
    ]);
    const generation = before.revision + 1;
    expect(body.units).toEqual([
      { name: 'new.service', outcome: 'created', generation, refusal: null },
      {
        name: 'same.service',
        outcome: 'unchanged',
        generation: before.units.get('same.service')!.generation,
        refusal: null,
      },
      { name: 'old.service', outcome: 'changed', generation, refusal: null },
    ]);
  });

  test.each([
    [
      'a name nobody may have',
      { name: 'b', options: options(), target: 'loaded' },
      'b: unit name must contain "."',
    ],
    [
      'options nobody may have',
      {
        name: 'b.service',
        options: options('/bin/true', ['Global', 'true'], ['MachineOf', 'x.service']),
        target: 'loaded',
      },
      'b.service: ',
    ],
    [
      'no options',
      { name: 'b.service', options: [], target: 'loaded' },
      'b.service: options: expected at least one',
    ],
    [
      'a template to be started',
      { name: 'b@.service', options: options(), target: 'launched' },
      'b@.service: cannot activate template "b@.service"',
    ],
    ['a name that is there twice', { name: 'a.service', target: 'loaded' }, 'a.service: named twice'],
  ])('are none of them written if one has %s', async (_, wrong, words) => {
    const good = { name: 'a.service', options: options(), target: 'loaded' };
    const worse = { name: 'c.slice.', target: 'loaded' };
    const { units } = await fleet.registry.readAll();
    for (const query of ['', '?dryRun=true']) {
      const { status, body } = await submit([good, wrong, worse], query);
      expect(status).toBe(400);
      expect(body.error).toMatchObject({ code: 'bad-unit', kind: 'permanent' });
      expect(body.error.message).toContain(words);
      expect(body.error.message).toContain('; c.slice.: unit name cannot end in "."');
    }
    expect((await fleet.registry.readAll()).units).toEqual(units);
  });

  test('are none of them written if one is not as expected, or not there, or they are too many', async () => {
    await submit([{ name: 'a.service', options: options(), target: 'loaded' }]);
    const { units } = await fleet.registry.readAll();
    const one = (name: string, more = {}) => ({
      name,
      options: options('/bin/true'),
      target: 'loaded',
      ...more,
    });
    for (const query of ['', '?dryRun=true']) {
      expect(await submit([one('n.service'), one('a.service', { expected: 0 })], query)).toMatchObject({
        status: 409,
        body: {
          error: {
            code: 'generation',
            kind: expect.any(String),
            message: expect.stringContaining('a.service'),
          },
        },
      });
      expect(await submit([one('n.service'), { name: 'x.service', target: 'loaded' }], query)).toMatchObject({
        status: 404,
        body: { error: { code: 'not-found', message: expect.stringContaining('x.service') } },
      });
      const many = Array.from({ length: MOST_WRITES + 1 }, (_, i) => one(`u${i}.service`));
      expect(await submit(many, query)).toMatchObject({
        status: 400,
        body: {
          error: { code: 'too-many', message: `units: expected at most 50, got 51: send them in parts` },
        },
      });
    }
    expect((await fleet.registry.readAll()).units).toEqual(units);
  });

  test('of a dry run are told what would become of them and what the scheduler has against it', async () => {
    await launch('same.service', 'old.service');
    fleet.behaviours.set('stuck.service', { refusal: 'pending: 0 of 2 machines: 2 lack az=c' });
    const { units } = await fleet.registry.readAll();
    const { body } = await submit(
      [
        { name: 'new.service', options: options(), target: 'launched' },
        { name: 'same.service', options: options(), target: 'launched' },
        { name: 'old.service', options: options('/bin/true'), target: 'launched' },
        { name: 'stuck.service', options: options('x', ['MachineMetadata', 'az=c']), target: 'launched' },
      ],
      '?dryRun=true',
    );
    const generation = (name: string) => generationOf(name);
    expect(body.units).toEqual([
      { name: 'new.service', outcome: 'created', generation: 0, refusal: null },
      {
        name: 'same.service',
        outcome: 'unchanged',
        generation: await generation('same.service'),
        refusal: null,
      },
      { name: 'old.service', outcome: 'changed', generation: await generation('old.service'), refusal: null },
      {
        ...{ name: 'stuck.service', outcome: 'created', generation: 0 },
        refusal: 'pending: 0 of 2 machines: 2 lack az=c',
      },
    ]);
    expect((await fleet.registry.readAll()).units).toEqual(units);
  });
});

describe('a request that is not right is told what was expected where, and what was got', () => {
  test.each([
    ['POST', '/v1/units', '{', /^the body is not JSON: /],
    ['POST', '/v1/units', [], 'expected an object, got a list'],
    ['POST', '/v1/units', { unit: [] }, 'units: expected a list, got nothing (and 1 more)'],
    [
      'POST',
      '/v1/units',
      { units: [{ name: 'a.service', target: 'running' }] },
      'units[0].target: expected one of inactive, loaded, launched, got "running"',
    ],
    [
      'POST',
      '/v1/units',
      { units: [{ name: 'a.service', target: 'loaded', Options: [] }] },
      'units[0].Options: unknown, expected one of name, options, target, expected',
    ],
    [
      'PUT',
      '/v1/units/a.service',
      { target: 'loaded', options: [{ section: 'X', name: 1, value: '' }] },
      'options[0].name: expected text, got 1',
    ],
    ['POST', '/v1/units/a.service/move', {}, 'to: expected text or null, got nothing'],
    [
      'PATCH',
      `/v1/machines/${A}/metadata`,
      { az: 'b', 'a=b': 'c' },
      '"a=b": expected a key of letters, digits, ".", "_" and "-"',
    ],
    [
      'PATCH',
      `/v1/machines/${A}/metadata`,
      { az: 3 },
      'expected an object with values of text or null, got an object',
    ],
    ['GET', '/v1/units?names=web', undefined, 'names: unknown, expected one of name, target, machine'],
    [
      'GET',
      '/v1/units?name=%5B',
      undefined,
      'name: expected the name of a unit or a pattern such as web@*, got "["',
    ],
    ['GET', '/v1/units?name=a&name=b', undefined, 'name: expected once, got 2 times'],
    ['POST', '/v1/units?dryRun=yes', { units: [] }, 'dryRun: expected one of true, false, got "yes"'],
    ['GET', '/v1/rejoin?x=1', undefined, 'x: unknown, expected nothing'],
    [
      'GET',
      '/v1/events?after=-1',
      undefined,
      'after: expected a whole number from 0 to 9007199254740991, got "-1"',
    ],
    [
      'GET',
      '/v1/events?kind=unit&kind=pod',
      undefined,
      /^kind\[1\]: expected one of unit, placement, .*, got "pod"$/,
    ],
  ])('%s %s', async (method, path, body, words) => {
    const answer = await api.send(method, path, body === undefined ? {} : { body });
    expect(answer.status).toBe(400);
    expect(answer.body.error.code).toBe(method === 'GET' || path.includes('?') ? 'bad-query' : 'bad-body');
    if (typeof words === 'string') expect(answer.body.error.message).toBe(words);
    else expect(answer.body.error.message).toMatch(words);
  });
});

describe('what is placed and what has come of it', () => {
  test('is listed by unit and machine, with the revision it is of', async () => {
    await launch('web@1.service', 'web@2.service', 'db.service');
    for (const list of ['placements', 'states']) {
      const all = await api.send('GET', `/v1/${list}`);
      expect(all.headers['x-convoy-revision']).toBe(String((await fleet.registry.readAll()).revision));
      expect(all.body[list].map(({ unit }: { unit: string }) => unit)).toEqual([
        'db.service',
        'web@1.service',
        'web@2.service',
      ]);
      const [row] = (await api.send('GET', `/v1/${list}?unit=web@1*`)).body[list];
      expect(row).toMatchObject({ unit: 'web@1.service', machine: expect.stringMatching(/^(a+|b+)$/) });
      const here = await api.send('GET', `/v1/${list}?unit=web@*&machine=${row.machine}`);
      expect(here.body[list]).toEqual([row]);
    }
  });

  test('is explained with all machines: where it is and why, and why it is not on others', async () => {
    fleet.behaviours.set('here.service', { fails: 'exited with status 1' });
    fleet.behaviours.set('stuck.service', { refusal: 'pending: 0 of 2 machines: 2 lack az=c' });
    await submit([
      { name: 'here.service', options: options(), target: 'launched' },
      { name: 'stuck.service', options: options('x', ['MachineMetadata', 'az=c']), target: 'launched' },
      { name: 'off.service', options: options('x', ['Conflicts', 'here.service']), target: 'inactive' },
    ]);
    await fleet.rest();
    const { machine } = (await fleet.registry.readUnit('here.service'))!;
    const other = machine === A ? B : A;
    const { body } = await api.send('GET', '/v1/units/here.service/why');
    expect(body).toMatchObject({
      ...{ unit: 'here.service', target: 'launched', global: false, machine, pending: null },
      reason: 'exited with status 1',
    });
    expect(body.machines.map(({ machine }: { machine: string }) => machine)).toEqual([A, B]);
    const [at, away] = [machine, other].map((id) =>
      body.machines.find((row: { machine: string }) => row.machine === id),
    );
    expect(at).toMatchObject({
      alive: true,
      placed: 'fewest units',
      refusal: null,
      state: { active: 'failed' },
    });
    expect(away).toEqual({ machine: other, alive: true, placed: null, refusal: null, state: null });

    const stuck = (await api.send('GET', '/v1/units/stuck.service/why')).body;
    const pending = 'pending: 0 of 2 machines: 2 lack az=c';
    expect(stuck).toMatchObject({ machine: null, pending, reason: pending });
    const refused = { alive: true, placed: null, refusal: 'machine lacks az=c', state: null };
    expect(stuck.machines).toEqual([A, B].map((machine) => ({ machine, ...refused })));

    const off = (await api.send('GET', '/v1/units/off.service/why')).body;
    expect(off).toMatchObject({ target: 'inactive', machine: null, pending: null });
    const refusals = off.machines.map((row: { machine: string; refusal: string | null }) => [
      row.machine,
      row.refusal,
    ]);
    expect(Object.fromEntries(refusals)).toEqual({ [machine!]: 'conflict with here.service', [other]: null });
    expect((await api.send('GET', '/v1/units/none.service/why')).status).toBe(404);
    fleet.behaviours.clear();
  });
});

describe('machines', () => {
  test('are read one by one, and get metadata key by key', async () => {
    const one = await api.send('GET', `/v1/machines/${A}`);
    expect(one.body).toMatchObject({ id: A, alive: true, metadata: { az: 'a' } });
    expect((await api.send('GET', '/v1/machines/none')).status).toBe(404);
    const patch = (body: object) => api.send('PATCH', `/v1/machines/${A}/metadata`, { body });
    expect((await patch({ disk: 'ssd', constructor: 'x' })).status).toBe(204);
    expect((await patch({ az: null })).status).toBe(204);
    expect((await api.send('GET', `/v1/machines/${A}`)).body.metadata).toEqual({
      disk: 'ssd',
      constructor: 'x',
    });
  });

  test('are not forgotten while they are there', async () => {
    expect(await api.send('DELETE', `/v1/machines/${A}`)).toMatchObject({
      status: 409,
      body: { error: { code: 'alive', kind: 'conflict' } },
    });
    expect((await api.send('DELETE', '/v1/machines/none')).status).toBe(404);
  });

  test('are cordoned, drained, and given up only when they are gone', async () => {
    for (const [verb, status] of [
      ['cordon', 204],
      ['drain', 204],
      ['uncordon', 204],
      ['evict', 409],
    ] as const)
      expect((await api.send('POST', `/v1/machines/${B}/${verb}`)).status).toBe(status);
    expect((await api.send('POST', '/v1/machines/none/cordon')).status).toBe(404);
  });
});

test('lists of machines and services tell their revision too', async () => {
  await fleet.rest();
  for (const path of ['/v1/machines', '/v1/services', '/v1/services/web']) {
    const { revision } = await fleet.registry.readAll();
    expect((await api.send('GET', path)).headers['x-convoy-revision'], path).toBe(String(revision));
  }
});

test('the other resources answer as the document says', async () => {
  await launch('a.service');
  for (const path of [
    ...['/v1/leader', '/v1/leader?unit=a.service', '/v1/rebalance', '/v1/rejoin', '/v1/machines'],
    ...['/v1/services', '/v1/services/redis', '/v1/units/a.service/log?lines=2', '/v1/openapi.json'],
  ])
    expect((await api.send('GET', path)).status, path).toBe(200);
  expect((await api.send('POST', '/v1/rejoin')).status).toBe(200);
  fleet.registry.cut();
  for (const path of ['/v1/units', '/v1/machines', '/v1/services', '/v1/events', '/v1/units/a.service/why'])
    expect(await api.send('GET', path)).toMatchObject({
      status: 503,
      body: { error: { code: 'unavailable', kind: 'transient' } },
    });
  fleet.registry.restore();
  fleet.registry.hold('another registry');
  expect(await api.send('DELETE', '/v1/units/a.service')).toMatchObject({
    status: 503,
    body: { error: { code: 'hold' } },
  });
  fleet.registry.hold(null);
});
