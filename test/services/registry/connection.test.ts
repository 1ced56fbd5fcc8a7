import { expect, it, onTestFinished } from 'vitest';
import { openEtcdClient } from '../../../registry/etcd-client.js';
import { systemClock } from '../../../runtime/clock.js';
import { startProxy } from '../../support/proxy.js';
import { testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';

const ground = useGround('registry-connection');

it('reads, writes, leases and watches share one connection, and the next one when it breaks', async () => {
  const etcd = await testEtcd(ground);
  const proxy = await startProxy(etcd.port);
  const client = openEtcdClient([`http://127.0.0.1:${proxy.port}`], systemClock());
  const watching = new AbortController();
  onTestFinished(async () => {
    watching.abort();
    client.close();
    await proxy.close();
  });
  const useAll = async (): Promise<void> => {
    const { id } = await client.grantLease(30_000);
    const { revision } = await client.txn([], [{ put: '/convoy/key', value: 'a', lease: id }]);
    await new Promise<void>((seen, failed) => {
      const range = { key: '/convoy/key', prefix: false };
      client.watch(range, revision, () => seen(), failed, watching.signal);
    });
    await client.renewLease(id);
    expect((await client.get('/convoy/key')).entry?.value).toBe('a');
  };
  await useAll();
  expect(proxy.connections).toBe(1);
  for (const fault of [proxy.cut, proxy.blackHole]) {
    fault();
    await expect(client.get('/convoy/key', { deadlineMs: 300 })).rejects.toMatchObject({ kind: 'transient' });
    proxy.restore();
    await useAll();
    await until('the others to be closed', () => proxy.connections === 1);
  }
});
