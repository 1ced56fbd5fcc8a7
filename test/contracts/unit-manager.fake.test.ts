import { systemClock } from '../../runtime/clock.js';
import { openMemoryUnits } from '../fakes/memory-unit-manager.js';
import { unitManagerContract } from './unit-manager.js';

unitManagerContract(
  'in memory',
  async () => {
    const clock = systemClock();
    const units = openMemoryUnits(clock);
    return {
      manager: units.manager(),
      clock,
      reopen: async () => units.manager(),
      close: async () => units.close(),
    };
  },
  true,
);
