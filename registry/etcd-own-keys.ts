import { conflict } from '../runtime/errors.js';
import type { Compare, Entry, Operation } from './etcd-calls.js';
import type { Identity } from './etcd-identity.js';

/** Keys one transaction may compare and write; etcd allows 128 of each. */
const BATCH = 100;

/**
 * The keys that one process alone writes, all on its lease. Only what differs from what is there is sent, in
 * order; each write compares what it replaces, so that one that was given up on and arrives late changes nothing.
 */
export class OwnKeys {
  private queue: Promise<void> = Promise.resolve();

  constructor(
    private readonly identity: Identity,
    private readonly leaseId: string,
    /** Reads all own keys as they are now. */
    private readonly read: () => Promise<readonly Entry[]>,
    /** What etcd holds; undefined when it has to be read again. */
    private held: Map<string, Pick<Entry, 'value' | 'modified'>> | undefined,
  ) {}

  /** Brings etcd to what `wanted` says of the held keys: a value, or null for none. Keys not named stay. */
  write(wanted: (held: Iterable<string>) => ReadonlyMap<string, string | null>): Promise<void> {
    const turn = this.queue.then(() => this.apply(wanted));
    this.queue = turn.catch(() => undefined);
    return turn;
  }

  private async apply(wanted: (held: Iterable<string>) => ReadonlyMap<string, string | null>): Promise<void> {
    // A second round only after a write whose outcome was unknown, or that arrived late, is found in etcd.
    for (let round = 0; round < 3; round += 1) {
      const held = await this.load();
      const changes = [...wanted(held.keys())].filter(
        ([key, value]) => (held.get(key)?.value ?? null) !== value,
      );
      if (await this.send(held, changes)) return;
    }
    throw conflict('own records keep changing under another hand', { code: 'own-keys' });
  }

  private async load(): Promise<Map<string, Pick<Entry, 'value' | 'modified'>>> {
    this.held ??= new Map((await this.read()).map((entry) => [entry.key, entry]));
    return this.held;
  }

  /** Answers false if etcd did not hold what was believed. */
  private async send(
    held: Map<string, Pick<Entry, 'value' | 'modified'>>,
    changes: readonly (readonly [string, string | null])[],
  ): Promise<boolean> {
    for (let start = 0; start < changes.length; start += BATCH) {
      const batch = changes.slice(start, start + BATCH);
      const compares = batch.map(([key]): Compare => ({ key, modified: held.get(key)?.modified ?? 0 }));
      const operations = batch.map(
        ([key, value]): Operation =>
          value === null ? { delete: key } : { put: key, value, lease: this.leaseId },
      );
      this.held = undefined;
      const { succeeded, revision } = await this.identity.write(compares, operations);
      if (!succeeded) return false;
      for (const [key, value] of batch) {
        if (value === null) held.delete(key);
        else held.set(key, { value, modified: revision });
      }
      this.held = held;
    }
    return true;
  }
}
