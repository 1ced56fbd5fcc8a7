import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import { openSystemdHost, type SystemdHost } from '../support/systemd-host.js';
import { unitManagerContract } from './unit-manager.js';

let host: SystemdHost;
beforeAll(async () => {
  host = await openSystemdHost();
});
afterAll(() => host?.close());

unitManagerContract('systemd', async () => {
  const runDir = host.runDir();
  const clock = systemClock();
  let manager = await host.manager(runDir, clock);
  return {
    manager,
    clock,
    keepsTimes: true,
    async reopen() {
      manager = await host.manager(runDir, clock);
      return manager;
    },
    async close() {
      for (const { name } of await manager.list()) await manager.unload(name);
      await manager.close();
      await host.forgetLogs();
    },
  };
});
