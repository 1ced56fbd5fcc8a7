import { openEtcdRegistry } from '../../registry/etcd-registry.js';
import type { Registry } from '../../registry/registry.js';
import { systemClock } from '../../runtime/clock.js';
import { silentLog } from '../../runtime/log.js';
import { memoryOfMachine } from '../fakes/memory-registry.js';
import { rawEtcd } from '../services/registry/raw-etcd.js';
import { type Proxy as FaultyProxy, startProxy } from '../support/proxy.js';
import { testEtcd, useGround } from '../support/services.js';
import { until } from '../support/until.js';
import { registryContract } from './registry-contract.js';

const ground = useGround('registry-contract');
const etcd = testEtcd(ground);
let count = 0;

registryContract('etcd', async () => {
  const { port, url } = await etcd;
  const root = `/test-${++count}`;
  const open: { registry: Registry; proxy: FaultyProxy }[] = [];
  return {
    async client(memory = memoryOfMachine()) {
      const proxy = await startProxy(port);
      const registry = await openEtcdRegistry({
        ...{ endpoints: [`http://127.0.0.1:${proxy.port}`], prefix: `${root}/`, memory },
        ...{ clock: systemClock(), log: silentLog },
      });
      open.push({ registry, proxy });
      return { registry, cut: () => proxy.cut(), restore: () => proxy.restore() };
    },
    async pass(what, probe) {
      let last = 0;
      await until(
        what,
        () => {
          if (performance.now() - last < 100) return false;
          last = performance.now();
          return probe();
        },
        30_000,
      );
    },
    compact: (revision) => rawEtcd(url).compact(revision),
    async close() {
      await Promise.all(open.map(({ registry }) => registry.close()));
      await Promise.all(open.map(({ proxy }) => proxy.close()));
      // A lease left behind would take its keys with it in the midst of another test, which counts revisions.
      await rawEtcd(url).removeRange(`${root}/`, `${root}0`);
    },
  };
});
