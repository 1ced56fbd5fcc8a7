import fc from 'fast-check';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { byUnit } from '../../../api/wire.js';
import { openEtcdRegistry } from '../../../registry/etcd-registry.js';
import type { Registry } from '../../../registry/registry.js';
import { systemClock } from '../../../runtime/clock.js';
import { silentLog } from '../../../runtime/log.js';
import { aMachine, aState, aUnit } from '../../contracts/registry-contract.js';
import { memoryOfMachine } from '../../fakes/memory-registry.js';
import { startProxy } from '../../support/proxy.js';
import { seeded } from '../../support/seed.js';
import { type TestServer, testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';

const ground = useGround('registry-kept');
const UNITS = ['a', 'b', 'c'].map((name) => `${name}.service`);

let etcd: TestServer;
beforeAll(async () => {
  etcd = await testEtcd(ground);
});

async function open(
  prefix: string,
  onBytes: (count: number) => void = () => undefined,
  { port }: Pick<TestServer, 'port'> = etcd,
): Promise<Registry> {
  const registry = await openEtcdRegistry({
    ...{ endpoints: [`http://127.0.0.1:${port}`], prefix, memory: memoryOfMachine() },
    ...{ clock: systemClock(), log: silentLog, onCall: ({ bytesIn }) => onBytes(bytesIn) },
  });
  onTestFinished(() => registry.close());
  return registry;
}

it('reads all, or all states, again and again, as one that reads for the first time does', async () => {
  const [reader, writer] = [await open('all'), await open('all')];
  const session = await writer.join(aMachine('m1'), 600_000);
  let count = 0;
  const step = fc.tuple(
    fc.constantFrom('submit', 'destroy', 'publish', 'withdraw', 'label', 'read', 'read states'),
    fc.constantFrom(...UNITS),
    fc.constantFrom('x', 'y'),
  );
  const take: Record<string, (unit: string, text: string) => Promise<unknown>> = {
    submit: (unit, text) => writer.submitUnit(unit, aUnit(text), 'launched'),
    destroy: (unit) => writer.destroyUnit(unit),
    publish: (unit) => session.publish([aState('m1', unit, `active-${++count}`)], []),
    withdraw: (unit) => session.publish([], [unit]),
    label: (unit) => writer.changeMachine('m1', { metadata: { [unit]: String(++count) } }),
    read: () => reader.readAll(),
    'read states': () => reader.readAllStates(),
  };
  const statesOf = async (registry: Registry) => {
    const { states, revision } = await registry.readAllStates();
    return { states: byUnit(states), revision };
  };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      for (const [does, unit, text] of steps) await take[does]?.(unit, text);
      const first = await open('all');
      expect(await reader.readAll()).toEqual(await first.readAll());
      expect(await statesOf(reader)).toEqual(await statesOf(first));
      await first.close();
    }),
    seeded(60),
  );
});

it('is sent what changed, and all again after a deletion or a lost connection', async () => {
  let bytes = 0;
  const proxy = await startProxy(etcd.port);
  onTestFinished(() => proxy.close());
  const counted = (count: number): void => {
    bytes += count;
  };
  const reader = await open('changes', counted, proxy);
  const writer = await open('changes');
  for (const name of Array.from({ length: 100 }, (_, i) => `u${i}.service`))
    await writer.submitUnit(name, aUnit(name), 'launched');
  async function cost(): Promise<number> {
    const before = bytes;
    await reader.readAll();
    return bytes - before;
  }
  expect(await cost()).toBeGreaterThan(10_000);
  expect(await cost()).toBeLessThan(200);
  await writer.setTargetState('u7.service', 'loaded');
  expect(await cost()).toBeLessThan(500);
  await writer.destroyUnit('u8.service');
  expect(await cost()).toBeGreaterThan(10_000);
  expect(await cost()).toBeLessThan(200);

  // As every convoyd it watches: by that it sees a connection break between two calls.
  const view = reader.openPlacementView('m1');
  await until('the view is there', () => !('reason' in view.snapshot()));
  proxy.cut();
  await until('it has noticed', async () => {
    proxy.restore();
    return reader.readMachines().catch(() => null);
  });
  expect(await cost()).toBeGreaterThan(10_000);
  await view.close();
});

it('is sent of states alone what changed of them', async () => {
  let bytes = 0;
  const reader = await open('states', (count) => {
    bytes += count;
  });
  const writer = await open('states');
  const session = await writer.join(aMachine('m1'), 600_000);
  const units = Array.from({ length: 100 }, (_, i) => `u${i}.service`);
  await session.publish(
    units.map((unit) => aState('m1', unit)),
    [],
  );
  async function cost(): Promise<number> {
    const before = bytes;
    expect((await reader.readAllStates()).states).toHaveLength(units.length);
    return bytes - before;
  }
  expect(await cost()).toBeGreaterThan(10_000);
  await writer.submitUnit('u1.service', aUnit('x'), 'launched');
  expect(await cost()).toBeLessThan(200);
  await session.publish([aState('m1', 'u7.service', 'failed')], []);
  expect(await cost()).toBeLessThan(600);
});
