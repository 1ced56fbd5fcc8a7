import { type ConvoyError, conflict, permanent } from '../runtime/errors.js';
import { decodeKnown, decodeUnjoined, encodeKnown, encodeUnjoined } from './codec.js';
import type { Compare, Entry, Operation } from './etcd-calls.js';
import type { EtcdContext } from './etcd-session.js';
import type { Keys } from './keys.js';
import type { KnownMachine } from './model.js';
import { type DesiredMachines, type MetadataPatch, MOST_WRITES } from './registry.js';

/** Writes what the operator wants of machines. A record changed by someone else in between is read again. */
export function desiredMachines({ client, identity, keys }: EtcdContext): DesiredMachines {
  /** `more` is compared too; what it reads is there when `decide` is asked. */
  async function change(
    id: string,
    decide: (known: KnownMachine, isThere: boolean) => KnownMachine,
    more: readonly Compare[] = [],
  ): Promise<void> {
    const key = keys.knownMachine(id);
    const gets = [{ get: key }, { get: keys.machine(id) }];
    let [entry, machine] = (await client.txn([], gets)).got;
    for (;;) {
      if (entry === undefined) throw neverJoined(id);
      const value = encodeKnown(decide(decodeKnown(id, entry.value), machine !== undefined));
      if (value === entry.value) return;
      const compares = [{ key, modified: entry.modified }, ...more];
      const answer = await identity.write(compares, [{ put: key, value }], gets);
      if (answer.succeeded) return;
      [entry, machine] = answer.got;
    }
  }

  return {
    changeMachine: (id, wanted) => change(id, (known) => ({ ...known, ...wanted })),

    async patchMetadata(patches) {
      const ids = [...new Set(patches.map(({ machine }) => machine))];
      if (ids.length === 0) return;
      if (ids.length > MOST_WRITES)
        throw permanent(`${ids.length} machines at once are too many: at most ${MOST_WRITES}`, {
          code: 'too-many',
        });
      const gets = ids.flatMap((id) => [{ get: keys.knownMachine(id) }, { get: keys.unjoined(id) }]);
      let { got } = await client.txn([], gets);
      for (;;) {
        const puts = ids.flatMap((id, i) =>
          patched(keys, id, got[2 * i], got[2 * i + 1], (metadata) => patch(metadata, id, patches)),
        );
        if (puts.length === 0) return;
        const compares = gets.map(({ get: key }, i) => ({ key, modified: got[i]?.modified ?? 0 }));
        const answer = await identity.write(compares, puts, gets);
        if (answer.succeeded) return;
        got = answer.got;
      }
    },

    async forgetMachine(id) {
      const [key, early] = [keys.knownMachine(id), keys.unjoined(id)];
      const gets = [{ get: key }, { get: early }, { get: keys.machine(id) }];
      for (;;) {
        // On a machine that is not there the leader places nothing. What it had decided before is moved like the rest.
        const [known, unjoined, machine] = (await client.txn([], gets)).got;
        if (machine !== undefined) throw alive(id);
        if (known === undefined && unjoined === undefined) throw neverJoined(id);
        const { entries } = await client.list(keys.placements(id), { keysOnly: true });
        if (entries.length > 0)
          throw conflict(`units are still placed on machine ${id}: evict it first, so that they are moved`, {
            code: 'in-use',
          });
        const compares = [
          { key, modified: known?.modified ?? 0 },
          { key: early, modified: unjoined?.modified ?? 0 },
          { key: keys.machine(id), created: 0 },
        ];
        const answer = await identity.write(compares, [{ delete: key }, { delete: early }]);
        if (answer.succeeded) return;
      }
    },

    evictMachine: (id) =>
      change(
        id,
        (known, isThere) => {
          if (isThere) throw alive(id);
          return { ...known, away: known.away ?? 'evicted' };
        },
        [{ key: keys.machine(id), created: 0 }],
      ),
  };
}

/** What is to be written for one machine: nothing if it has all that already. */
function patched(
  keys: Keys,
  id: string,
  known: Entry | undefined,
  unjoined: Entry | undefined,
  change: (metadata: KnownMachine['metadata']) => KnownMachine['metadata'],
): Operation[] {
  if (known !== undefined) {
    const record = decodeKnown(id, known.value);
    const value = encodeKnown({ ...record, metadata: change(record.metadata) });
    return value === known.value ? [] : [{ put: keys.knownMachine(id), value }];
  }
  const before = unjoined === undefined ? {} : decodeUnjoined(id, unjoined.value);
  const value = encodeUnjoined(change(before));
  return value === unjoined?.value ? [] : [{ put: keys.unjoined(id), value }];
}

function patch(
  metadata: KnownMachine['metadata'],
  id: string,
  patches: readonly MetadataPatch[],
): KnownMachine['metadata'] {
  const mine = patches.filter(({ machine }) => machine === id).map(({ key, value }) => [key, value] as const);
  return Object.fromEntries([...Object.entries(metadata), ...mine]);
}

function alive(id: string): ConvoyError {
  return conflict(`machine ${id} is there: drain it instead, or stop its convoyd first`, { code: 'alive' });
}

function neverJoined(id: string): ConvoyError {
  return permanent(`machine ${id} never joined`, { code: 'not-found' });
}
