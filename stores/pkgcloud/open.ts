import { randomUUID } from 'node:crypto';
import { systemClock } from '../../runtime/clock.js';
import { UsageError } from '../../runtime/errors.js';
import { azureAccess } from '../azure/credentials.js';
import type { StoreEnvironment } from '../environment.js';
import { refuseUnheld } from '../limits.js';
import type { Location } from '../location.js';
import type { ListableStore, Store, StreamReadableStore, WritableStore } from '../store.js';
import type { SwiftCredentials } from '../swift/credentials.js';
import { azureCarrier } from './azure.js';
import { loadPkgcloud } from './client.js';
import { pkgcloudSession } from './swift.js';

type PkgcloudLocation = Location & { readonly kind: 'pkgcloud' };

export interface PkgcloudOptions {
  /** How long one request may take in all, and a stream without a chunk, in ms. */
  readonly timeoutMs?: number;
  /** Keys on a page of a listing. */
  readonly pageKeys?: number;
  /** Of a large object's parts. */
  readonly partBytes?: number;
}

/**
 * The drivers of stores/swift, stores/s3 and stores/azure, whose requests pkgcloud logs in for, signs and carries.
 * Throws a `UsageError` where pkgcloud is not installed, or a variable is missing or cannot be right.
 */
export async function openPkgcloud(
  location: PkgcloudLocation,
  env: StoreEnvironment,
  options: PkgcloudOptions = {},
): Promise<Store> {
  switch (location.provider) {
    case 'rackspace':
    case 'openstack':
      return openSwift(location, location.provider, env, options);
    case 'amazon':
      return openAmazon(location, env, options);
    case 'azure':
      return openAzure(location, env, options);
  }
}

async function openSwift(
  location: PkgcloudLocation,
  provider: 'rackspace' | 'openstack',
  env: StoreEnvironment,
  options: PkgcloudOptions,
): Promise<Store> {
  const { swiftCredentials } = await import('../swift/credentials.js');
  const { swiftStore } = await import('../swift/store.js');
  const credentials = swiftCredentials(env, [provider === 'rackspace' ? 'RAX_' : 'OS_']);
  const login = loginOf(credentials, env);
  const create = await loadPkgcloud(provider);
  const { session, carrier } = pkgcloudSession(() => create(login), credentials.variables, options.timeoutMs);
  return named(location, swiftStore(session, location, { ...options, carrier }));
}

/** What pkgcloud logs in with. Its v1 login asks at every request, and it knows no application credentials. */
function loginOf(credentials: SwiftCredentials, env: StoreEnvironment): Record<string, unknown> {
  const unable = (what: string): Error =>
    new UsageError(`pkgcloud cannot log in with ${what}: use swift:// for it`);
  if (credentials.kind === 'token') throw unable(env.nameOf('OS_AUTH_TOKEN'));
  if (credentials.kind === 'v1') throw unable(env.nameOf('ST_AUTH'));
  if (credentials.storageUrl !== null) throw unable(env.nameOf('OS_STORAGE_URL'));
  if (env.get('OS_CACERT') !== undefined)
    throw new UsageError(
      `pkgcloud cannot be told ${env.nameOf('OS_CACERT')}: give the file in NODE_EXTRA_CA_CERTS`,
    );
  const { authUrl, wanted } = credentials;
  const common = {
    authUrl: authUrl.replace(/\/v[23](\.0)?$/, ''),
    region: wanted.region ?? undefined,
    useInternal: wanted.interface === 'internal',
    // Or it would log in anew by itself, in the middle of a request.
    earlyTokenTimeout: 0,
  };
  if (credentials.kind === 'v2') {
    const { identity, tenant } = credentials;
    return { ...common, ...identity, ...(tenant === null ? {} : projectOf(tenant)) };
  }
  const { identity, project } = credentials;
  if (!('user' in identity)) throw unable(env.nameOf('OS_APPLICATION_CREDENTIAL_SECRET'));
  const { user, password } = identity;
  if (!('name' in user)) throw unable(env.nameOf('OS_USER_ID'));
  const { domain } = user;
  return {
    ...{ ...common, keystoneAuthVersion: 'v3', username: user.name, password },
    ...('id' in domain ? { domainId: domain.id } : { domainName: domain.name }),
    ...(project === null ? {} : projectOf(project)),
  };
}

