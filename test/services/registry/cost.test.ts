import { expect, it, onTestFinished } from 'vitest';
import { openEtcdRegistry } from '../../../registry/etcd-registry.js';
import { MOST_WRITES } from '../../../registry/registry.js';
import { systemClock } from '../../../runtime/clock.js';
import { silentLog } from '../../../runtime/log.js';
import { aMachine, aState, aUnit } from '../../contracts/registry-contract.js';
import { memoryOfMachine } from '../../fakes/memory-registry.js';
import { testEtcd, useGround } from '../../support/services.js';

const ground = useGround('registry-cost');

it('asks etcd no more often than each call needs, with 300 units on 3 machines', async () => {
  const { url } = await testEtcd(ground);
  const asked: string[] = [];
  const registry = await openEtcdRegistry({
    ...{ endpoints: [url], prefix: '/cost/', memory: memoryOfMachine() },
    ...{ clock: systemClock(), log: silentLog, onCall: ({ operation }) => asked.push(operation) },
  });
  onTestFinished(() => registry.close());
  const names = Array.from({ length: 300 }, (_, i) => `u${i}.service`);
  for (let start = 0; start < names.length; start += MOST_WRITES)
    await registry.writeUnits(
      names.slice(start, start + MOST_WRITES).map((name) => ({ name, unit: aUnit(), target: 'launched' })),
    );
  // Their leases live as long as the test; renewals begin after a third of that.
  for (const id of ['m1', 'm2', 'm3']) {
    const machine = await openEtcdRegistry({
      ...{ endpoints: [url], prefix: '/cost/', memory: memoryOfMachine() },
      ...{ clock: systemClock(), log: silentLog },
    });
    onTestFinished(() => machine.close());
    const session = await machine.join(aMachine(id), 120_000);
    await session.publish([aState(id, 'u0.service')], []);
  }

  async function cost(call: () => Promise<unknown>): Promise<string> {
    asked.length = 0;
    await call();
    return asked.join(' ');
  }
  const generation = (await registry.readUnit('u0.service'))!.record.generation;
  expect({
    'a list of all': await cost(() => registry.readAll()),
    'a unit with its states': await cost(() => registry.readUnit('u0.service')),
    'a unit that is not there': await cost(() => registry.readUnit('new.service')),
    'a new unit': await cost(() => registry.submitUnit('new.service', aUnit('new'), 'launched', 0)),
    'another content': await cost(() =>
      registry.submitUnit('u0.service', aUnit('x'), 'launched', generation),
    ),
    'another target': await cost(() => registry.setTargetState('u0.service', 'loaded')),
    'the same target': await cost(() => registry.setTargetState('u0.service', 'loaded')),
    machines: await cost(() => registry.readMachines()),
    'states of a unit': await cost(() => registry.readStates('u0.service')),
    'states of all': await cost(() => registry.readAllStates()),
  }).toEqual({
    'a list of all': 'range',
    'a unit with its states': 'txn txn',
    'a unit that is not there': 'txn',
    'a new unit': 'txn',
    'another content': 'txn txn',
    'another target': 'txn txn',
    'the same target': 'txn',
    machines: 'txn',
    'states of a unit': 'range txn',
    'states of all': 'range',
  });
});
