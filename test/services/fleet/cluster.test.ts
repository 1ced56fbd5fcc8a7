import { afterEach, beforeAll, expect, it } from 'vitest';
import {
  activeOn,
  ctl,
  destroyAll,
  get,
  mainPid,
  readMachines,
  readStates,
  untilActive,
  untilMachines,
} from '../../support/fleet-view.js';
import { type Host, type Hosts, useHosts } from '../../support/hosts.js';
import { until } from '../../support/until.js';
import { startSubjects } from '../faults/kit.js';

/** What fleet's own functional suite showed of its cluster (tests 6 to 13), on four hosts that drain as convoyd stops. */
const TTL_MS = 3000;
const openHosts = useHosts();
let hosts: Hosts;
beforeAll(async () => {
  hosts = await openHosts({
    count: 4,
    settings: () => ({ CONVOY_TTL: `${TTL_MS / 1000}s`, CONVOY_GRACE: '1s', CONVOY_DRAIN_ON_STOP: 'yes' }),
  });
  await untilMachines(hosts.host(1), 4);
}, 120_000);
afterEach(() => destroyAll(hosts.host(1)));

const SLEEP = '[Service]\nExecStart=/bin/sleep infinity\n';
const CONFLICTS = [0, 1, 2].map((n) => `conflict.${n}.service`);
const byId = (machine: string | undefined): Host =>
  hosts.all.find(({ machineId }) => machineId === machine) as Host;

/** Three units that exclude each other, on three of the four machines. */
async function startConflicting(): Promise<ReadonlyMap<string, string>> {
  for (const unit of CONFLICTS) hosts.unit(unit, `${SLEEP}\n[X-Fleet]\nConflicts=conflict.*.service\n`);
  await ctl(hosts.host(1), 'start', ...CONFLICTS);
  const at = await untilActive(hosts.host(1), CONFLICTS);
  expect(new Set(at.values()).size).toBe(3);
  return at;
}

const pids = (at: ReadonlyMap<string, string>) =>
  Promise.all([...at].map(([unit, machine]) => mainPid(byId(machine), unit)));

/** Resolves once the unit is active on another machine than it was; answers the whole table. */
function untilMoved(asked: Host, unit: string, from: string) {
  return until(
    `${unit} has moved`,
    async () => {
      const active = await activeOn(asked);
      const machines = active.get(unit) ?? [];
      return machines.length === 1 && machines[0] !== from ? active : undefined;
    },
    30_000,
  );
}

it('convoyd stopped on one machine: its unit alone moves, to the free one (6)', async () => {
  const at = await startConflicting();
  const [unit, from] = [...at].find(([, id]) => id !== hosts.host(1).machineId) as [string, string];
  const others = new Map([...at].filter(([other]) => other !== unit));
  const before = await pids(others);
  await byId(from).ask('systemctl', 'stop', 'convoyd.service');
  const active = await untilMoved(hosts.host(1), unit, from);
  expect(new Set([...active.values()].flat()).size).toBe(3);
  expect(await pids(others)).toEqual(before);
  for (const [other, machine] of others) expect(active.get(other)).toEqual([machine]);
  await byId(from).ask('systemctl', 'start', 'convoyd.service');
  await untilMachines(hosts.host(1), 4);
}, 120_000);

it('a member that is made anew: one of three units migrates (7)', async () => {
  const at = await startConflicting();
  const [unit, from] = [...at].find(([, id]) => id !== hosts.host(1).machineId) as [string, string];
  const others = new Map([...at].filter(([other]) => other !== unit));
  const before = await pids(others);
  await byId(from).cutPower();
  await untilMoved(hosts.host(1), unit, from);
  await byId(from).boot();
  await untilMachines(hosts.host(1), 4);
  const active = await activeOn(hosts.host(1));
  for (const [other, machine] of others) expect(active.get(other)).toEqual([machine]);
  expect(await pids(others)).toEqual(before);
}, 120_000);

it('etcd away for longer than any lease: nothing stops, and all is as it was (8)', async () => {
  hosts.unit('submitted.service', SLEEP);
  hosts.unit('loaded.service', SLEEP);
  hosts.unit('launched.service', SLEEP);
  hosts.unit('global.service', `${SLEEP}\n[X-Fleet]\nGlobal=true\n`);
  await ctl(hosts.host(1), 'submit', 'submitted.service');
  await ctl(hosts.host(1), 'load', 'loaded.service');
  await ctl(hosts.host(1), 'start', 'launched.service');
  await ctl(hosts.host(1), 'start', 'global.service');
  await until(
    'all copies run',
    async () => (await activeOn(hosts.host(1))).get('global.service')?.length === 4,
  );
  const at = await untilActive(hosts.host(1), ['launched.service']);
  const all = async () => ({
    files: (await ctl(hosts.host(1), 'list-unit-files', '--no-legend')).stdout,
    states: (await readStates(hosts.host(1))).map((row) => JSON.stringify(row)).sort(),
    pids: await Promise.all([
      ...(await pids(at)),
      ...hosts.all.map((host) => mainPid(host, 'global.service')),
    ]),
  });
  const before = await all();
  await hosts.etcd.freeze();
  await new Promise((resolve) => setTimeout(resolve, TTL_MS + 7000));
  hosts.etcd.thaw();
  await untilMachines(hosts.host(1), 4);
  await until(
    'states are back',
    async () => (await readStates(hosts.host(1)).catch(() => [])).length === before.states.length,
  );
  expect(await all()).toEqual(before);
}, 120_000);

