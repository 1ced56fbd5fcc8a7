import { randomBytes } from 'node:crypto';
import { storeEnvironment } from '../../stores/environment.js';
import type { PkgcloudProvider } from '../../stores/location.js';
import { openPkgcloud, type PkgcloudOptions } from '../../stores/pkgcloud/open.js';
import type { Ability, Store } from '../../stores/store.js';
import { useGround } from '../support/services.js';
import { startAzurite } from '../support/stores/azurite.js';
import { startAzurite2011 } from '../support/stores/azurite-2011.js';
import { startIdentityV2 } from '../support/stores/identity-v2.js';
import { startSwift } from '../support/stores/swift.js';
import { type StoreSetUp, storeContract } from './store-contract.js';
import { storeFaults } from './store-faults.js';

const ground = useGround('store-pkgcloud');
const swift = startSwift(ground);
const azurite = startAzurite(ground);
const PAGE_KEYS = 20;
const SMALL: readonly Ability[] = [
  'write',
  'remove',
  'createContainer',
  'listPage',
  'listFolder',
  'readStream',
];
const ALL: readonly Ability[] = [
  ...SMALL,
  ...(['partBytes', 'beginParts', 'copyAddress', 'readStart', 'canCopyFrom', 'copyFrom'] as const),
];
let containers = 0;

type Variables = Readonly<Record<string, string>>;

interface Provider {
  readonly provider: PkgcloudProvider;
  /** What opens it at the server, or at a proxy in front of it. */
  variables(server: string): Promise<Variables>;
  /** The server that a proxy is put in front of. */
  server(): Promise<string>;
  /** The variable of the secret, and a wrong one. */
  readonly wrong: readonly [variable: string, secret: string];
  readonly setUp: StoreSetUp;
  readonly renewsTokens?: boolean;
}

function open(
  { provider }: Provider,
  variables: Variables,
  container: string,
  options: PkgcloudOptions = {},
): Promise<Store> {
  return openPkgcloud(
    { kind: 'pkgcloud', provider, container, prefix: 'pre fix/ü%3F' },
    storeEnvironment(variables),
    { pageKeys: PAGE_KEYS, partBytes: provider === 'amazon' ? 5 * 1024 ** 2 : 1024 ** 2, ...options },
  );
}

/** The login is asked at its own server, and names the storage behind the proxy. */
async function identityFor(server: string): Promise<string> {
  const real = await swift;
  const { authUrl } = await startIdentityV2({
    ...real,
    storageUrl: real.storageUrl.replace(real.url, server),
  });
  return authUrl;
}

const swiftServer = async (): Promise<string> => (await swift).url;
/** Rackspace's API key is another way to log in, to the same driver by the same client: test/services/stores/pkgcloud. */
const openstack: Provider = {
  provider: 'openstack',
  server: swiftServer,
  async variables(server) {
    const { user, key } = await swift;
    const login = { OS_USERNAME: user, OS_PASSWORD: key, OS_TENANT_NAME: 'test', OS_REGION_NAME: 'DFW' };
    return { ...login, OS_AUTH_URL: await identityFor(server) };
  },
  wrong: ['OS_PASSWORD', 'no-such-password-81c2'],
  setUp: { abilities: ALL, pageKeys: PAGE_KEYS, missesWhileReplaced: true },
  renewsTokens: true,
};
const amazon: Provider = {
  provider: 'amazon',
  server: swiftServer,
  async variables(server) {
    const { accessKey, secretKey } = (await swift).s3;
    return {
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_ENDPOINT_URL_S3: server,
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    };
  },
  wrong: ['AWS_SECRET_ACCESS_KEY', 'no-such-secret-81c2'],
  setUp: {
    abilities: ALL,
    pageKeys: PAGE_KEYS,
    missesWhileReplaced: true,
    skip: [
      {
        test: 'a metadata value of 500 bytes comes back, or is refused by name',
        reason: "S3 takes 2 KB, this server's Swift only 256 bytes: it answers InternalError",
      },
    ],
  },
};
let front: Promise<string> | undefined;
async function azureServer(): Promise<string> {
  front ??= azurite.then(startAzurite2011);
  return new URL(await front).origin;
}
const azure: Provider = {
  provider: 'azure',
  server: azureServer,
  async variables(server) {
    const { account, key } = await azurite;
    const parts = { AccountName: account, AccountKey: key, BlobEndpoint: `${server}/${account}` };
    return {
      AZURE_STORAGE_CONNECTION_STRING: Object.entries(parts)
        .map(([name, value]) => `${name}=${value}`)
        .join(';'),
    };
  },
  wrong: ['AZURE_STORAGE_CONNECTION_STRING', randomBytes(64).toString('base64')],
  setUp: {
    abilities: SMALL,
    pageKeys: PAGE_KEYS,
    skip: ['.hidden/..visible/...', 'dot at the end.', 'folder./name'].map((name) => ({
      test: `holds the name ${JSON.stringify(name)} exactly`,
      reason: 'the service may drop a dot at the end of a part, so it is refused by name',
    })),
  },
};

function withWrong({ wrong: [variable, secret] }: Provider, variables: Variables): Variables {
  if (variable !== 'AZURE_STORAGE_CONNECTION_STRING') return { ...variables, [variable]: secret };
  return { [variable]: (variables[variable] ?? '').replace(/AccountKey=[^;]*/, `AccountKey=${secret}`) };
}

for (const one of [openstack, amazon, azure]) {
  const name = `pkgcloud+${one.provider}`;
  const container = (): string => `${one.provider}-${++containers}`;
  storeContract(
    name,
    async () => {
      const variables = await one.variables(await one.server());
      const store = await open(one, variables, container());
      await store.createContainer?.();
      const [variable, secret] = one.wrong;
      return {
        store,
        openAbsent: () => open(one, variables, container()),
        wrong: { variable, secret, open: () => open(one, withWrong(one, variables), 'any') },
        close: () => store.close(),
      };
    },
    one.setUp,
  );
}

// One of each way requests are carried: by the login's token, by aws-sdk 2, by a signature of pkgcloud's own.
for (const one of [openstack, amazon, azure])
  storeFaults(
    `pkgcloud+${one.provider}`,
    async () => ({
      target: await one.server(),
      async open(url, { timeoutMs }) {
        const store = await open(one, await one.variables(url), 'faults', { timeoutMs });
        await store.createContainer?.();
        return store;
      },
      close: async () => undefined,
    }),
    {
      ...{ abilities: one.setUp.abilities, renewsTokens: one.renewsTokens ?? false },
      skip:
        one.provider === 'amazon'
          ? [
              {
                test: '403 is permanent/forbidden, and asked only once',
                reason: 'an answer to HEAD has no reason in it, so the bucket is asked for one',
              },
            ]
          : [],
    },
  );
