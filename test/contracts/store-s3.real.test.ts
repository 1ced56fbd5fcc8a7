import { systemClock } from '../../runtime/clock.js';
import { type S3Settings, s3Settings } from '../../stores/s3/settings.js';
import { type S3Store, s3Store } from '../../stores/s3/store.js';
import { useGround } from '../support/services.js';
import { type SwiftServer, startSwift } from '../support/stores/swift.js';
import { storeContract } from './store-contract.js';

const ground = useGround('store-s3');
const PAGE_KEYS = 20;

storeContract(
  "s3, on Swift's s3api",
  async () => {
    const swift = await startSwift(ground);
    let buckets = 0;
    const openIn = (bucket: string, secret?: string): S3Store =>
      s3Store(settings(swift, bucket, secret), {
        ...{ bucket, prefix: 'a folder/100%', clock: systemClock(), ca: null },
        ...{ pageKeys: PAGE_KEYS, partBytes: 5 * 1024 ** 2 },
      });
    const store = openIn('contract');
    await store.createContainer();
    return {
      store,
      openAbsent: async () => openIn(`absent-${buckets++}`),
      wrong: {
        secret: 'not-the-secret-81624',
        variable: 'AWS_SECRET_ACCESS_KEY',
        open: async () => openIn('contract', 'not-the-secret-81624'),
      },
      close: () => store.close(),
    };
  },
  {
    abilities: [
      ...['write', 'remove', 'createContainer', 'listPage', 'readStream'],
      ...['partBytes', 'beginParts', 'copyAddress', 'readStart', 'canCopyFrom', 'copyFrom'],
    ] as const,
    pageKeys: PAGE_KEYS,
    skip: [
      {
        test: 'a metadata value of 500 bytes comes back, or is refused by name',
        reason: "S3 takes 2 KB, this server's Swift only 256 bytes: it answers InternalError",
      },
    ],
  },
);

function settings({ s3 }: SwiftServer, bucket: string, secret = s3.secretKey): S3Settings {
  const variables: Record<string, string> = {
    AWS_ACCESS_KEY_ID: s3.accessKey,
    AWS_SECRET_ACCESS_KEY: secret,
    AWS_ENDPOINT_URL_S3: s3.endpoint,
  };
  const none = { path: 'none', text: null };
  return s3Settings(
    bucket,
    { get: (name) => variables[name], nameOf: (name) => name },
    { credentials: none, config: none },
  );
}
