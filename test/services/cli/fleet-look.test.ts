import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ApiClient, openClient } from '../../../cli/client.js';
import { createFleetLook, type FleetLook } from '../../../cli/dashboard/fleet-look.js';
import type { Fleet } from '../../../cli/dashboard/snapshot.js';
import { type Clock, systemClock } from '../../../runtime/clock.js';
import { ConvoyError, conflict, transient } from '../../../runtime/errors.js';
import { type FakeFleet, FOR_PEERS, startFakeFleet } from '../../support/fake-fleet.js';
import { startProxy } from '../../support/proxy.js';
import { until } from '../../support/until.js';

/** The dashboard's look at a cluster that is served as convoyd serves it. */

const [A, B] = ['a', 'b'].map((id) => id.repeat(32)) as [string, string];
const GONE = 'c'.repeat(32);
const unit = (text: string) => ({
  options: [{ section: 'Service', name: 'ExecStart', value: `/bin/sleep ${text}` }],
});
const GLOBAL = {
  options: [...unit('9').options, { section: 'X-Fleet', name: 'Global', value: 'true' }],
};

let fleet: FakeFleet;
let toClose: (() => unknown)[] = [];
beforeAll(async () => {
  fleet = await startFakeFleet([A, B].map((id) => ({ id, ip: '10.0.0.1', metadata: { id } })));
});
afterAll(() => fleet.stop());
beforeEach(() => async () => {
  for (const close of toClose.reverse()) await close();
  toClose = [];
  for (const name of (await fleet.registry.readAll()).units.keys()) await fleet.registry.destroyUnit(name);
});

const NEVER = new AbortController().signal;

/** A look, and how often the API was asked for what. */
function looking({
  endpoint = `unix://${fleet.socket}`,
  clock = systemClock(),
  change = (api: ApiClient): Partial<ApiClient> => ({ hold: api.hold }),
}: {
  endpoint?: string;
  clock?: Clock;
  change?: (api: ApiClient) => Partial<ApiClient>;
} = {}) {
  const client = openClient(endpoint);
  toClose.push(() => client.close());
  const asked = { unitReportsAt: 0, unitAt: 0, machineCondition: 0, listening: 0 };
  const api: ApiClient = {
    ...client,
    async *events(request, signal) {
      asked.listening += 1;
      try {
        yield* client.events(request, signal);
      } finally {
        asked.listening -= 1;
      }
    },
    ...change(client),
  };
  const counting = <T>(what: keyof typeof asked, answer: T): T => {
    asked[what] += 1;
    return answer;
  };
  const counted = {
    ...api,
    unitReportsAt: () => counting('unitReportsAt', api.unitReportsAt()),
    unitAt: (name: string) => counting('unitAt', api.unitAt(name)),
    machineCondition: (id: string) => counting('machineCondition', api.machineCondition(id)),
  };
  const look = createFleetLook({ api: counted, clock });
  toClose.push(() => look.close());
  return { look, asked, see: (conditions: readonly string[] = []) => look.look({ conditions }, NEVER) };
}

/** The same read anew. */
async function fresh(): Promise<Partial<Fleet>> {
  const api = openClient(`unix://${fleet.socket}`);
  try {
    const [{ units }, machines, leader] = await Promise.all([
      api.unitReportsAt(),
      api.machineReports(),
      api.leader(),
    ]);
    return { units, machines, leader };
  } finally {
    api.close();
  }
}
const shown = ({ units, machines, leader }: Partial<Fleet>) => ({ units, machines, leader });
async function untilFresh(look: { see(): Promise<Fleet> }): Promise<Fleet> {
  await fleet.rest();
  const now = await fresh();
  const same = (one: Fleet): boolean => JSON.stringify(shown(one)) === JSON.stringify(now);
  const seen = await until('what is followed is what is there', async () => {
    const one = await look.see();
    return same(one) && one;
  }).catch(() => look.see());
  expect(shown(seen)).toEqual(now);
  return seen;
}

