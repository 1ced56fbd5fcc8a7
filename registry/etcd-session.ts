import type { Clock } from '../runtime/clock.js';
import { permanent } from '../runtime/errors.js';
import {
  decodeKnown,
  decodeUnjoined,
  encodeKnown,
  encodeMachine,
  encodeService,
  encodeState,
} from './codec.js';
import type { EtcdClient, Operation } from './etcd-calls.js';
import type { Identity } from './etcd-identity.js';
import { keepLease } from './etcd-lease.js';
import { OwnKeys } from './etcd-own-keys.js';
import type { Keys } from './keys.js';
import type { KnownMachine, Machine } from './model.js';
import type { LeaseUse, MachineSession, RegistryMemory, RegistryProblem } from './registry.js';

/** What the parts of the etcd registry share. */
export interface EtcdContext {
  readonly client: EtcdClient;
  readonly identity: Identity;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly memory: RegistryMemory;
  readonly problem: RegistryProblem;
  /** Fires when the registry is closed. */
  readonly closed: AbortSignal;
}

interface HeldLease {
  readonly id: string;
  readonly ttlMs: number;
  /** `clock.steady()` before the request that granted or renewed it. */
  readonly sentAt: number;
  /** Nothing can hang on it yet. */
  readonly isNew: boolean;
}

/**
 * Announces a machine under a lease of its own, or under the one its last convoyd left behind. The lease's id is
 * remembered before the machine is announced: a crash in between never makes a machine its own duplicate. That it
 * is not away any more, and what was set for it before it ever joined, becomes known at the revision at which it is
 * there.
 */
export async function joinMachine(
  context: EtcdContext,
  machine: Machine,
  ttlMs: number,
  use: LeaseUse | undefined,
): Promise<MachineSession> {
  const { client, clock, identity, keys } = context;
  await identity.ready();
  const resumed = await resume(context, ttlMs);
  const lease = resumed ?? (await grant(context, ttlMs));
  const { id } = machine;
  const [machineKey, knownKey, unjoinedKey] = [keys.machine(id), keys.knownMachine(id), keys.unjoined(id)];
  const gets = [{ get: machineKey }, { get: knownKey }, { get: unjoinedKey }];
  let [holder, entry, early] = (await client.txn([], gets)).got;
  for (;;) {
    if (holder !== undefined && holder.lease !== lease.id) {
      if (resumed === undefined) await client.revokeLease(lease.id);
      throw permanent(
        `machine id ${id} is already taken by another convoyd: every machine needs an id of its own`,
        { code: 'duplicate-machine-id' },
      );
    }
    const known = entry === undefined ? newlyKnown(id, clock) : decodeKnown(id, entry.value);
    const metadata = { ...(early && decodeUnjoined(id, early.value)), ...known.metadata };
    const value = encodeKnown({ ...known, away: null, metadata });
    const puts: Operation[] = [{ put: machineKey, value: encodeMachine(machine), lease: lease.id }];
    if (value !== entry?.value) puts.push({ put: knownKey, value });
    if (early !== undefined) puts.push({ delete: unjoinedKey });
    const compares = [
      { key: machineKey, modified: holder?.modified ?? 0 },
      { key: knownKey, modified: entry?.modified ?? 0 },
      { key: unjoinedKey, modified: early?.modified ?? 0 },
    ];
    const answer = await identity.write(compares, puts, gets);
    if (answer.succeeded) return openSession(context, id, answer.revision, lease, use);
    [holder, entry, early] = answer.got;
  }
}

function newlyKnown(id: string, clock: Clock): KnownMachine {
  return { id, firstSeen: clock.now(), cordoned: false, draining: false, away: null, metadata: {} };
}

async function grant({ client, clock, memory }: EtcdContext, ttlMs: number): Promise<HeldLease> {
  const sentAt = clock.steady();
  const lease = await client.grantLease(ttlMs);
  await memory.writeLease(lease.id);
  return { ...lease, sentAt, isNew: true };
}

