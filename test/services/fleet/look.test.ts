import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiClient, openClient } from '../../../cli/client.js';
import { createFleetLook, type FleetLook } from '../../../cli/dashboard/fleet-look.js';
import type { Fleet } from '../../../cli/dashboard/snapshot.js';
import { systemClock } from '../../../runtime/clock.js';
import { type TestMachine, testMachine, writeUnit } from '../../support/fleet.js';
import { untilMachines } from '../../support/fleet-view.js';
import { type TestServer, testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';

/** The dashboard's look at a cluster of real convoyds, beside what their API lists at the same moment. */

const ground = useGround('look');
const NEVER = new AbortController().signal;
let etcd: TestServer;
let a: TestMachine;
let b: TestMachine;
let api: ApiClient;
let look: FleetLook;

beforeAll(async () => {
  etcd = await testEtcd(ground);
  a = await testMachine(ground, 'a', etcd.url);
  await untilMachines(a, 1);
  b = await testMachine(ground, 'b', etcd.url);
  await untilMachines(a, 2);
  // Not the leader: what that says is passed on.
  api = openClient(b.endpoint);
  look = createFleetLook({ api, clock: systemClock() });
});
afterAll(async () => {
  await look.close();
  api.close();
});

const see = (conditions: readonly string[] = []): Promise<Fleet> => look.look({ conditions }, NEVER);

/** Awaits that what is followed is what a fresh list says, while `isSo`. */
async function untilFresh(isSo: (fleet: Fleet) => boolean): Promise<Fleet> {
  let [seen, listed]: unknown[] = [];
  return until(
    'what is followed is what is listed',
    async () => {
      const [{ units }, machines, leader] = await Promise.all([
        api.unitReportsAt(),
        api.machineReports(),
        api.leader(),
      ]);
      const fleet = await see();
      listed = JSON.stringify({ units, machines, leader });
      seen = JSON.stringify({ units: fleet.units, machines: fleet.machines, leader: fleet.leader });
      return seen === listed && isSo(fleet) && fleet;
    },
    30_000,
  ).catch((error: unknown) => {
    expect(JSON.parse(String(seen))).toEqual(JSON.parse(String(listed)));
    throw error;
  });
}
const named = (fleet: Fleet, name: string) => fleet.units.find(({ record }) => record.name === name);
const ran = async (machine: TestMachine, ...args: string[]): Promise<void> => {
  expect(await machine.ctl(...args)).toMatchObject({ code: 0 });
};

test('units, machines and leader are those of a fresh list through all that happens to a unit', async () => {
  const first = await untilFresh(({ machines }) => machines.length === 2);
  expect(first).toMatchObject({ leader: { machine: a.id, hold: null }, hold: null, units: [] });
  expect(first.leader.term).toBeGreaterThan(0);

  writeUnit(a, 'web.service', '[Service]\nExecStart=/bin/sleep 1000\n');
  writeUnit(a, 'every.service', '[Service]\nExecStart=/bin/sleep 1000\n[X-Fleet]\nGlobal=true\n');
  writeUnit(a, 'lost.service', '[Service]\nExecStart=/bin/sleep 1000\n[X-Fleet]\nMachineMetadata=az=c\n');
  await ran(a, 'start', '--no-block', 'web.service', 'every.service', 'lost.service');
  const started = await untilFresh(
    (fleet) =>
      named(fleet, 'web.service')?.states[0]?.active === 'active' &&
      named(fleet, 'every.service')?.states.length === 2 &&
      (named(fleet, 'lost.service')?.pending ?? '') !== '',
  );
  expect(named(started, 'lost.service')).toMatchObject({
    machine: null,
    pending: expect.stringContaining('az=c'),
  });
  expect(named(started, 'every.service')?.record).toMatchObject({ global: true });

  const at = named(started, 'web.service')?.machine;
  const to = at === a.id ? b.id : a.id;
  await ran(a, 'move', 'web.service', '--to', to);
  await untilFresh((fleet) => named(fleet, 'web.service')?.machine === to);

  await ran(a, 'cordon', b.id);
  writeUnit(a, 'web.service', '[Service]\nExecStart=/bin/sleep 2000\n');
  await ran(a, 'start', '--replace', 'web.service');
  await untilFresh(
    ({ machines, ...fleet }) =>
      machines.some(({ cordoned }) => cordoned) &&
      named({ ...fleet, machines }, 'web.service')?.record.options[0]?.value === '/bin/sleep 2000',
  );
  await ran(a, 'uncordon', b.id);
  await ran(a, 'stop', 'web.service');
  await untilFresh((fleet) => named(fleet, 'web.service')?.states[0]?.active === 'inactive');
  await ran(a, 'destroy', 'web.service', 'lost.service');
  const last = await untilFresh(
    ({ units }) => units.length === 1 && units.every(({ pending }) => pending === null),
  );
  const kinds = new Set(last.events.map(({ event }) => event.kind));
  expect([...kinds].sort()).toEqual(['known', 'placement', 'state', 'unit']);
});

test('the condition of each machine comes from itself, also through another', async () => {
  const { conditions } = await until('both conditions', async () => {
    const fleet = await see([a.id, b.id]);
    return fleet.conditions.size === 2 && fleet;
  });
  for (const { id } of [a, b]) {
    const { machine, cpus, memory, hold } = conditions.get(id) ?? {};
    expect({ machine, hold }).toEqual({ machine: id, hold: null });
    expect(cpus).toBeGreaterThan(0);
    expect(memory?.available).toBeLessThan(memory?.total ?? 0);
  }
});

test('another leader has a greater term, and its machine is shown to be gone', async () => {
  const before = (await see()).leader;
  await a.end('SIGKILL');
  const { leader } = await untilFresh(
    (fleet) => fleet.leader.machine === b.id && fleet.machines.some(({ alive }) => !alive),
  );
  expect(leader.term).toBeGreaterThan(before.term ?? Number.POSITIVE_INFINITY);
  await a.startAgain();
  await untilFresh(({ machines }) => machines.every(({ alive }) => alive));
});

/** What is in the way of the look, once something is. */
const trouble = (): Promise<unknown> =>
  until(
    'trouble',
    () =>
      see().then(
        () => null,
        (error: unknown) => error,
      ),
    30_000,
  );
const settled = (): Promise<unknown> => until('it is back', () => see().catch(() => null), 30_000);

test('etcd and convoyd may go away and come back: what is in the way is said, then all is as listed', async () => {
  await etcd.kill();
  expect(await trouble()).toMatchObject({ kind: 'transient', message: expect.stringContaining('etcd') });
  await etcd.restart();
  await settled();
  await b.end('SIGKILL');
  expect(await trouble()).toMatchObject({ kind: 'transient', code: 'unreachable' });
  await b.startAgain();
  await settled();
  await untilFresh(({ machines, leader }) => leader.machine !== null && machines.every(({ alive }) => alive));
});

test('of a registry that is another one nothing is shown but that convoyd holds, until it is accepted', async () => {
  await etcd.kill();
  await testEtcd(ground, { port: etcd.port, name: 'another' });
  const held = await until('the hold', async () => {
    const error = await trouble();
    return (error as { code?: string }).code === 'hold' && error;
  });
  expect(held).toMatchObject({ message: expect.stringContaining('was etcd emptied') });
  await api.accept();
  await settled();
  expect(await untilFresh(({ machines }) => machines.length > 0)).toMatchObject({ units: [], hold: null });
});
