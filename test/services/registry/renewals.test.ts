import { expect, it, onTestFinished } from 'vitest';
import { openEtcdClient } from '../../../registry/etcd-client.js';
import type { EtcdCall } from '../../../registry/etcd-meter.js';
import { systemClock } from '../../../runtime/clock.js';
import { startProxy } from '../../support/proxy.js';
import { testEtcd, useGround } from '../../support/services.js';

const ground = useGround('registry-renewals');
const TTL_MS = 30_000;

/** How many streams of renewals etcd was asked for so far. */
async function streamsOf(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = /^grpc_server_started_total\{grpc_method="LeaseKeepAlive",[^}]*\} (\d+)$/m.exec(text);
  return Number(found?.[1]);
}

it('leases are renewed over one stream, and over the next when it breaks, answers late, or etcd starts again', async () => {
  const etcd = await testEtcd(ground);
  const proxy = await startProxy(etcd.port);
  const calls: EtcdCall[] = [];
  const client = openEtcdClient([`http://127.0.0.1:${proxy.port}`], systemClock(), {
    onCall: (call) => calls.push(call),
  });
  onTestFinished(async () => {
    client.close();
    await proxy.close();
  });
  const [machine, leader] = await Promise.all([client.grantLease(TTL_MS), client.grantLease(60_000)]);
  const renewBoth = async (): Promise<number[]> =>
    (await Promise.all([client.renewLease(machine.id), client.renewLease(leader.id)])).map(
      ({ ttlMs }) => ttlMs,
    );
  const told = (): readonly boolean[] =>
    calls.filter(({ operation }) => operation === 'lease').map(({ ok }) => ok);

  for (let round = 0; round < 3; round += 1) expect(await renewBoth()).toEqual([TTL_MS, 60_000]);
  expect(await streamsOf(etcd.url)).toBe(1);
  expect(told()).toEqual(Array(8).fill(true));

  calls.length = 0;
  const cutOff = client.renewLease(machine.id);
  proxy.cut();
  await expect(cutOff).rejects.toMatchObject({ kind: 'transient' });
  expect(told()).toEqual([false]);
  proxy.restore();
  expect(await renewBoth()).toEqual([TTL_MS, 60_000]);
  expect(await streamsOf(etcd.url)).toBe(2);

  proxy.delay(400);
  await expect(client.renewLease(machine.id, { deadlineMs: 200 })).rejects.toMatchObject({
    ...{ kind: 'transient', code: 'deadline' },
    message: expect.stringContaining(`etcd at http://127.0.0.1:${proxy.port}: renewing a lease`),
  });
  proxy.delay(0);
  expect(await renewBoth()).toEqual([TTL_MS, 60_000]);

  proxy.blackHole();
  await expect(client.renewLease(machine.id, { deadlineMs: 200 })).rejects.toMatchObject({
    code: 'deadline',
  });
  proxy.restore();
  expect(await renewBoth()).toEqual([TTL_MS, 60_000]);

  await etcd.kill();
  await expect(client.renewLease(machine.id)).rejects.toMatchObject({ kind: 'transient' });
  await etcd.restart();
  expect(await renewBoth()).toEqual([TTL_MS, 60_000]);

  await client.revokeLease(machine.id);
  expect(await renewBoth()).toEqual([0, 60_000]);
});
