import { createChangeFeed } from '../../registry/change-feed.js';
import type { ClusterChange } from '../../registry/registry.js';
import { conflict, permanent } from '../../runtime/errors.js';
import type { MemoryTables } from './memory-cluster.js';

/** How one client stands to the tables. */
interface Standing {
  /** Resolves when it knows whether these are its tables. */
  readonly looked: Promise<void>;
  readonly reach: () => Promise<void>;
  readonly isCut: () => boolean;
  readonly hold: () => string | null;
}

/** Nothing is told while the client is cut off; all of it afterwards. */
export async function* memoryEvents(
  tables: MemoryTables,
  after: number | null,
  { looked, reach, isCut, hold }: Standing,
  [given, closed]: readonly [AbortSignal, AbortSignal],
): AsyncGenerator<ClusterChange, void> {
  if (given.aborted) return;
  await looked;
  await reach();
  let at = after ?? tables.revision;
  const feed = createChangeFeed(() => unlisten());

  const forgotten = () => conflict(`what happened after revision ${at} is forgotten`, { code: 'compacted' });
  function deliver(): void {
    if (isCut()) return;
    const reason = hold();
    const changes = tables.history.since(at);
    if (reason !== null) feed.end(permanent(reason, { code: 'hold' }));
    else if (changes === null) feed.end(forgotten());
    else for (const change of changes) feed.push(change);
    at = tables.revision;
  }

  const unlisten = tables.listen(deliver);
  try {
    const reason = hold();
    if (reason !== null) throw permanent(reason, { code: 'hold' });
    if (tables.history.since(at) === null) throw forgotten();
    yield { revision: at, events: [] };
    deliver();
    yield* feed.read(AbortSignal.any([given, closed]));
  } finally {
    unlisten();
  }
}