describe('what is followed', () => {
  test('is listed once; of what changes only a text that is new is read', async () => {
    await fleet.registry.submitUnit('web@1.service', unit('1'), 'launched');
    await fleet.rest();
    const { look, asked, see } = looking();
    const first = await untilFresh({ see });
    expect(first).toMatchObject({
      units: [
        { record: { name: 'web@1.service', options: unit('1').options }, states: [{ active: 'active' }] },
      ],
      machines: [
        { id: A, leader: true, metadata: { id: A } },
        { id: B, leader: false },
      ],
      leader: { machine: A, term: fleet.leader.fence },
      hold: null,
    });
    expect(asked).toMatchObject({ unitReportsAt: 1, unitAt: 0 });

    await fleet.registry.setTargetState('web@1.service', 'loaded');
    await untilFresh({ see });
    await fleet.registry.setTargetState('web@1.service', 'inactive');
    await fleet.registry.changeMachine(B, { cordoned: true, metadata: { rack: '7' } });
    const moved = await untilFresh({ see });
    expect(moved.machines[1]).toMatchObject({ cordoned: true, metadata: { rack: '7', id: B } });
    expect(asked).toMatchObject({ unitReportsAt: 1, unitAt: 0 });

    await fleet.registry.submitUnit('web@1.service', unit('2'), 'launched');
    await fleet.registry.submitUnit('every.service', GLOBAL, 'launched');
    const both = await untilFresh({ see });
    expect(both.units).toMatchObject([
      { record: { name: 'every.service', global: true }, machine: null, states: [{}, {}] },
      { record: { options: unit('2').options } },
    ]);
    await fleet.registry.destroyUnit('every.service');
    await untilFresh({ see });
    expect(asked.unitReportsAt).toBe(1);
    expect(asked.unitAt).toBeGreaterThanOrEqual(2);
    expect(asked.unitAt).toBeLessThan(8);
    const { events } = await see();
    expect(events[0]?.at).toBeLessThanOrEqual(Date.now());
    expect(events.map(({ event }) => event.kind)).toEqual(
      expect.arrayContaining(['unit', 'placement', 'state', 'known']),
    );
    const revisions = events.map(({ event }) => event.revision);
    expect(revisions).toEqual([...revisions].sort((a, b) => b - a));
    await fleet.registry.changeMachine(B, { cordoned: false, metadata: {} });
    await look.close();
  });

  test('many new units are read in one list', async () => {
    const { asked, see } = looking();
    await see();
    await fleet.registry.writeUnits(
      Array.from({ length: 40 }, (_, at) => ({
        ...{ name: `many@${at}.service`, unit: unit(String(at)), target: 'inactive' as const },
      })),
    );
    await untilFresh({ see });
    expect(asked).toMatchObject({ unitReportsAt: 2, unitAt: 0 });
  });

  test('units wait for the reason the leader gives, from when it gives it', async () => {
    const { see } = looking();
    await fleet.registry.submitUnit('lost.service', unit('1'), 'launched');
    const refusal = 'pending: 0 of 2 machines: 2 lack az=c';
    fleet.behaviours.set('lost.service', { refusal });
    await fleet.registry.submitUnit('later.service', unit('1'), 'launched');
    fleet.behaviours.set('later.service', { refusal: 'pending: not yet' });
    await fleet.registry.destroyUnit('lost.service');
    await fleet.registry.submitUnit('lost.service', unit('1'), 'launched');
    await until('the reason', async () =>
      (await see()).units.some(
        ({ record, pending }) => record.name === 'lost.service' && pending === refusal,
      ),
    );
    fleet.behaviours.clear();
    await fleet.registry.setTargetState('later.service', 'loaded');
    const { units } = await untilFresh({ see });
    expect(units.map(({ pending }) => pending)).toEqual([null, null]);
  });
});

describe('conditions', () => {
  test('are those of the machines that are wanted and there, from the machines themselves', async () => {
    const localCondition = () => ({
      ...{ cpus: 3, load: { oneMinute: 2.5, fiveMinutes: 1, quarterHour: 0 }, up: 7 },
      memory: { total: 8e9, available: 1e9 },
    });
    const onB = await fleet.serve({
      ...{ machineId: B, localCondition, hold: () => 'etcd was replaced', peerListen: FOR_PEERS },
    });
    toClose.push(() => onB.stop());
    const { registry } = fleet;
    const onA = await fleet.serve({
      tcp: [{ host: '127.0.0.1', port: 0, role: 'read' }],
      registry: {
        ...registry,
        async readMachines(signal) {
          const read = await registry.readMachines(signal);
          const machines = read.machines.map((one) =>
            one.id === B ? { ...one, apiAddress: onB.peerAddress } : one,
          );
          return { ...read, machines };
        },
      },
    });
    toClose.push(() => onA.stop());
    const session = await registry.join(
      { id: GONE, ip: '10.0.0.3', metadata: {}, apiAddress: '', version: 'test', bootId: '1' },
      60_000,
    );
    await session.leave();
    toClose.push(() => registry.forgetMachine(GONE));
    const { asked, see } = looking({ endpoint: onA.addresses[0] ?? '' });
    expect((await see()).conditions).toEqual(new Map());
    const wanted = [A, B, GONE];
    const { conditions } = await until('both', async () => {
      const one = await see(wanted);
      return one.conditions.size === 2 && one;
    });
    expect(conditions.get(B)).toEqual({ machine: B, ...localCondition(), hold: 'etcd was replaced' });
    expect(conditions.get(A)).toMatchObject({ machine: A, hold: null });
    for (let again = 0; again < 20; again++) await see(wanted);
    expect(asked.machineCondition).toBe(2);
  });
});

