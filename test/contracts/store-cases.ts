import { createHash } from 'node:crypto';
import { test } from 'vitest';
import {
  type Ability,
  type ListableStore,
  listAll,
  NO_PROPERTIES,
  type ObjectProperties,
  type Store,
} from '../../stores/store.js';

/** One store under test, on a container of its own. */
export interface StoreUnderTest {
  readonly store: Store;
  /** Puts an object behind the back of a store that cannot write. */
  put?(key: string, bytes: Uint8Array, contentType: string | null): Promise<void>;
  /** A store of the same kind, on a container that is not there: another one at each call. */
  openAbsent?(): Promise<Store>;
  /** How the store answers to a secret that is wrong. */
  readonly wrong?: {
    /** What must never be seen. */
    readonly secret: string;
    /** The variable the secret came from, as messages name it. */
    readonly variable: string;
    /** May reject already, if opening logs in. */
    open(): Promise<Store>;
  };
  close(): Promise<void>;
}

type With<A extends Ability> = Store & Required<Pick<Store, A>>;

/** A case that a store cannot pass. It runs, and must fail: what passes is not to be excused. */
export interface Excuse {
  readonly test: string;
  readonly reason: string;
}

/** Registers cases by the abilities a store is known to have, and its excuses. */
export function registerCases(
  abilities: readonly Ability[],
  skip: readonly Excuse[],
  store: () => Store,
  timeoutMs = 60_000,
) {
  const excuses = new Map(skip.map((one) => [one.test, one.reason]));
  return {
    test<A extends Ability>(
      title: string,
      needed: readonly A[],
      body: (store: With<A>) => Promise<void>,
    ): void {
      if (!needed.every((ability) => abilities.includes(ability))) return;
      const run = (): Promise<void> => body(store() as With<A>);
      const excuse = excuses.get(title);
      excuses.delete(title);
      if (excuse === undefined) test(title, run, timeoutMs);
      else test.fails(`${title} (not here: ${excuse})`, run, timeoutMs);
    },
    refuseUnknownExcuses(): void {
      if (excuses.size > 0) throw new Error(`excused, but no case of the contract: ${[...excuses.keys()]}`);
    },
  };
}

/** What the groups of cases are registered with. */
export interface Contract {
  readonly pageKeys: number;
  readonly missesWhileReplaced: boolean;
  under(): StoreUnderTest;
  /** A case for stores that have these abilities. */
  test<A extends Ability>(
    title: string,
    abilities: readonly A[],
    body: (store: With<A>) => Promise<void>,
  ): void;
  put(key: string, bytes: Uint8Array, contentType?: string | null): Promise<void>;
}

export const LIMIT = 10_000_000;
export const text = (word: string): Uint8Array => new TextEncoder().encode(word);
export const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');
export const properties = (bytes: Uint8Array, others: Partial<ObjectProperties> = {}) => ({
  ...NO_PROPERTIES,
  ...others,
  md5: md5(bytes),
});
export const coded = (code: string) => ({ kind: 'permanent', code });

/** Bytes without a pattern a shift or a swap of blocks could hide in, the same for the same seed. */
export function noise(size: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(size / 4));
  let x = (seed * 2_654_435_761) >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return new Uint8Array(words.buffer, 0, size);
}

export async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}

/** All keys with the prefix, sorted. */
export async function keysOf(store: Pick<ListableStore, 'listPage'>, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of listAll(store, prefix)) keys.push(key);
  return keys.sort();
}

/** The excuse of a store whose location has no credentials. */
export const noCredentials = (...operations: ('check' | 'read' | 'write' | 'list')[]) =>
  operations.map((operation) => ({
    test: `a wrong secret, to ${operation}: named by its variable, and not shown`,
    reason: 'it has no credentials',
  }));
