import { createHash } from 'node:crypto';
import { MemoryStore } from '../fakes/memory-store.js';
import { storeContract } from './store-contract.js';

storeContract('memory', async () => {
  const store = new MemoryStore();
  return {
    store,
    writable: store,
    put: (key, bytes) =>
      store.write(key, bytes, { contentType: null, md5: createHash('md5').update(bytes).digest('hex') }),
    close: () => store.close(),
  };
});
