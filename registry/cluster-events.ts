import { assertNever } from '../runtime/errors.js';
import {
  decodeKnown,
  decodeLeader,
  decodeMachine,
  decodePlacement,
  decodeService,
  decodeState,
  decodeUnit,
} from './codec.js';
import type { Entry, WatchEvent } from './etcd-calls.js';
import type { Keys } from './keys.js';
import type { ClusterChange, ClusterEvent } from './registry.js';

/**
 * What events of whole revisions, in order, say of the cluster; a revision that says nothing to whoever looks on is
 * left out. Throws `permanent`/`format` for a record that cannot be read.
 */
export function changesOf(keys: Keys, events: readonly WatchEvent[]): ClusterChange[] {
  const changes = new Map<number, ClusterEvent[]>();
  for (const event of events) {
    const told = eventOf(keys, event);
    const revision = event.entry.modified;
    if (told !== null) changes.set(revision, [...(changes.get(revision) ?? []), told]);
  }
  return [...changes].map(([revision, told]) => ({ revision, events: told }));
}

function eventOf(keys: Keys, { kind, entry }: WatchEvent): ClusterEvent | null {
  const at = keys.parse(entry.key);
  const now = <T>(decode: (entry: Entry) => T): T | null => (kind === 'put' ? decode(entry) : null);
  switch (at?.kind) {
    case 'unit':
      return { ...at, value: now(({ value, modified }) => decodeUnit(at.unit, value, modified)) };
    case 'placement':
      return {
        ...at,
        value: now(({ value, created, modified }) =>
          decodePlacement(at.machine, at.unit, value, created, modified),
        ),
      };
    case 'state':
      return { ...at, value: now(({ value }) => decodeState(at.machine, at.unit, value)) };
    case 'machine':
      return { ...at, value: now(({ value }) => decodeMachine(at.machine, value)) };
    case 'known':
      return { ...at, value: now(({ value }) => decodeKnown(at.machine, value)) };
    case 'service':
      return { ...at, value: now(({ value }) => decodeService(at, value)) };
    case 'leader':
      return { ...at, value: now(({ value, created }) => decodeLeader(value, created)) };
    case 'cluster':
    case 'content':
    case 'assigned':
    case 'unjoined':
    case undefined:
      return null;
    default:
      return assertNever(at);
  }
}
