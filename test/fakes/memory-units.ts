import type { UnitRecord } from '../../registry/model.js';
import { type DesiredState, MOST_WRITES, type UnitWrite, type UnitWritten } from '../../registry/registry.js';
import { conflict, permanent } from '../../runtime/errors.js';
import { hashOf } from '../../units/unit-file.js';
import type { MemoryTables } from './memory-cluster.js';

type Present = Omit<UnitRecord, 'unit' | 'name'>;

/** `reach` rejects where nothing may be written. */
export function memoryUnits(tables: MemoryTables, reach: () => Promise<void>): DesiredState {
  /** A move is spent once the unit is not any more where it was when the move was asked for. */
  function present(name: string): Present | undefined {
    const record = tables.units.get(name);
    const isSpent = record?.move?.assignment !== tables.assigned.get(name)?.created;
    return record && isSpent ? { ...record, move: null } : record;
  }

  function check(name: string, expected: number | undefined): void {
    if (expected !== undefined && (present(name)?.generation ?? 0) !== expected)
      throw conflict(`${name} was changed since it was read`, { code: 'generation' });
  }

  function existing(name: string, expected?: number): Present {
    const record = present(name);
    if (record === undefined) throw permanent(`there is no unit ${name}`, { code: 'not-found' });
    check(name, expected);
    return record;
  }

  function checkWrite({ name, unit, expected }: UnitWrite): void {
    if (unit === undefined) existing(name, expected);
    else check(name, expected);
  }

  function write({ name, unit, target }: UnitWrite, revision: number): void {
    const before = present(name);
    const hash = unit === undefined ? before!.hash : hashOf(unit);
    if (unit !== undefined) tables.contents.set(hash, { unit, revision });
    const { restarts, move } = before ?? { restarts: 0, move: null };
    tables.units.set(name, { hash, target, restarts, move, generation: revision });
  }

  async function writeUnits(writes: readonly UnitWrite[]) {
    await reach();
    if (writes.length > MOST_WRITES) throw permanent('too many units at once', { code: 'too-many' });
    const names = writes.map(({ name }) => name);
    if (new Set(names).size < names.length) throw permanent('a name is there twice', { code: 'twice' });
    for (const one of writes) checkWrite(one);
    const there = new Set(names.filter((name) => tables.units.has(name)));
    const changing = writes.filter(({ name, unit, target }) => {
      const before = present(name);
      return before?.target !== target || (unit !== undefined && before.hash !== hashOf(unit));
    });
    if (changing.length > 0)
      tables.change((revision) => {
        for (const one of changing) write(one, revision);
      });
    return names.map((name) => ({
      name,
      generation: tables.units.get(name)!.generation,
      outcome: outcomeOf(
        there.has(name),
        changing.some((one) => one.name === name),
      ),
    }));
  }

  return {
    writeUnits,
    async submitUnit(name, unit, target, expected) {
      const [written] = await writeUnits([{ name, unit, target, expected }]);
      return { generation: written!.generation, created: written!.outcome === 'created' };
    },
    async setTargetState(name, target, expected) {
      await writeUnits([{ name, target, expected }]);
    },
    async requestRestart(name, expected) {
      await reach();
      const record = existing(name, expected);
      const restarts = record.restarts + 1;
      tables.change((generation) =>
        tables.units.set(name, { ...record, restarts, target: 'launched', generation }),
      );
    },
    async requestMove(name, to, expected) {
      await reach();
      const record = existing(name, expected);
      const assignment = tables.assigned.get(name)?.created;
      if (assignment === undefined) throw permanent(`${name} is not on one machine`, { code: 'not-placed' });
      if (record.move !== null && record.move.to === to) return;
      tables.change((generation) =>
        tables.units.set(name, { ...record, move: { assignment, to }, generation }),
      );
    },
    async destroyUnit(name, expected) {
      await reach();
      if (!tables.units.has(name)) return false;
      check(name, expected);
      return tables.change(() => tables.units.delete(name));
    },
  };
}

function outcomeOf(existed: boolean, changed: boolean): UnitWritten['outcome'] {
  return existed ? (changed ? 'changed' : 'unchanged') : 'created';
}
