import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../runtime/clock.js';
import { useGround } from '../support/services.js';
import { openSupervisor } from '../support/supervisor.js';
import { unitManagerContract } from './unit-manager.js';

const ground = useGround('unit-manager');

unitManagerContract('the supervisor', async () => {
  const dir = mkdtempSync(join(ground.dir, 'run-'));
  mkdirSync(join(dir, 'root', 'run'), { recursive: true });
  const clock = systemClock();
  let manager = await openSupervisor(ground, dir, clock);
  return {
    manager,
    clock,
    async reopen() {
      manager = await openSupervisor(ground, dir, clock);
      return manager;
    },
    async close() {
      for (const { name } of await manager.list()) await manager.unload(name);
      await manager.close();
    },
  };
});
