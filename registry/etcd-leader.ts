import { aborted, ConvoyError, conflict, messageOf, transient } from '../runtime/errors.js';
import { decodeLeader, encodeLeader } from './codec.js';
import { keepLease } from './etcd-lease.js';
import type { EtcdContext } from './etcd-session.js';
import { follow } from './etcd-watch.js';
import type { PresentLeader } from './model.js';
import type { LeaderTerm } from './registry.js';

/** Pause after an attempt that failed because etcd did not answer. */
const RETRY_MS = 1000;

/**
 * Waits until nobody leads, then tries to create the `leader` key on a lease of its own: one transaction decides.
 * Its create revision is the fence of the term. When the outcome is unknown the lease is given back, and with it
 * the key that may have been written; then it starts anew.
 */
export async function campaign(
  context: EtcdContext,
  machineId: string,
  ttlMs: number,
  given: AbortSignal,
): Promise<LeaderTerm> {
  const { clock, problem } = context;
  const signal = AbortSignal.any([given, context.closed]);
  while (!signal.aborted) {
    try {
      await untilNobodyLeads(context, signal);
      if (signal.aborted) break;
      const term = await tryToLead(context, machineId, ttlMs);
      if (term !== undefined) {
        if (signal.aborted) await term.resign();
        else return term;
      }
    } catch (error) {
      if (signal.aborted) break;
      problem(error instanceof ConvoyError ? error : transient(messageOf(error), { cause: error }));
      await clock.sleep(RETRY_MS, signal).catch(() => undefined);
    }
  }
  throw aborted('the campaign was given up');
}

async function tryToLead(
  context: EtcdContext,
  machineId: string,
  ttlMs: number,
): Promise<LeaderTerm | undefined> {
  const { client, identity, keys, clock } = context;
  await identity.ready();
  const sentAt = clock.steady();
  const lease = await client.grantLease(ttlMs);
  const put = {
    put: keys.leader,
    value: encodeLeader({ machine: machineId, frozen: null }),
    lease: lease.id,
  };
  let fence: number | undefined;
  try {
    const { succeeded, revision } = await identity.write([{ key: keys.leader, created: 0 }], [put]);
    if (succeeded) fence = revision;
  } finally {
    if (fence === undefined) await client.revokeLease(lease.id).catch(() => undefined);
  }
  return fence === undefined ? undefined : openTerm(context, machineId, { ...lease, sentAt, fence });
}

function openTerm(
  context: EtcdContext,
  machine: string,
  { id, ttlMs, sentAt, fence }: { id: string; ttlMs: number; sentAt: number; fence: number },
): LeaderTerm {
  const { client, identity, clock, keys, problem, closed } = context;
  const kept = keepLease({
    ...{ client, clock, problem, closed, leaseId: id, ttlMs, sentAt, key: keys.leader, endsWithTrust: true },
  });
  return {
    fence,
    trusted: kept.trusted,
    lost: kept.lost,
    async tell(frozen) {
      const put = { put: keys.leader, value: encodeLeader({ machine, frozen }), lease: id };
      const { succeeded } = await identity.write([{ key: keys.leader, created: fence }], [put]);
      if (!succeeded) throw conflict('another machine leads', { code: 'deposed' });
    },
    async resign() {
      kept.end(true);
      await client.revokeLease(id);
    },
  };
}

/** Resolves when the leader key is seen to be absent, or on abort. */
async function untilNobodyLeads(context: EtcdContext, signal: AbortSignal): Promise<void> {
  const { client, clock, keys, problem } = context;
  const { entry, revision } = await client.get(keys.leader);
  if (entry === undefined) return;
  const stop = new AbortController();
  let first: { revision: number; isFree: boolean } | undefined = { revision, isFree: false };
  const following = follow({
    ...{ client, clock, problem, signal: AbortSignal.any([signal, stop.signal]) },
    range: { key: keys.leader, prefix: false },
    async list() {
      const now = first;
      first = undefined;
      if (now !== undefined) return { entries: [entry], revision: now.revision };
      const again = await client.get(keys.leader);
      return { entries: again.entry === undefined ? [] : [again.entry], revision: again.revision };
    },
    mayResume: async () => true,
    onList: ({ entries }) => entries.length === 0 && stop.abort(),
    onEvents: (events) => events.at(-1)?.kind === 'delete' && stop.abort(),
  });
  await following.ended;
}

/** Who leads at this moment, or null. */
export async function readLeader({ client, keys }: EtcdContext): Promise<PresentLeader | null> {
  const { entry } = await client.get(keys.leader);
  return entry === undefined ? null : decodeLeader(entry.value, entry.created);
}
