import { ConvoyError, messageOf, transient } from '../runtime/errors.js';
import type { UnitFile } from '../units/unit-file.js';
import { decodeContent, decodePlacement } from './codec.js';
import type { Entry, Listing, WatchEvent } from './etcd-calls.js';
import type { EtcdContext } from './etcd-session.js';
import { openView, type ViewContent } from './etcd-view.js';
import type { Placement } from './model.js';
import type { Hold, MachineSnapshot, PlacementView } from './registry.js';

/** Pause before contents are asked for again that did not come. */
const RETRY_MS = 1000;
/** Contents read in one transaction. */
const BATCH = 50;

/**
 * One machine's placements: a watch on `placements/<id>/` and nothing else. A unit's content is fetched when a
 * placement first names its hash, and kept as long as one does. The snapshot moves on only as a whole, when all
 * contents are there.
 */
export function openPlacementView(context: EtcdContext, machineId: string): PlacementView {
  const { client, clock, keys, problem } = context;
  const closing = new AbortController();
  const signal = AbortSignal.any([closing.signal, context.closed]);
  let placements = new Map<string, Placement>();
  let contents = new Map<string, UnitFile>();
  let revision = 0;
  let ready: MachineSnapshot | Hold = { kind: 'hold', reason: 'the contents of units are being read' };
  let fetching = false;

  function put({ key, value, created, modified }: Entry): void {
    const at = keys.parse(key);
    if (at?.kind === 'placement')
      placements.set(at.unit, decodePlacement(at.machine, at.unit, value, created, modified));
  }

  const content: ViewContent<MachineSnapshot> = {
    list(listing: Listing) {
      placements = new Map();
      for (const entry of listing.entries) put(entry);
      settle(listing.revision);
    },
    apply(events: readonly WatchEvent[], last: number) {
      for (const { kind, entry } of events) {
        const at = keys.parse(entry.key);
        if (kind === 'put') put(entry);
        else if (at?.kind === 'placement') placements.delete(at.unit);
      }
      return settle(last);
    },
    snapshot: () => ready,
  };

  /** Takes the placements over into the snapshot, now (then it is true) or as soon as the missing contents are there. */
  function settle(now: number): boolean {
    revision = now;
    const isWhole = missing().length === 0;
    if (isWhole) complete();
    else void fetchMissing();
    return isWhole;
  }

  const missing = (): string[] => [
    ...new Set([...placements.values()].map(({ hash }) => hash).filter((hash) => !contents.has(hash))),
  ];

  function complete(): void {
    const rows = [...placements].map(([unit, placement]) => {
      return [unit, { ...placement, content: contents.get(placement.hash)! }] as const;
    });
    contents = new Map(rows.map(([, row]) => [row.hash, row.content]));
    ready = { kind: 'placements', revision, placements: new Map(rows) };
  }

  async function fetchMissing(): Promise<void> {
    if (fetching) return;
    fetching = true;
    for (let hashes = missing(); hashes.length > 0 && !signal.aborted; hashes = missing()) {
      try {
        const gets = hashes.slice(0, BATCH).map((hash) => ({ get: keys.content(hash) }));
        const { got } = await client.txn([], gets, [], { signal });
        for (const [i, entry] of got.entries())
          if (entry !== undefined) contents.set(hashes[i]!, decodeContent(hashes[i]!, entry.value));
        // Collected in the meantime: then its placement is gone too, and the event that says so is on its way.
        if (!got.includes(undefined)) continue;
      } catch (error) {
        if (!signal.aborted)
          problem(error instanceof ConvoyError ? error : transient(messageOf(error), { cause: error }));
      }
      await clock.sleep(RETRY_MS, signal).catch(() => undefined);
    }
    fetching = false;
    if (signal.aborted) return;
    complete();
    view.wake();
  }

  const view = openView(context, keys.placements(machineId), content);
  return {
    snapshot: view.snapshot,
    changes: view.changes,
    refresh: view.refresh,
    async close() {
      closing.abort();
      await view.close();
    },
  };
}
