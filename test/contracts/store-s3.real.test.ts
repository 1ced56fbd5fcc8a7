import { systemClock } from '../../runtime/clock.js';
import { type S3Settings, s3Settings } from '../../stores/s3/settings.js';
import { type S3Store, s3Store } from '../../stores/s3/store.js';
import type { Ability } from '../../stores/store.js';
import { useGround } from '../support/services.js';
import { type SwiftServer, startSwift } from '../support/stores/swift.js';
import { storeContract } from './store-contract.js';
import { storeFaults } from './store-faults.js';

const ABILITIES: readonly Ability[] = [
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
const PAGE_KEYS = 20;
const WRONG_SECRET = 'not-the-secret-81624';

const ground = useGround('store-s3');
let server: Promise<SwiftServer> | undefined;
let buckets = 0;

/** One Swift for both suites. */
function swift(): Promise<SwiftServer> {
  server ??= startSwift(ground);
  return server;
}

function openIn(bucket: string, settings: S3Settings, timeoutMs = 30_000): S3Store {
  return s3Store(settings, {
    ...{ bucket, prefix: 'a folder/100%', clock: systemClock(), ca: null, timeoutMs },
    ...{ pageKeys: PAGE_KEYS, partBytes: 5 * 1024 ** 2 },
  });
}

function settingsOf({ s3 }: SwiftServer, bucket: string, endpoint: string, secret = s3.secretKey) {
  const variables: Record<string, string> = {
    AWS_ACCESS_KEY_ID: s3.accessKey,
    AWS_SECRET_ACCESS_KEY: secret,
    AWS_ENDPOINT_URL_S3: endpoint,
  };
  const none = { path: 'none', text: null };
  const env = { get: (name: string) => variables[name], nameOf: (name: string) => name };
  return s3Settings(bucket, env, { credentials: none, config: none });
}

storeContract(
  "s3, on Swift's s3api",
  async () => {
    const at = await swift();
    const open = (bucket: string, secret?: string): S3Store =>
      openIn(bucket, settingsOf(at, bucket, at.s3.endpoint, secret));
    const store = open('contract');
    await store.createContainer();
    return {
      store,
      openAbsent: async () => open(`absent-${buckets++}`),
      wrong: {
        ...{ secret: WRONG_SECRET, variable: 'AWS_SECRET_ACCESS_KEY' },
        open: async () => open('contract', WRONG_SECRET),
      },
      close: () => store.close(),
    };
  },
  {
    abilities: ABILITIES,
    pageKeys: PAGE_KEYS,
    missesWhileReplaced: true,
    skip: [
      {
        test: 'a metadata value of 500 bytes comes back, or is refused by name',
        reason: "S3 takes 2 KB, this server's Swift only 256 bytes: it answers InternalError",
      },
    ],
  },
);

storeFaults(
  "s3, on Swift's s3api",
  async () => {
    const at = await swift();
    const { endpoint } = at.s3;
    const store = openIn('faults', settingsOf(at, 'faults', endpoint));
    await store.createContainer();
    return {
      target: endpoint,
      open: async (url, { timeoutMs }) => openIn('faults', settingsOf(at, 'faults', url), timeoutMs),
      close: () => store.close(),
    };
  },
  {
    abilities: ABILITIES,
    skip: [
      {
        test: '403 is permanent/forbidden, and asked only once',
        reason: 'an answer to HEAD has no body: why it is refused, the bucket is asked',
      },
    ],
  },
);
