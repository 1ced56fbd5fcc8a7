/**
 * What the registry asks of etcd, in plain types: keys and values are text, revisions are numbers, lease ids are
 * text. `etcd-client.ts` is the only implementation; tests put faults between it and the protocols above.
 */

export interface Entry {
  readonly key: string;
  readonly value: string;
  /** Create and mod revision. */
  readonly created: number;
  readonly modified: number;
  /** Id of the lease it hangs on, `0` if none. */
  readonly lease: string;
}

export type Compare =
  | { readonly key: string; readonly created: number }
  | { readonly key: string; readonly modified: number }
  | { readonly key: string; readonly value: string };

export type Operation =
  | { readonly put: string; readonly value: string; readonly lease?: string }
  | { readonly delete: string }
  /** At revision `at`, or now. */
  | { readonly get: string; readonly at?: number }
  /** All entries with a prefix, in one answer: for tables that are known to be small. */
  | { readonly list: string; readonly keysOnly?: boolean };

export interface TxnResult {
  readonly succeeded: boolean;
  readonly revision: number;
  /** For each `get` of the branch that ran, in order: the entry, or undefined if there is none. */
  readonly got: readonly (Entry | undefined)[];
  /** For each `list`. */
  readonly listed: readonly (readonly Entry[])[];
}

export interface Listing {
  readonly entries: readonly Entry[];
  readonly revision: number;
}

export interface CountedListing extends Listing {
  /** How many keys have the prefix, listed or not. */
  readonly count: number;
}

/** What a renewal answered. `ttlMs` 0: the lease is gone. `revision` and raft `term` are those of the member that answered. */
export interface Renewal {
  readonly ttlMs: number;
  readonly revision: number;
  readonly term: string;
}

/** One event of a watch. For a deletion `entry` has key and mod revision only. */
export interface WatchEvent {
  readonly kind: 'put' | 'delete';
  readonly entry: Entry;
}

/** One response of a watch stream, as etcd sent it. */
export interface WatchResponse {
  readonly revision: number;
  readonly created: boolean;
  readonly canceled: boolean;
  /** Above 0: the watch is dead because this much of the history is gone. */
  readonly compacted: number;
  readonly reason: string;
  /** More of the same revision follows in the next response. */
  readonly fragment: boolean;
  readonly events: readonly WatchEvent[];
}

/** A key, or all keys that start with it. */
export interface KeyRange {
  readonly key: string;
  readonly prefix: boolean;
}

export interface EtcdClient {
  /** How often a call or a watch has failed: since then etcd may have been started again, on other data. */
  readonly breaks: number;
  get(
    key: string,
    options?: CallOptions,
  ): Promise<{ entry: Entry | undefined; revision: number; term: string }>;
  /** All entries with a prefix, by key, at one revision (`at`, or that of the first page); of those written after `since` only. */
  list(
    prefix: string,
    options?: CallOptions & { readonly at?: number; readonly since?: number; readonly keysOnly?: boolean },
  ): Promise<CountedListing>;
  /** How many keys a range has and its highest mod revision, at revision `at` or now: one cheap read. */
  measure(range: KeyRange, at?: number): Promise<{ count: number; highest: number; revision: number }>;
  txn(
    compares: readonly Compare[],
    then: readonly Operation[],
    otherwise?: readonly Operation[],
    options?: CallOptions,
  ): Promise<TxnResult>;
  grantLease(ttlMs: number): Promise<{ id: string; ttlMs: number }>;
  revokeLease(id: string): Promise<void>;
  renewLease(id: string, options?: CallOptions): Promise<Renewal>;
  /**
   * A watch from revision `from` on. `onEnd` comes once: with the error, or without one after `signal` fired.
   * Fragments are passed on as they come.
   */
  watch(
    range: KeyRange,
    from: number,
    onResponse: (response: WatchResponse) => void,
    onEnd: (error: Error | undefined) => void,
    signal: AbortSignal,
  ): void;
  close(): void;
}

export interface CallOptions {
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal | undefined;
}
