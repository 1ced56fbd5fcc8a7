import { type ConvoyError, conflict, permanent } from '../runtime/errors.js';
import type { TargetState } from '../units/state.js';
import { hashOf, type UnitFile } from '../units/unit-file.js';
import { decodeUnit, encodeContent, encodeUnit } from './codec.js';
import type { Operation } from './etcd-calls.js';
import type { EtcdContext } from './etcd-session.js';
import type { UnitRecord } from './model.js';
import type { DesiredState } from './registry.js';

type Wish = Pick<UnitRecord, 'hash' | 'target' | 'restarts' | 'move'>;
type Present = Omit<UnitRecord, 'unit'> | undefined;

/** Writes what the operator wants of units. A record changed by someone else in between is read again. */
export function desiredState(context: EtcdContext): DesiredState {
  const { client, identity, keys } = context;

  /** Read, decide, write if unchanged; again until it was. `decide` answers undefined to leave it as it is. */
  async function change(
    name: string,
    decide: (present: Present) => Wish | undefined,
    more: readonly Operation[] = [],
  ): Promise<{ readonly generation: number; readonly before: Present }> {
    const key = keys.unit(name);
    let { entry } = await client.get(key);
    for (;;) {
      const before = entry && decodeUnit(name, entry.value, entry.modified);
      const wish = decide(before);
      if (wish === undefined) return { generation: before?.generation ?? 0, before };
      const compare = { key, modified: before?.generation ?? 0 };
      const put = { put: key, value: encodeUnit(wish) };
      const answer = await identity.write([compare], [put, ...more], [{ get: key }]);
      if (answer.succeeded) return { generation: answer.revision, before };
      entry = answer.got[0];
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

    async requestMove() {
      throw permanent('not there yet');
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

function noSuchUnit(name: string): ConvoyError {
  return permanent(`there is no unit ${name}`, { code: 'not-found' });
}
