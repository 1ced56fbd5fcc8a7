import { openMemoryCluster } from '../fakes/memory-registry.js';
import { manualClock } from '../support/clock.js';
import { registryContract } from './registry-contract.js';

registryContract('in memory', async () => {
  const clock = manualClock();
  const cluster = openMemoryCluster(clock);
  return {
    async client(memory) {
      const registry = cluster.client(memory);
      return { registry, cut: () => registry.cut(), restore: () => registry.restore() };
    },
    async pass(what, probe) {
      for (let waited = 0; waited < 60_000; waited += 100) {
        if (await probe()) return;
        await clock.advance(100);
        await new Promise((resolve) => setImmediate(resolve));
      }
      throw new Error(`in vain: ${what}`);
    },
    async compact() {
      cluster.compact();
    },
    async close() {
      cluster.close();
    },
  };
});
