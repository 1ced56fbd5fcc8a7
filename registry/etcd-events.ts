import { ConvoyError, conflict, permanent } from '../runtime/errors.js';
import { createChangeFeed } from './change-feed.js';
import { changesOf } from './cluster-events.js';
import type { EtcdContext } from './etcd-session.js';
import { follow } from './etcd-watch.js';
import type { ClusterChange } from './registry.js';

/**
 * The events of a watch on the whole registry, which is resumed over lost connections and never starts over: what
 * cannot be resumed is an error, since the reader would have to read everything anew.
 */
export async function* openEvents(
  context: EtcdContext,
  after: number | null,
  given: AbortSignal,
): AsyncGenerator<ClusterChange, void> {
  const { client, clock, identity, keys } = context;
  const stop = new AbortController();
  const signal = AbortSignal.any([given, context.closed, stop.signal]);

  /** The present revision of the registry we know. */
  async function present(): Promise<number> {
    const floor = identity.floor;
    const { entry, revision } = await client.get(keys.cluster, { signal });
    const reason = identity.judge(entry, revision, floor);
    if (reason !== null) throw permanent(reason, { code: 'hold' });
    return revision;
  }

  let opened = await present().catch((error: unknown) => {
    if (given.aborted) return undefined;
    throw error;
  });
  if (opened === undefined) return;
  let at = after ?? opened;
  if (at > opened) throw notThere(at, `the registry is at ${opened}`);
  // A read of then fails where a watch from then would, but before anything is told.
  await client.list(keys.cluster, { at, keysOnly: true, signal }).catch((error: unknown) => {
    if (error instanceof ConvoyError && error.code === 'compacted')
      throw notThere(at, 'the history has been compacted');
    if (!given.aborted) throw error;
  });

  const feed = createChangeFeed(() => stop.abort());
  function onProblem(error: ConvoyError): void {
    if (error.kind !== 'transient') feed.end(error);
    else if (error.code === 'compacted') feed.end(notThere(at, 'the history has been compacted'));
    else context.problem(error);
  }
  const following = follow({
    ...{ client, clock, signal, range: { key: keys.root, prefix: true }, problem: onProblem },
    /** Nothing is listed: a watch that was refused, or that failed in a way of its own, goes on where it was. */
    async list() {
      const now = opened ?? (await present());
      opened = undefined;
      if (at > now) throw notThere(at, `the registry is at ${now}`);
      return { entries: [], revision: at };
    },
    mayResume: async () => (await present()) >= at,
    onList: () => undefined,
    onEvents(events, last) {
      for (const change of changesOf(keys, events)) feed.push(change);
      at = last;
      identity.observe(last);
    },
  });
  const forget = identity.onAccepted(() => feed.end(notThere(at, 'another registry was accepted')));

  try {
    yield { revision: at, events: [] };
    yield* feed.read(AbortSignal.any([given, context.closed]));
  } finally {
    stop.abort();
    forget();
    await following.ended;
  }
}

function notThere(revision: number, why: string): ConvoyError {
  return conflict(`what happened after revision ${revision} cannot be told any more (${why})`, {
    code: 'compacted',
  });
}
