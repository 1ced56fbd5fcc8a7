import { systemClock } from '../../runtime/clock.js';
import { silentLog } from '../../runtime/log.js';
import { createLimiter } from '../../stores/limiter.js';
import type { Ability } from '../../stores/store.js';
import { withCare } from '../../stores/wrap.js';
import { type MemoryOptions, memoryStore } from '../fakes/memory-store.js';
import { noCredentials } from './store-cases.js';
import { type StoreSetUp, storeContract } from './store-contract.js';

const ABILITIES: readonly Ability[] = [
  ...(['write', 'remove', 'createContainer', 'listPage', 'listFolder', 'readStream'] as const),
  ...(['partBytes', 'beginParts', 'writeStream'] as const),
  ...(['copyAddress', 'readStart', 'canCopyFrom', 'copyFrom'] as const),
];
const SET_UP: StoreSetUp = {
  abilities: ABILITIES,
  pageKeys: 3,
  skip: noCredentials('check', 'read', 'write', 'list'),
};

storeContract(
  'memory',
  async () => {
    const store = memoryStore();
    return { store, openAbsent: async () => memoryStore({ container: false }), close: () => store.close() };
  },
  SET_UP,
);

const clock = systemClock();
storeContract(
  'memory in its wrappers',
  async () => {
    const inWrappers = (options?: MemoryOptions) => {
      const {
        objects: _,
        unfinished: __,
        ...store
      } = withCare(memoryStore(options), {
        log: silentLog,
        limiter: createLimiter(100_000, clock),
        retry: { clock, random: Math.random },
      });
      return store;
    };
    const store = inWrappers();
    return { store, openAbsent: async () => inWrappers({ container: false }), close: () => store.close() };
  },
  SET_UP,
);