it('a machine that shuts convoyd down is gone at once, with its states; its unit is stopped cleanly (9, 12)', async () => {
  hosts.unit('hello.service', `${SLEEP}\n[X-Fleet]\nMachineMetadata=host=host4\n`);
  await ctl(hosts.host(1), 'start', 'hello.service');
  const host = hosts.host(4);
  await untilActive(hosts.host(1), ['hello.service']);
  await host.ask('systemctl', 'stop', 'convoyd.service');
  expect(await readMachines(hosts.host(1))).toHaveLength(3);
  expect((await readStates(hosts.host(1))).filter(({ machine }) => machine === host.machineId)).toEqual([]);
  const shown = await host.ask('systemctl', 'show', '-P', 'ActiveState', '-P', 'Result', 'convoyd.service');
  expect(shown.trim().split('\n').sort()).toEqual(['inactive', 'success']);
  expect((await host.exec('systemctl', 'is-active', 'hello.service')).stdout).not.toBe('active\n');
  await host.ask('systemctl', 'start', 'convoyd.service');
  await untilActive(hosts.host(1), ['hello.service']);
}, 60_000);

it('a second machine with the same id is refused by name, and works with one of its own (10)', async () => {
  const subjects = await startSubjects(hosts);
  const units = ['once.service', 'keep.service'];
  await ctl(hosts.host(1), 'move', '--to', hosts.host(4).machineId, 'once.service');
  const host = hosts.host(4);
  await host.configure({ CONVOY_MACHINE_ID: hosts.host(3).machineId });
  await until('it says why', async () =>
    (await host.log()).includes(`machine id ${hosts.host(3).machineId} is held by another machine`),
  );
  await expect(get(host, '/fleet/v1/machines')).rejects.toThrow(
    '503 {"error":{"code":503,"message":"fleet server unable to communicate with etcd"}}',
  );
  expect(await host.convoyctl('list-machines')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('is held by another machine'),
  });
  await untilMachines(hosts.host(1), 3);
  await host.configure({ CONVOY_MACHINE_ID: null });
  await untilMachines(hosts.host(1), 4);
  expect((await ctl(host, 'list-machines', '--no-legend')).stdout.trim().split('\n')).toHaveLength(4);
  await untilActive(host, units);
  subjects.expectNeverTwo();
}, 60_000);

it('a reload brings convoyd back with its present settings; the API answers throughout, no unit is touched (11)', async () => {
  hosts.unit('hello.service', `${SLEEP}\n[X-Fleet]\nMachineMetadata=host=host2\n`);
  const host = hosts.host(2);
  await ctl(host, 'start', 'hello.service');
  const before = [await mainPid(host, 'hello.service'), await host.convoydPid()];
  await host.ask('systemctl', 'reload', 'convoyd.service');
  await ctl(host, 'list-machines');
  await until('another process is convoyd', async () => ![0, before[1]].includes(await host.convoydPid()));
  await untilMachines(host, 4);
  expect(await mainPid(host, 'hello.service')).toBe(before[0]);
  expect(await host.ask('systemctl', 'is-active', 'convoyd.service')).toBe('active\n');
}, 60_000);

it('convoyd ends cleanly while etcd is away, and stops its units (13)', async () => {
  hosts.unit('hello.service', `${SLEEP}\n[X-Fleet]\nMachineMetadata=host=host4\n`);
  await ctl(hosts.host(1), 'start', 'hello.service');
  const host = hosts.host(4);
  await hosts.etcd.freeze();
  await until('convoyd has noticed', async () => /no answer in time/.test(await host.log()), 30_000);
  await host.ask('systemctl', 'stop', 'convoyd.service');
  expect((await host.ask('systemctl', 'show', '-P', 'Result', 'convoyd.service')).trim()).toBe('success');
  expect((await host.exec('systemctl', 'is-active', 'hello.service')).stdout).not.toBe('active\n');
  hosts.etcd.thaw();
  await host.ask('systemctl', 'start', 'convoyd.service');
  await untilMachines(hosts.host(1), 4);
  await untilActive(hosts.host(1), ['hello.service']);
}, 120_000);