/** The lease of the last convoyd of this machine, if it lives and is of the length asked for now. */
async function resume({ client, clock, memory }: EtcdContext, ttlMs: number): Promise<HeldLease | undefined> {
  const id = await memory.readLease();
  if (id === null) return undefined;
  const sentAt = clock.steady();
  const renewal = await client.renewLease(id);
  if (renewal.ttlMs === Math.ceil(ttlMs / 1000) * 1000)
    return { id, ttlMs: renewal.ttlMs, sentAt, isNew: false };
  if (renewal.ttlMs > 0) await client.revokeLease(id);
  return undefined;
}

function openSession(
  context: EtcdContext,
  machineId: string,
  revision: number,
  lease: HeldLease,
  use: LeaseUse | undefined,
): MachineSession {
  const { client, clock, identity, keys, problem, closed } = context;
  const kept = keepLease({
    ...{ client, clock, problem, closed, leaseId: lease.id, ttlMs: lease.ttlMs, sentAt: lease.sentAt },
    ...{ key: keys.machine(machineId), endsWithTrust: false, use },
    // So that every machine knows how far the registry has come, and finds out when it goes back, whatever concerns it.
    onRead: () => identity.reading(),
  });

  const held = () => (lease.isNew ? new Map() : undefined);
  const states = new OwnKeys(
    identity,
    lease.id,
    async () => (await client.list(keys.states(machineId))).entries,
    held(),
  );
  const services = new OwnKeys(
    identity,
    lease.id,
    async () => {
      const { entries } = await client.list(keys.services);
      return entries.filter(({ key }) => {
        const parsed = keys.parse(key);
        return parsed?.kind === 'service' && parsed.machine === machineId;
      });
    },
    held(),
  );

  let isFirst = true;

  /** A write that finds the lease gone is the first to know. */
  async function onLease(write: Promise<void>): Promise<void> {
    try {
      await write;
    } catch (error) {
      if ((error as { code?: unknown }).code === 'lease-gone') kept.end(true);
      throw error;
    }
  }

  return {
    machineId,
    revision,
    lost: kept.lost,
    trusted: kept.trusted,
    renew: kept.renew,
    async publish(now, gone) {
      const write = states.write((held) => {
        const leaving = isFirst ? [...held] : gone.map((unit) => keys.state(machineId, unit));
        const wanted = new Map<string, string | null>(leaving.map((key) => [key, null]));
        for (const state of now) wanted.set(keys.state(machineId, state.unit), encodeState(state));
        return wanted;
      });
      await onLease(write);
      isFirst = false;
    },
    announce(now) {
      const entries = now.map((e) => [keys.service(e.service, e.unit, machineId), encodeService(e)] as const);
      return onLease(
        services.write((held) => {
          const wanted = new Map<string, string | null>([...held].map((key) => [key, null]));
          for (const [key, value] of entries) wanted.set(key, value);
          return wanted;
        }),
      );
    },
    async suspend() {
      kept.end(false);
    },
    async leave() {
      try {
        await noteLeaving(context, machineId, lease.id);
      } finally {
        kept.end(true);
      }
      await client.revokeLease(lease.id);
      await context.memory.writeLease(null);
    },
  };
}

/** Notes that a machine leaves in order while its lease still holds: its absence never looks like a crash. */
async function noteLeaving(
  { client, identity, keys }: EtcdContext,
  id: string,
  leaseId: string,
): Promise<void> {
  const [machineKey, knownKey] = [keys.machine(id), keys.knownMachine(id)];
  const gets = [{ get: machineKey }, { get: knownKey }];
  let [holder, entry] = (await client.txn([], gets)).got;
  while (entry !== undefined && (holder === undefined || holder.lease === leaseId)) {
    const compares = [
      { key: machineKey, modified: holder?.modified ?? 0 },
      { key: knownKey, modified: entry.modified },
    ];
    const value = encodeKnown({ ...decodeKnown(id, entry.value), away: 'left' });
    const answer = await identity.write(compares, [{ put: knownKey, value }], gets);
    if (answer.succeeded) return;
    [holder, entry] = answer.got;
  }
}
