import { type ConvoyError, conflict, permanent } from '../runtime/errors.js';
import { decodeKnown, encodeKnown } from './codec.js';
import type { Compare } from './etcd-calls.js';
import type { EtcdContext } from './etcd-session.js';
import type { KnownMachine } from './model.js';
import type { DesiredMachines } from './registry.js';

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

    patchMetadata: () => Promise.reject(permanent('not there yet')),
    forgetMachine: () => Promise.reject(permanent('not there yet')),

    evictMachine: (id) =>
      change(
        id,
        (known, isThere) => {
          if (isThere)
            throw conflict(`machine ${id} is there: drain it instead, or stop its convoyd first`, {
              code: 'alive',
            });
          return { ...known, away: known.away ?? 'evicted' };
        },
        [{ key: keys.machine(id), created: 0 }],
      ),
  };
}

function neverJoined(id: string): ConvoyError {
  return permanent(`machine ${id} never joined`, { code: 'not-found' });
}
