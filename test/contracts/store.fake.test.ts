import { createHash } from 'node:crypto';
import { NO_PROPERTIES } from '../../stores/store.js';
import { memoryStore } from '../fakes/memory-store.js';
import { storeContract } from './store-contract.js';

storeContract('memory', async () => {
  const store = memoryStore();
  return {
    store,
    writable: store,
    put: (key, bytes) =>
      store.write(key, bytes, { ...NO_PROPERTIES, md5: createHash('md5').update(bytes).digest('hex') }),
    close: () => store.close(),
  };
});