function projectOf(
  project:
    | { readonly id: string }
    | {
        readonly name: string;
        readonly domain?: { readonly id: string } | { readonly name: string };
      },
): Record<string, string> {
  if ('id' in project) return { tenantId: project.id };
  const { name, domain } = project;
  return {
    tenantName: name,
    ...(domain === undefined
      ? {}
      : 'id' in domain
        ? { projectDomainId: domain.id }
        : { projectDomainName: domain.name }),
  };
}

async function openAmazon(
  location: PkgcloudLocation,
  env: StoreEnvironment,
  options: PkgcloudOptions,
): Promise<Store> {
  const { readS3Settings } = await import('../s3/open.js');
  const { s3Store } = await import('../s3/store.js');
  const { amazonCarrier } = await import('./amazon.js');
  const { container, prefix } = location;
  const { settings, ca } = await readS3Settings(container, env);
  const { accessKeyId, secretAccessKey, sessionToken } = settings.credentials;
  const create = await loadPkgcloud('amazon');
  const client = create({
    ...{ keyId: accessKeyId, key: secretAccessKey, region: settings.region, forcePathBucket: true },
    ...(sessionToken === null ? {} : { sessionToken }),
    endpoint: settings.origin,
  });
  const carrier = amazonCarrier(client, settings.origin.startsWith('https:'), ca);
  const store = s3Store(settings, {
    ...{ bucket: container, prefix, clock: systemClock(), ca, carrier },
    ...options,
  });
  return named(location, store);
}

/** Of one request in pkgcloud's version of the service, 2011-08-18. */
const AZURE_WRITE_BYTES = 64 * 1024 ** 2;

/** Only with an account's key, which pkgcloud signs with. Blocks and copies are for later versions of the service. */
async function openAzure(
  location: PkgcloudLocation,
  env: StoreEnvironment,
  options: PkgcloudOptions,
): Promise<Store> {
  const { azureStore } = await import('../azure/store.js');
  const clock = systemClock();
  const account = env.get('AZURE_STORAGE_ACCOUNT') ?? accountIn(env);
  const access = azureAccess(account, env, clock.now());
  if (access.auth.kind !== 'key')
    throw new UsageError(
      `pkgcloud signs with an account's key only: set ${env.nameOf('AZURE_STORAGE_KEY')}, or use azure:// for a shared access signature`,
    );
  const create = await loadPkgcloud('azure');
  const client = create({ storageAccount: account, storageAccessKey: access.auth.key });
  const { container, prefix } = location;
  const { timeoutMs, pageKeys } = options;
  const whole = azureStore({
    ...{ access, container, prefix, clock, nonce: randomUUID, carrier: azureCarrier(client) },
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(pageKeys === undefined ? {} : { pageObjects: pageKeys }),
  });
  const { check, head, read, remove, createContainer, listPage, listFolder, readStream, close } = whole;
  const limits = { ...whole.traits.limits, writeBytes: AZURE_WRITE_BYTES };
  const store: WritableStore & ListableStore & StreamReadableStore = {
    ...{ name: whole.name, check, head, read, remove, createContainer, readStream, close },
    ...{ listPage, listFolder },
    traits: { ...whole.traits, limits },
    async write(key, bytes, properties, signal) {
      refuseUnheld(limits, key, bytes.length, properties);
      await whole.write(key, bytes, properties, signal);
    },
  };
  return named(location, store);
}

function accountIn(env: StoreEnvironment): string {
  const variable = 'AZURE_STORAGE_CONNECTION_STRING';
  const [, account] = /(?:^|;)\s*AccountName=([^;]*)/i.exec(env.get(variable) ?? '') ?? [];
  if (account === undefined)
    throw new UsageError(
      `${env.nameOf('AZURE_STORAGE_ACCOUNT')} is not set, nor an AccountName in ${env.nameOf(variable)}: whose container is it?`,
    );
  return account;
}

function named<S extends Store>({ provider, container, prefix }: PkgcloudLocation, store: S): S {
  const path = [container, ...(prefix === '' ? [] : prefix.split('/'))].map(encodeURIComponent).join('/');
  return { ...store, name: `pkgcloud+${provider}://${path}` };
}
