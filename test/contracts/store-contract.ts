import { afterAll, beforeAll, describe, expect } from 'vitest';
import { type Ability, can, type Store } from '../../stores/store.js';
import { storeAccess } from './store-access-contract.js';
import { type Contract, type Excuse, properties, registerCases, type StoreUnderTest } from './store-cases.js';
import { storeCopies } from './store-copy-contract.js';
import { storeLarge } from './store-large-contract.js';
import { storeFolders, storeListing } from './store-listing-contract.js';
import { storeNames } from './store-names-contract.js';
import { storeReading } from './store-reading-contract.js';
import { storeWriting } from './store-writing-contract.js';

/** What is known of a store before it is opened: the cases are registered by it. */
export interface StoreSetUp {
  /** All abilities of the store, no more and no less. */
  readonly abilities: readonly Ability[];
  /** Keys on one page of its listing; 1000 if absent. A page per folder counts as 1. */
  readonly pageKeys?: number;
  /**
   * A reader may be told `not-found` while the object is replaced: Swift's object server lists an object's files, then
   * opens the newest, which a writer may have removed meanwhile. Where there are several replicas the proxy asks the next.
   */
  readonly missesWhileReplaced?: boolean;
  /** Cases that this store cannot pass. They run, and must fail: what passes is not to be excused. */
  readonly skip?: readonly Excuse[];
}

/**
 * What stores/store.ts promises, for any store. What a particular store promises beyond it is tested beside its
 * adapter, and what it does in spite of faults in `store-faults.ts`.
 */
export function storeContract(
  name: string,
  open: () => Promise<StoreUnderTest>,
  { abilities, pageKeys = 1000, missesWhileReplaced = false, skip = [] }: StoreSetUp,
): void {
  describe(`store contract: ${name}`, () => {
    let opened: StoreUnderTest | undefined;
    const under = (): StoreUnderTest => {
      if (opened === undefined) throw new Error('the store under test did not open');
      return opened;
    };
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened?.close());

    const cases = registerCases(abilities, skip, () => under().store);
    const contract: Contract = {
      ...{ pageKeys, missesWhileReplaced },
      under,
      test: cases.test,
      async put(key, bytes, contentType = null) {
        const { store, put } = under();
        if (can(store, 'write')) await store.write(key, bytes, properties(bytes, { contentType }));
        else if (put !== undefined) await put(key, bytes, contentType);
        else throw new Error('a store that cannot write needs a `put` in its set-up');
      },
    };

    contract.test(
      'has the abilities its set-up names, as an object that wrappers can spread',
      [],
      async (store) => {
        expect(Object.getPrototypeOf(store)).toBe(Object.prototype);
        const methods = Object.keys(store).filter((key) => typeof store[key as keyof Store] === 'function');
        // Wrappers call methods without their object.
        const { check } = store;
        await check();
        expect(methods.sort()).toEqual([...abilities, 'check', 'close', 'head', 'read'].sort());
      },
    );
    storeReading(contract);
    storeNames(contract);
    storeWriting(contract);
    storeListing(contract);
    storeFolders(contract);
    storeAccess(contract);
    storeLarge(contract);
    storeCopies(contract);

    cases.refuseUnknownExcuses();
  });
}
