import { type DesiredMachines, MOST_WRITES } from '../../registry/registry.js';
import { conflict, permanent } from '../../runtime/errors.js';
import type { MemoryTables } from './memory-cluster.js';

/** `reach` rejects where nothing may be written. */
export function memoryMachines(tables: MemoryTables, reach: () => Promise<void>): DesiredMachines {
  function checkGone(id: string): void {
    if (tables.machines.has(id)) throw conflict(`machine ${id} is there`, { code: 'alive' });
  }

  return {
    async changeMachine(id, change) {
      await reach();
      tables.changeKnown(id, change);
    },
    async patchMetadata(patches) {
      await reach();
      if (new Set(patches.map(({ machine }) => machine)).size > MOST_WRITES)
        throw permanent('too many machines at once', { code: 'too-many' });
      const isSet = (one: (typeof patches)[number]): boolean =>
        (tables.known.get(one.machine)?.metadata ?? tables.unjoined.get(one.machine))?.[one.key] ===
        one.value;
      if (patches.every(isSet)) return;
      tables.change(() => {
        for (const { machine, key, value } of patches) {
          const known = tables.known.get(machine);
          if (known === undefined)
            tables.unjoined.set(machine, { ...tables.unjoined.get(machine), [key]: value });
          else tables.known.set(machine, { ...known, metadata: { ...known.metadata, [key]: value } });
        }
      });
    },
    async forgetMachine(id) {
      await reach();
      checkGone(id);
      if (!tables.known.has(id) && !tables.unjoined.has(id))
        throw permanent(`machine ${id} never joined`, { code: 'not-found' });
      if ((tables.placements.get(id)?.size ?? 0) > 0)
        throw conflict(`units are still placed on machine ${id}`, { code: 'in-use' });
      tables.change(() => {
        tables.known.delete(id);
        tables.unjoined.delete(id);
      });
    },
    async evictMachine(id) {
      await reach();
      checkGone(id);
      tables.changeKnown(id, { away: tables.known.get(id)?.away ?? 'evicted' });
    },
  };
}
