import { storeEnvironment } from '../../stores/environment.js';
import { swiftSession } from '../../stores/swift/auth.js';
import type { SwiftLogin, SwiftSession } from '../../stores/swift/session.js';
import { type SwiftStore, type SwiftStoreOptions, swiftStore } from '../../stores/swift/store.js';
import { useGround } from '../support/services.js';
import { startSwift } from '../support/stores/swift.js';
import { storeContract } from './store-contract.js';
import { storeFaults } from './store-faults.js';

const ground = useGround('store-swift');
const swift = startSwift(ground);
const PAGE_KEYS = 20;
const ABILITIES = [
  ...([
    'write',
    'remove',
    'createContainer',
    'listPage',
    'listFolder',
    'readStream',
    'partBytes',
    'beginParts',
  ] as const),
  ...(['copyAddress', 'readStart', 'canCopyFrom', 'copyFrom'] as const),
];
let containers = 0;

async function sessionAt(key?: string): Promise<SwiftSession> {
  const server = await swift;
  const env = { ST_AUTH: server.authUrl, ST_USER: server.user, ST_KEY: key ?? server.key };
  return swiftSession(storeEnvironment(env));
}

/** On a container of its own, below a prefix that needs encoding. */
function open(session: SwiftSession, options: SwiftStoreOptions = {}, container?: string): SwiftStore {
  const location = { container: container ?? `contract ${containers++}`, prefix: 'pre fix/ü%3F' };
  return swiftStore(session, location, { partBytes: 1024 ** 2, pageKeys: PAGE_KEYS, ...options });
}

storeContract(
  'swift',
  async () => {
    const store = open(await sessionAt());
    await store.createContainer();
    const secret = 'no-such-key-2Zx9';
    return {
      store,
      openAbsent: async () => open(await sessionAt()),
      wrong: { secret, variable: 'ST_KEY', open: async () => open(await sessionAt(secret)) },
      close: () => store.close(),
    };
  },
  { abilities: ABILITIES, pageKeys: PAGE_KEYS, missesWhileReplaced: true },
);

/** Logs in at the server itself, and has the objects behind the proxy. */
function behind(url: string, session: SwiftSession): SwiftSession {
  const originals = new Map<SwiftLogin, SwiftLogin>();
  const moved = (login: SwiftLogin): SwiftLogin => {
    const one = { ...login, storageUrl: url + new URL(login.storageUrl).pathname };
    originals.set(one, login);
    return one;
  };
  return {
    ...session,
    login: async (signal) => moved(await session.login(signal)),
    renew: async (refused, signal) => moved(await session.renew(originals.get(refused) ?? refused, signal)),
  };
}

storeFaults(
  'swift',
  async () => ({
    target: (await swift).url,
    async open(url, { timeoutMs }) {
      const store = open(behind(url, await sessionAt()), { timeoutMs }, 'faults');
      await store.createContainer();
      return store;
    },
    close: async () => undefined,
  }),
  { abilities: ABILITIES, renewsTokens: true },
);
