import { type ConvoyError, conflict, permanent } from '../runtime/errors.js';
import type { TargetState } from '../units/state.js';
import { hashOf, type UnitFile } from '../units/unit-file.js';
import { decodeUnit, encodeContent, encodeUnit } from './codec.js';
import type { Compare, Entry, Operation } from './etcd-calls.js';
import type { EtcdContext } from './etcd-session.js';
import type { UnitRecord } from './model.js';
import type { DesiredState } from './registry.js';

type Wish = Pick<UnitRecord, 'hash' | 'target' | 'restarts' | 'move'>;
type Present = Omit<UnitRecord, 'unit'> | undefined;

/** Writes what the operator wants of units. A record changed by someone else in between is read again. */
export function desiredState(context: EtcdContext): DesiredState {
  const { client, identity, keys } = context;

  /**
   * Read, decide, write if unchanged; again until it was. `decide` answers undefined to leave the record as it is;
   * it never sees a move that is spent, so that the next write drops it. What a wish to move says of the assignment
   * is compared too.
   */
  async function change(
    name: string,
    decide: (present: Present, assignment: number) => Wish | undefined,
    more: readonly Operation[] = [],
  ): Promise<{ readonly generation: number; readonly before: Present }> {
    const [key, assigned] = [keys.unit(name), keys.assigned(name)];
    const gets = [{ get: key }, { get: assigned }];
    let [entry, at] = (await client.txn([], gets)).got;
    for (;;) {
      const assignment = at?.created ?? 0;
      const before = entry && presentOf(name, entry, assignment);
      const wish = decide(before, assignment);
      if (wish === undefined) return { generation: before?.generation ?? 0, before };
      const compares: Compare[] = [{ key, modified: before?.generation ?? 0 }];
      if (wish.move !== null) compares.push({ key: assigned, created: wish.move.assignment });
      const put = { put: key, value: encodeUnit(wish) };
      const answer = await identity.write(compares, [put, ...more], gets);
      if (answer.succeeded) return { generation: answer.revision, before };
      [entry, at] = answer.got;
    }
  }

  return {
    async submitUnit(name: string, unit: UnitFile, target: TargetState, expected?: number) {
      const hash = hashOf(unit);
      const { generation, before } = await change(
        name,
        (present) => {
          if (expected !== undefined && (present?.generation ?? 0) !== expected)
            throw conflict(
              expected === 0 ? `there is a unit ${name} already` : `${name} was changed since it was read`,
              { code: 'generation' },
            );
          return { hash, target, restarts: present?.restarts ?? 0, move: present?.move ?? null };
        },
        [{ put: keys.content(hash), value: encodeContent(unit) }],
      );
      return { generation, created: before === undefined };
    },

    writeUnits: () => Promise.reject(permanent('not there yet')),

    async setTargetState(name, target) {
      await change(name, (present) => {
        if (present === undefined) throw noSuchUnit(name);
        return present.target === target ? undefined : { ...present, target };
      });
    },

    async requestRestart(name) {
      await change(name, (present) => {
        if (present === undefined) throw noSuchUnit(name);
        return { ...present, restarts: present.restarts + 1, target: 'launched' };
      });
    },

    async requestMove(name, to) {
      await change(name, (present, assignment) => {
        if (present === undefined) throw noSuchUnit(name);
        if (assignment === 0) throw permanent(`${name} is not on one machine`, { code: 'not-placed' });
        if (present.move !== null && present.move.to === to) return undefined;
        return { ...present, move: { assignment, to } };
      });
    },

    async destroyUnit(name) {
      const key = keys.unit(name);
      for (;;) {
        const { entry } = await client.get(key);
        if (entry === undefined) return false;
        const compare = { key, modified: entry.modified };
        if ((await identity.write([compare], [{ delete: key }])).succeeded) return true;
      }
    },
  };
}

/** A move is spent once the unit is not any more where it was when the move was asked for. */
function presentOf(name: string, { value, modified }: Entry, assignment: number): Omit<UnitRecord, 'unit'> {
  const record = decodeUnit(name, value, modified);
  return record.move === null || record.move.assignment === assignment ? record : { ...record, move: null };
}

function noSuchUnit(name: string): ConvoyError {
  return permanent(`there is no unit ${name}`, { code: 'not-found' });
}
