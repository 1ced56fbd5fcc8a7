import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../runtime/clock.js';
import { silentLog } from '../../runtime/log.js';
import { filesystemStore } from '../../stores/filesystem.js';
import { createLimiter } from '../../stores/limiter.js';
import { openDestination } from '../../stores/open.js';
import { can, type Store } from '../../stores/store.js';
import { noCredentials, type StoreUnderTest } from './store-cases.js';
import { type StoreSetUp, storeContract } from './store-contract.js';

const ON_DISK: StoreSetUp = {
  abilities: [
    'write',
    'remove',
    'createContainer',
    'listPage',
    'listFolder',
    'readStream',
    'partBytes',
    'beginParts',
  ],
  skip: noCredentials('check', 'read', 'write', 'list'),
};

function onDisk(open: (directory: string) => Promise<Store>) {
  return async (): Promise<StoreUnderTest> => {
    const directory = mkdtempSync(join(tmpdir(), 'convoy-store-'));
    const store = await open(join(directory, 'a folder'));
    if (can(store, 'createContainer')) await store.createContainer();
    let absent = 0;
    return {
      store,
      openAbsent: () => open(join(directory, `absent-${absent++}`)),
      async close() {
        await store.close();
        rmSync(directory, { recursive: true });
      },
    };
  };
}

storeContract(
  'filesystem',
  onDisk(async (directory) => filesystemStore(directory)),
  ON_DISK,
);

const clock = systemClock();
storeContract(
  'filesystem in its wrappers',
  onDisk(async (directory) => {
    return openDestination(`file://${encodeURI(directory)}`, {
      log: silentLog,
      env: {},
      retry: { clock, random: Math.random },
      limiter: createLimiter(10_000, clock),
    });
  }),
  ON_DISK,
);
