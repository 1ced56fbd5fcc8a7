import { beforeAll, expect, it } from 'vitest';
import { untilMachines } from '../../support/fleet-view.js';
import { type Hosts, useHosts } from '../../support/hosts.js';
import { type Answer, askOver } from '../../support/unix-get.js';
import { until } from '../../support/until.js';

/** What fleet's own functional suite showed of its API (tests 39 to 43), on machines. */
const openHosts = useHosts();
let hosts: Hosts;
beforeAll(async () => {
  hosts = await openHosts({ count: 3 });
  await untilMachines(hosts.host(1), 3);
}, 120_000);

const JSON_TYPE = { 'content-type': 'application/json' };

function ask(index: number, method: string, query = '', body?: unknown): Promise<Answer> {
  return askOver(hosts.host(index).endpoint.replace('unix://', ''), `/fleet/v1/machines${query}`, {
    method,
    ...(body === undefined ? {} : { headers: JSON_TYPE, body: JSON.stringify(body) }),
  });
}

async function metadata(index = 1): Promise<Record<string, unknown>> {
  const { machines } = JSON.parse((await ask(index, 'GET')).body) as {
    machines: { id: string; metadata?: unknown }[];
  };
  return Object.fromEntries(machines.map((machine) => [machine.id, machine.metadata]));
}

it('lists the machines as JSON (39)', async () => {
  const answer = await ask(1, 'GET');
  expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } });
  expect(Object.keys(await metadata())).toEqual(hosts.all.map(({ machineId }) => machineId).sort());
});

it('refuses a page token it did not give (40)', async () => {
  const answer = await ask(1, 'GET', '?nextPageToken=EwBMLg==');
  expect(answer).toMatchObject({ status: 400, headers: { 'content-type': 'application/json' } });
  expect(JSON.parse(answer.body)).toEqual({ error: { code: 400, message: 'token limit must be 100' } });
});

it('adds and replaces metadata, which units are then placed by (41)', async () => {
  const id = hosts.host(2).machineId;
  const path = (key: string): string => `/${id}/metadata/${key}`;
  const patched = await ask(1, 'PATCH', '', [
    { op: 'add', path: path('foo'), value: 'bar' },
    { op: 'replace', path: path('host'), value: { value: 'renamed' } },
  ]);
  expect(patched).toMatchObject({ status: 204, body: '' });
  for (const index of [1, 3]) expect((await metadata(index))[id]).toEqual({ foo: 'bar', host: 'renamed' });

  hosts.unit(
    'wants.service',
    '[Service]\nExecStart=/bin/sleep infinity\n\n[X-Fleet]\nMachineMetadata=foo=bar\n',
  );
  const started = await hosts.host(3).convoyctl('start', 'wants.service');
  expect(started.stdout).toContain(`Unit wants.service launched on ${id.slice(0, 8)}.../${hosts.host(2).ip}`);

  await hosts.host(2).ask('systemctl', 'restart', 'convoyd.service');
  await until('it is back', async () => Object.keys(await metadata()).length === 3);
  expect((await metadata())[id]).toEqual({ foo: 'bar', host: 'renamed' });
  await hosts.host(1).convoyctl('destroy', 'wants.service');
}, 60_000);

it('removes metadata, also what was not there (42)', async () => {
  const { machineId: id, name } = hosts.host(3);
  const before = await metadata();
  const gone = [{ op: 'remove', path: `/${id}/metadata/nothing` }];
  expect(await ask(1, 'PATCH', '', gone)).toMatchObject({ status: 204 });
  expect(await metadata()).toEqual(before);
  expect(before[id]).toEqual({ host: name });
  expect(await ask(1, 'PATCH', '', [{ op: 'remove', path: `/${id}/metadata/host` }])).toMatchObject({
    status: 204,
  });
  expect((await metadata())[id]).toBeUndefined();
});

it.each([
  [
    'a wrong operation',
    { op: 'noop', path: '/ID/metadata/foo', value: 'bar' },
    'invalid op: expect add, remove, or replace',
  ],
  ['a wrong path', { op: 'add', path: '/foo', value: 'bar' }, 'machine metadata path invalid'],
  ['no value', { op: 'add', path: '/ID/metadata/foo' }, 'invalid value: add and replace require a value'],
])('refuses %s, with nothing changed (43)', async (_what, patch, message) => {
  const before = await metadata();
  const id = hosts.host(1).machineId;
  const good = { op: 'add', path: `/${id}/metadata/good`, value: 'yes' };
  const bad = { ...patch, path: patch.path.replace('ID', id) };
  const answer = await ask(1, 'PATCH', '', [good, bad]);
  expect({ status: answer.status, body: JSON.parse(answer.body) }).toEqual({
    status: 400,
    body: { error: { code: 400, message } },
  });
  expect(await metadata()).toEqual(before);
});