describe('trouble', () => {
  test('a convoyd that is away is named; when it is back, all that has changed is there', async () => {
    const path = join(fleet.dir, 'restarted.sock');
    const serve = () => fleet.serve({ sockets: [{ path, role: 'admin' }] });
    let api = await serve();
    const { asked, see } = looking({ endpoint: `unix://${path}` });
    await fleet.registry.submitUnit('before.service', unit('1'), 'launched');
    await untilFresh({ see });
    await api.stop();
    const words = await until('the trouble', async () =>
      see().then(
        () => null,
        (error: unknown) => error instanceof ConvoyError && /is it running\?/.test(error.message) && error,
      ),
    );
    expect(words).toMatchObject({ kind: 'transient', message: expect.stringContaining(path) });
    await fleet.registry.destroyUnit('before.service');
    await fleet.registry.submitUnit('after.service', unit('1'), 'launched');
    api = await serve();
    toClose.push(() => api.stop());
    await until('it is back', () =>
      see().then(
        () => true,
        () => false,
      ),
    );
    const { units } = await untilFresh({ see });
    expect(units.map(({ record }) => record.name)).toEqual(['after.service']);
    expect(asked.unitReportsAt).toBe(2);
  });

  test('so is a registry that is away', async () => {
    const { registry } = fleet;
    let away = false;
    const api = await fleet.serve({
      tcp: [{ host: '127.0.0.1', port: 0, role: 'read' }],
      registry: {
        ...registry,
        readMachines: (signal) =>
          away ? Promise.reject(transient('etcd at h does not answer')) : registry.readMachines(signal),
      },
    });
    toClose.push(() => api.stop());
    const { see } = looking({ endpoint: api.addresses[0] ?? '' });
    await see();
    away = true;
    await expect(
      until('the trouble', () =>
        see().then(
          () => false,
          (error: unknown) => Promise.reject(error),
        ),
      ),
    ).rejects.toMatchObject({ kind: 'transient', message: 'etcd at h does not answer' });
    away = false;
    await until('it is back', () =>
      see().then(
        () => true,
        () => false,
      ),
    );
  });

  test('events that were lost are no trouble: all is listed again', async () => {
    let lose = (): void => undefined;
    const { asked, see } = looking({
      change: (api) => ({
        async *events(request, signal) {
          const lost = new Promise<never>((_, reject) => {
            lose = () => reject(conflict('more than 5000 events wait to be read', { code: 'lagging' }));
          });
          const reader = api.events(request, signal)[Symbol.asyncIterator]();
          for (;;) {
            const next = await Promise.race([reader.next(), lost]);
            if (next.done === true) return;
            yield next.value;
          }
        },
      }),
    });
    await see();
    lose();
    await fleet.registry.submitUnit('meanwhile.service', unit('1'), 'launched');
    // Every look on the way there answers.
    await until('it is listed', async () => (await see()).units.length === 1);
    await untilFresh({ see });
    expect(asked.unitReportsAt).toBe(2);
  });

  test('what nobody has confirmed for seconds is not told: the look waits, and can be given up', async () => {
    const proxy = await startProxy(fleet.socket, join(fleet.dir, 'slow.sock'));
    toClose.push(() => proxy.close());
    const system = systemClock();
    let ahead = 0;
    const clock = { ...system, steady: () => system.steady() + ahead };
    const { look, see } = looking({ endpoint: `unix://${join(fleet.dir, 'slow.sock')}`, clock });
    await see();
    proxy.blackHole();
    ahead = 6_000;
    const over = new AbortController();
    const waiting = look.look({ conditions: [] }, over.signal).then(
      () => 'answered',
      (error: unknown) => (error as ConvoyError).kind,
    );
    const other = see();
    over.abort();
    expect(await waiting).toBe('aborted');
    proxy.restore();
    await other.catch(() => until('it is back', () => see().catch(() => null)));
  });
});

describe('closing', () => {
  test('ends what listens, also while nothing answers, and every look', async () => {
    const path = join(fleet.dir, 'hole.sock');
    const proxy = await startProxy(fleet.socket, path);
    toClose.push(() => proxy.close());
    const { look, asked, see } = looking({ endpoint: `unix://${path}` });
    await see();
    expect(asked.listening).toBe(1);
    proxy.blackHole();
    await fleet.registry.changeMachine(B, { cordoned: false });
    const looks = closedLook(look);
    await look.close();
    expect(asked.listening).toBe(0);
    expect(await looks).toBe('aborted');
    await look.close();
  });

  test('before anything was answered', async () => {
    const path = join(fleet.dir, 'hole-at-once.sock');
    const proxy = await startProxy(fleet.socket, path);
    toClose.push(() => proxy.close());
    proxy.blackHole();
    const { look, see } = looking({ endpoint: `unix://${path}` });
    const first = see().catch((error: unknown) => (error as ConvoyError).kind);
    await look.close();
    expect(await first).toBe('aborted');
  });
});

/** The kind of what looks reject with, once one does. */
function closedLook(look: FleetLook): Promise<unknown> {
  return until('it is closed', () =>
    look.look({ conditions: [] }, NEVER).then(
      () => null,
      (error: unknown) => (error as ConvoyError).kind,
    ),
  );
}
