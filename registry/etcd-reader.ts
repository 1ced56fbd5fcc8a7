import {
  decodeAssigned,
  decodeContent,
  decodeKnown,
  decodeMachine,
  decodePlacement,
  decodeService,
  decodeState,
  decodeUnit,
} from './codec.js';
import type { Entry } from './etcd-calls.js';
import { KeptTables } from './etcd-kept.js';
import type { EtcdContext } from './etcd-session.js';
import type { ClusterSnapshot, KnownMachine, Machine, ServiceEntry, UnitState } from './model.js';
import type { RegistryReader } from './registry.js';

/** Keys read in one transaction; etcd allows 128. */
const BATCH = 100;

/** Reads for the API, each of one revision and no dearer than what it is about; of an etcd that is not ours they are refused. */
export function reader({ client, identity, keys }: EtcdContext): RegistryReader {
  const whole = new KeptTables(client, keys, keys.root);
  const allStates = new KeptTables(client, keys, keys.states());
  for (const kept of [whole, allStates]) identity.onAccepted(() => kept.forget());

  async function ours<T extends { readonly revision: number }>(read: () => Promise<T>): Promise<T> {
    const judge = identity.answering();
    const found = await read();
    await judge(found.revision);
    return found;
  }

  async function readKept(kept: KeptTables, signal: AbortSignal | undefined): Promise<ClusterSnapshot> {
    try {
      return await ours(() => kept.read(signal));
    } catch (error) {
      kept.forget();
      throw error;
    }
  }

  /** Entries of single keys at one revision, in order. */
  async function getAll(
    wanted: readonly string[],
    at: number,
    signal: AbortSignal | undefined,
  ): Promise<(Entry | undefined)[]> {
    const found: (Entry | undefined)[] = [];
    for (let start = 0; start < wanted.length; start += BATCH) {
      const gets = wanted.slice(start, start + BATCH).map((get) => ({ get, at }));
      found.push(...(await client.txn([], gets, [], { signal })).got);
    }
    return found;
  }

  /** Ids of the machines whose keys these are. */
  const idsOf = (machines: readonly Entry[] = []): string[] =>
    machines.flatMap(({ key }) => {
      const parsed = keys.parse(key);
      return parsed?.kind === 'machine' ? [parsed.machine] : [];
    });

  const statesOf = (
    name: string,
    ids: readonly string[],
    entries: readonly (Entry | undefined)[],
  ): UnitState[] =>
    entries.flatMap((entry, i) =>
      entry === undefined ? [] : [decodeState(ids[i] ?? '', name, entry.value)],
    );

  return {
    readAll: (signal) => readKept(whole, signal),

    async readUnit(name, signal) {
      const first = [
        { get: keys.unit(name) },
        { get: keys.assigned(name) },
        { list: keys.machines, keysOnly: true },
      ];
      const { got, listed, revision } = await ours(() => client.txn([], first, [], { signal }));
      const [record, assigned] = got;
      if (record === undefined) return null;
      const unit = decodeUnit(name, record.value, record.modified);
      const machine = assigned === undefined ? null : decodeAssigned(name, assigned.value, 0, 0).machine;
      const ids = idsOf(listed[0]);
      const [content, placement, ...states] = await getAll(
        [
          keys.content(unit.hash),
          keys.placement(machine ?? '', name),
          ...ids.map((id) => keys.state(id, name)),
        ],
        revision,
        signal,
      );
      return {
        revision,
        record: { ...unit, unit: decodeContent(unit.hash, content?.value ?? '') },
        machine,
        why: placement === undefined ? null : decodePlacement(machine ?? '', name, placement.value, 0, 0).why,
        states: statesOf(name, ids, states),
      };
    },

    async readStates(name, signal) {
      const { entries, revision } = await ours(() => client.list(keys.machines, { signal, keysOnly: true }));
      const ids = idsOf(entries);
      const wanted = ids.map((id) => keys.state(id, name));
      return statesOf(name, ids, await getAll(wanted, revision, signal));
    },

    async readAllStates(signal) {
      const { states, revision } = await readKept(allStates, signal);
      return { states: [...states.values()].flatMap((rows) => [...rows.values()]), revision };
    },

    async readMachines(signal) {
      const tables = [{ list: keys.machines }, { list: keys.known }];
      const { listed, revision } = await ours(() => client.txn([], tables, [], { signal }));
      const machines: Machine[] = [];
      const known: KnownMachine[] = [];
      for (const { key, value } of listed.flat()) {
        const at = keys.parse(key);
        if (at?.kind === 'machine') machines.push(decodeMachine(at.machine, value));
        if (at?.kind === 'known') known.push(decodeKnown(at.machine, value));
      }
      return { machines, known, revision };
    },

    async readServices(service, signal) {
      const prefix = service === undefined ? keys.services : keys.servicesOf(service);
      const { entries, revision } = await ours(() => client.list(prefix, { signal }));
      const services = entries.flatMap(({ key, value }): ServiceEntry[] => {
        const at = keys.parse(key);
        return at?.kind === 'service' ? [decodeService(at, value)] : [];
      });
      return { services, revision };
    },
  };
}
