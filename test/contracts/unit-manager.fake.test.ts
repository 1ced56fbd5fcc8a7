import { systemClock } from '../../runtime/clock.js';
import { openMemoryUnits } from '../fakes/memory-unit-manager.js';
import { unitManagerContract } from './unit-manager.js';

unitManagerContract('in memory', async () => {
  const units = openMemoryUnits(systemClock());
  return {
    manager: units.manager(),
    reopen: async () => units.manager(),
    close: async () => units.close(),
  };
});
