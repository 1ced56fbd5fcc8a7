import { storeEnvironment } from '../../stores/environment.js';
import { swiftSession } from '../../stores/swift/auth.js';
import { swiftStore } from '../../stores/swift/store.js';
import { useGround } from '../support/services.js';
import { startSwift } from '../support/stores/swift.js';
import { storeContract } from './store-contract.js';

const ground = useGround('store-swift');
const server = startSwift(ground);
let containers = 0;

/** A container of its own, below a prefix that needs encoding. */
async function open(env: NodeJS.ProcessEnv = {}, container = `contract ${containers++}`) {
  const { authUrl, user, key } = await server;
  const session = await swiftSession(
    storeEnvironment({ ST_AUTH: authUrl, ST_USER: user, ST_KEY: key, ...env }),
  );
  return swiftStore(session, { container, prefix: 'pre fix/ü%3F' }, { partBytes: 1024 ** 2 });
}

storeContract(
  'swift',
  async () => {
    const store = await open();
    await store.createContainer();
    const secret = 'no-such-key-2Zx9';
    return {
      store,
      openAbsent: () => open(),
      wrong: { secret, variable: 'ST_KEY', open: () => open({ ST_KEY: secret }) },
      close: () => store.close(),
    };
  },
  {
    abilities: [
      ...([
        'write',
        'remove',
        'createContainer',
        'listPage',
        'readStream',
        'partBytes',
        'beginParts',
      ] as const),
      ...(['copyAddress', 'readStart', 'canCopyFrom', 'copyFrom'] as const),
    ],
  },
);
