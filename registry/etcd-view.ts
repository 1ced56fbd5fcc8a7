/**
 * A cache of one range of the registry: listed, watched, held while the registry is strange, and checked against
 * etcd every ten minutes by count and highest mod revision, listed again on a difference.
 */
import { messageOf, permanent } from '../runtime/errors.js';
import { createWakeUps } from '../runtime/wake-ups.js';
import type { Entry, Listing, WatchEvent } from './etcd-calls.js';
import type { EtcdContext } from './etcd-session.js';
import { type Following, follow } from './etcd-watch.js';
import type { Hold, View } from './registry.js';

const CHECK_MS = 600_000;
/** How long events may be under way before a difference counts. */
const SETTLE_MS = 5000;

/** What turns entries into a snapshot. A throw is a record that cannot be read: the view holds with its message. */
export interface ViewContent<Snapshot> {
  list(listing: Listing): void;
  /** Whether the snapshot is another one now. If it comes to be later, the content wakes. */
  apply(events: readonly WatchEvent[], revision: number): boolean;
  snapshot(): Snapshot | Hold;
}

export interface OpenView<Snapshot> extends View<Snapshot> {
  /** Wakes whoever waits for changes. */
  wake(): void;
  /** Lists again as soon as possible. */
  refresh(): void;
  /** Resolves at the first list or hold, or when the view is closed. */
  readonly listed: Promise<void>;
}

export function openView<Snapshot>(
  context: EtcdContext,
  prefix: string,
  content: ViewContent<Snapshot>,
): OpenView<Snapshot> {
  const { client, clock, identity, keys, problem } = context;
  const closing = new AbortController();
  const signal = AbortSignal.any([closing.signal, context.closed]);
  const range = { key: prefix, prefix: true };
  /** Mod revision of every cached key, for the check. */
  let revisions = new Map<string, number>();
  let revision = 0;
  let trouble: string | null = 'the registry has not been read yet';
  const wakes = createWakeUps();
  let setListed = (): void => undefined;
  const listed = new Promise<void>((resolve) => {
    setListed = resolve;
  });
  signal.addEventListener('abort', () => setListed(), { once: true });

  /** From an unreadable record on the view holds; the throw makes the follower list again. */
  function take(change: () => boolean): void {
    let isChanged = true;
    try {
      isChanged = change() || trouble !== null;
      trouble = null;
    } catch (error) {
      hold(messageOf(error));
      throw permanent(messageOf(error), { code: 'hold', cause: error });
    } finally {
      if (isChanged) wakes.wake();
    }
  }

  function hold(reason: string): void {
    if (reason !== trouble) problem(permanent(reason, { code: 'hold' }));
    trouble = reason;
    setListed();
  }

  /** The range and the cluster record at one revision. A strange registry is a hold, and asked again. */
  async function list(): Promise<Listing> {
    const floor = identity.floor;
    const listing = await client.list(prefix, { signal });
    const cluster = await client.get(keys.cluster, { signal });
    const reason =
      identity.judge(cluster.entry, listing.revision, floor) ??
      (cluster.entry === undefined ? 'etcd has no cluster record yet' : null);
    if (reason !== null) {
      hold(reason);
      wakes.wake();
      throw permanent(reason, { code: 'hold' });
    }
    return listing;
  }

  const following: Following = follow({
    ...{ client, clock, range, signal, list, problem: (error) => error.code !== 'hold' && problem(error) },
    mayResume: async () => (await identity.look()) === null && trouble === null,
    onList(listing) {
      revisions = new Map(listing.entries.map((entry: Entry) => [entry.key, entry.modified]));
      revision = listing.revision;
      take(() => {
        content.list(listing);
        return true;
      });
      setListed();
    },
    onEvents(events, last) {
      for (const { kind, entry } of events) {
        if (kind === 'put') revisions.set(entry.key, entry.modified);
        else revisions.delete(entry.key);
      }
      revision = last;
      identity.observe(last);
      take(() => content.apply(events, last));
    },
  });

  /** Whether the cache is what etcd holds: at once, or after what is under way has had time to come in. */
  async function isTrue(): Promise<boolean> {
    const now = await client.measure(range);
    const differs = (found: { count: number; highest: number }, highest: number, count: number): boolean =>
      found.count !== count || found.highest !== highest;
    if (!differs(now, highestOf(revisions), revisions.size)) return true;
    await clock.sleep(SETTLE_MS, signal);
    const [highest, count] = [highestOf(revisions), revisions.size];
    return !differs(await client.measure(range, Math.max(revision, now.revision)), highest, count);
  }

  const forget = identity.onAccepted(following.listAgain);

  async function checkAlways(): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(CHECK_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      if (await isTrue().catch(() => true)) continue;
      problem(
        permanent(`the cache of ${prefix} differs from etcd: listing again`, { code: 'cache-differs' }),
      );
      following.listAgain();
    }
  }
  void checkAlways();

  return {
    snapshot(): Snapshot | Hold {
      const reason = identity.hold ?? trouble;
      return reason === null ? content.snapshot() : { kind: 'hold', reason };
    },
    changes: (given) => wakes.changes(AbortSignal.any([given, signal])),
    wake: wakes.wake,
    refresh: following.listAgain,
    listed,
    async close() {
      closing.abort();
      forget();
      await following.ended;
    },
  };
}

function highestOf(revisions: ReadonlyMap<string, number>): number {
  let highest = 0;
  for (const revision of revisions.values()) highest = Math.max(highest, revision);
  return highest;
}
