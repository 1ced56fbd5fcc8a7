import { expect, it, onTestFinished } from 'vitest';
import type { EtcdCall } from '../../../registry/etcd-meter.js';
import { openEtcdRegistry } from '../../../registry/etcd-registry.js';
import { systemClock } from '../../../runtime/clock.js';
import { silentLog } from '../../../runtime/log.js';
import { aMachine, aUnit, TTL_MS } from '../../contracts/registry-contract.js';
import { memoryOfMachine } from '../../fakes/memory-registry.js';
import { startProxy } from '../../support/proxy.js';
import { testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';

const ground = useGround('registry-meter');

it('tells each call to etcd once, with its length, and each message of a watch', async () => {
  const proxy = await startProxy((await testEtcd(ground)).port);
  const calls: EtcdCall[] = [];
  const registry = await openEtcdRegistry({
    ...{ endpoints: [`http://127.0.0.1:${proxy.port}`], prefix: '/meter/', memory: memoryOfMachine() },
    ...{ clock: systemClock(), log: silentLog, onCall: (call: EtcdCall) => calls.push(call) },
  });
  onTestFinished(async () => {
    await registry.close();
    await proxy.close();
  });
  const told = async (work: () => Promise<unknown>): Promise<EtcdCall[]> => {
    calls.length = 0;
    await work();
    return [...calls];
  };

  const big = aUnit('x'.repeat(10_000));
  const wrote = await told(() => registry.submitUnit('a.service', big, 'inactive'));
  expect(wrote.at(-1)).toMatchObject({ operation: 'txn', ok: true, ms: expect.any(Number) });
  expect(wrote.at(-1)!.bytesOut).toBeGreaterThan(10_000);
  expect(wrote.at(-1)!.bytesIn).toBeLessThan(1000);

  const [read, ...more] = await told(() => registry.readAll());
  expect(more).toEqual([]);
  expect(read).toMatchObject({ operation: 'range', ok: true });
  expect(read!.bytesIn).toBeGreaterThan(10_000);

  const view = registry.openPlacementView('m1');
  const joined = await told(() => registry.join(aMachine('m1'), TTL_MS));
  expect(joined.map(({ operation }) => operation)).toContain('lease');
  await until('a renewal is told', () => calls.filter(({ operation }) => operation === 'lease').length > 1);
  await until('the watch is told', () => calls.some(({ operation }) => operation === 'watch'));
  expect(calls.filter((call) => call.operation === 'watch' && call.ms !== null)).toEqual([]);
  await view.close();

  proxy.cut();
  const failed = await told(() => registry.readAll().catch(() => undefined));
  expect(failed).toContainEqual(expect.objectContaining({ operation: 'range', ok: false, bytesIn: 0 }));
});
