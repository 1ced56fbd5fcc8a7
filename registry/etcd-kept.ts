import type { CountedListing, EtcdClient } from './etcd-calls.js';
import { Tables } from './etcd-tables.js';
import type { Keys } from './keys.js';
import type { ClusterSnapshot } from './model.js';

/**
 * Reads the registry or a table of it, again and again for less: what was read last is kept, and only what was written since is
 * sent. Deletions show in the number of keys: it is lower than that of those known and created since, and all is read anew then,
 * as after the connection broke: etcd may have been restored meanwhile.
 */
export class KeptTables {
  readonly #client: Pick<EtcdClient, 'list' | 'breaks'>;
  readonly #keys: Keys;
  readonly #prefix: string;
  #known:
    | (Omit<CountedListing, 'entries'> & { readonly tables: Tables; readonly breaks: number })
    | undefined;

  /** Of all keys that begin with `prefix`; the other tables of a snapshot are empty. */
  constructor(client: Pick<EtcdClient, 'list' | 'breaks'>, keys: Keys, prefix: string) {
    this.#client = client;
    this.#keys = keys;
    this.#prefix = prefix;
  }

  /** All at one revision, not older than this call. */
  async read(signal?: AbortSignal): Promise<ClusterSnapshot> {
    const { breaks } = this.#client;
    if (this.#known?.breaks === breaks) {
      const since = this.#known.revision;
      const written = await this.#client.list(this.#prefix, { signal, since });
      const tables = written.revision < since ? undefined : this.#with(written, breaks);
      if (tables !== undefined) return tables.snapshot();
    }
    const { entries, ...listing } = await this.#client.list(this.#prefix, { signal });
    const tables = new Tables(this.#keys, entries, listing.revision);
    this.#known = { ...listing, tables, breaks };
    return tables.snapshot();
  }

  /** What was read may be of another registry. */
  forget(): void {
    this.#known = undefined;
  }

  /** What is known, brought to the revision of `written`; undefined if more has happened than was written. */
  #with({ entries, revision, count }: CountedListing, breaks: number): Tables | undefined {
    const known = this.#known;
    if (known?.breaks !== breaks) return undefined;
    // Another call has read more meanwhile.
    if (revision < known.revision) return known.tables;
    const created = entries.filter((entry) => entry.created > known.revision).length;
    if (known.count + created !== count) return undefined;
    known.tables.apply(
      entries.map((entry) => ({ kind: 'put', entry })),
      revision,
    );
    this.#known = { ...known, revision, count };
    return known.tables;
  }
}
