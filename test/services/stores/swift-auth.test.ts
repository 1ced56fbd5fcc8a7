import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { storeEnvironment } from '../../../stores/environment.js';
import { openPkgcloud } from '../../../stores/pkgcloud/open.js';
import { NO_PROPERTIES } from '../../../stores/store.js';
import { swiftSession } from '../../../stores/swift/auth.js';
import type { SwiftLogin } from '../../../stores/swift/session.js';
import { swiftStore } from '../../../stores/swift/store.js';
import { useGround } from '../../support/services.js';
import { startIdentityV2 } from '../../support/stores/identity-v2.js';
import { startKeystone } from '../../support/stores/keystone.js';
import { startSwift } from '../../support/stores/swift.js';

const ground = useGround('swift-auth');
const keystone = await startKeystone(ground);
const swift = await startSwift(ground, { keystone });
const identity = await startIdentityV2(swift);
await keystone.offer('internal', 'RegionOne', `http://localhost:${swift.port}/v1/KEY_%(project_id)s`);

type Variables = Readonly<Record<string, string>>;
const session = (env: Variables) => swiftSession(storeEnvironment(env));

const V1 = { ST_AUTH: swift.authUrl, ST_USER: swift.user, ST_KEY: swift.key };
const V2 = {
  OS_AUTH_URL: identity.authUrl,
  OS_USERNAME: swift.user,
  OS_PASSWORD: swift.key,
  OS_TENANT_NAME: identity.tenant,
};
const RAX = { RAX_AUTH_URL: identity.authUrl, RAX_USERNAME: swift.user, RAX_API_KEY: swift.key };
const V3 = {
  OS_AUTH_URL: keystone.authUrl,
  OS_USERNAME: keystone.user.name,
  OS_PASSWORD: keystone.user.password,
  OS_USER_DOMAIN_NAME: keystone.domain.name,
  OS_PROJECT_NAME: keystone.project.name,
  OS_PROJECT_DOMAIN_ID: keystone.domain.id,
};
const ADMIN = {
  OS_AUTH_URL: keystone.url,
  OS_USERNAME: keystone.admin.user,
  OS_PASSWORD: keystone.admin.password,
  OS_PROJECT_NAME: 'admin',
};

/** Whether Swift lets the token in to the account. */
async function works({ storageUrl, token }: SwiftLogin): Promise<boolean> {
  return (await fetch(storageUrl, { method: 'HEAD', headers: { 'x-auth-token': token } })).ok;
}

async function refusal(env: Variables): Promise<{ readonly message: string }> {
  const opened = await session(env);
  const error = await opened.login().then(
    () => expect.unreachable('the login was let in'),
    (reason: unknown) => reason,
  );
  await opened.close();
  expect(error).toMatchObject({ kind: 'permanent', code: 'wrong-credentials' });
  return error as { readonly message: string };
}

const application = await keystone.applicationCredential('convoy');
const APPLICATION = {
  OS_AUTH_TYPE: 'v3applicationcredential',
  OS_AUTH_URL: keystone.authUrl,
  OS_APPLICATION_CREDENTIAL_ID: application.id,
  OS_APPLICATION_CREDENTIAL_SECRET: application.secret,
};
const { OS_APPLICATION_CREDENTIAL_ID: _, ...WITHOUT_ID } = APPLICATION;
const project = keystone.project.id;

describe('a login opens the account', () => {
  test.each<[string, Variables, string]>([
    ['v1', V1, swift.storageUrl],
    ['v2.0 by password', V2, swift.storageUrl],
    ['Rackspace by API key', RAX, swift.storageUrl],
    ['v3 by password', V3, `${swift.url}/v1/KEY_${project}`],
    [
      'v3 at an address without version',
      { ...V3, OS_AUTH_URL: keystone.url },
      `${swift.url}/v1/KEY_${project}`,
    ],
    [
      'v3 by ids',
      { ...V3, OS_USERNAME: '', OS_USER_ID: keystone.user.id, OS_PROJECT_NAME: '', OS_PROJECT_ID: project },
      `${swift.url}/v1/KEY_${project}`,
    ],
    ['v3 by application credential', APPLICATION, `${swift.url}/v1/KEY_${project}`],
    [
      'v3 by the name of an application credential',
      {
        ...WITHOUT_ID,
        OS_APPLICATION_CREDENTIAL_NAME: 'convoy',
        OS_USERNAME: keystone.user.name,
        OS_USER_DOMAIN_ID: keystone.domain.id,
      },
      `${swift.url}/v1/KEY_${project}`,
    ],
    [
      'v3 within the provider',
      { ...V3, OS_INTERFACE: 'internal', OS_REGION_NAME: 'RegionOne' },
      `http://localhost:${swift.port}/v1/KEY_${project}`,
    ],
    [
      'Rackspace within the provider',
      { ...RAX, OS_ENDPOINT_TYPE: 'internalURL' },
      swift.storageUrl.replace('127.0.0.1', 'localhost'),
    ],
  ])('%s', async (_, env, storageUrl) => {
    const opened = await session(env);
    const login = await opened.login();
    expect(login.storageUrl).toBe(storageUrl);
    expect(await works(login)).toBe(true);
    expect(await opened.login()).toBe(login);
    await opened.close();
  });

  test('v3 without a domain: the default one', async () => {
    const opened = await session(ADMIN);
    expect((await opened.login()).storageUrl).toMatch(/\/v1\/KEY_[0-9a-f]{32}$/);
    await opened.close();
  });

  test('a token and an address that are given', async () => {
    const by = await session(V1);
    const { token, storageUrl } = await by.login();
    const opened = await session({ OS_AUTH_TOKEN: token, OS_STORAGE_URL: storageUrl });
    expect(await works(await opened.login())).toBe(true);
    await expect(opened.renew(await opened.login())).rejects.toMatchObject({
      kind: 'permanent',
      code: 'wrong-credentials',
      message: 'the token of OS_AUTH_TOKEN is refused, and there are no credentials for another',
    });
    await Promise.all([by.close(), opened.close()]);
  });
});

describe('a login that is refused names its variables', () => {
  const WRONG = 'not-the-word';
  test.each<[string, Variables, string]>([
    ['v1', { ...V1, ST_KEY: WRONG }, 'ST_USER and ST_KEY'],
    ['v2.0', { ...V2, OS_PASSWORD: WRONG }, 'OS_USERNAME, OS_PASSWORD and OS_TENANT_NAME'],
    ['Rackspace', { ...RAX, RAX_API_KEY: WRONG }, 'RAX_USERNAME and RAX_API_KEY'],
    [
      'v3',
      { ...V3, OS_PASSWORD: WRONG },
      'OS_USERNAME, OS_USER_DOMAIN_NAME, OS_PASSWORD, OS_PROJECT_NAME and OS_PROJECT_DOMAIN_ID',
    ],
    [
      'v3, wrong project',
      { ...V3, OS_PROJECT_NAME: WRONG },
      'OS_USERNAME, OS_USER_DOMAIN_NAME, OS_PASSWORD, OS_PROJECT_NAME and OS_PROJECT_DOMAIN_ID',
    ],
    [
      'application credential',
      { ...APPLICATION, OS_APPLICATION_CREDENTIAL_SECRET: WRONG },
      'OS_APPLICATION_CREDENTIAL_ID and OS_APPLICATION_CREDENTIAL_SECRET',
    ],
  ])('%s', async (_, env, variables) => {
    const { message } = await refusal(env);
    expect(message).toMatch(/: HTTP 401, the login is refused: check /);
    expect(message.endsWith(`check ${variables}`)).toBe(true);
    expect(message).not.toContain(WRONG);
  });

  test('a region that is not there: which are', async () => {
    expect((await refusal({ ...V3, OS_REGION_NAME: 'Elsewhere' })).message).toBe(
      `login at ${keystone.authUrl} (OS_AUTH_URL): no object storage in the region "Elsewhere" of OS_REGION_NAME, only in RegionOne`,
    );
  });

  test('several regions and none asked for: which there are', async () => {
    identity.regions = ['DFW', 'ORD'];
    const { message } = await refusal(RAX);
    expect(message).toMatch(/there is object storage in DFW and ORD: set RAX_REGION to one of them$/);
    identity.homeRegion = 'DFW';
    const opened = await session(RAX);
    expect((await opened.login()).storageUrl).toBe(swift.storageUrl);
    await opened.close();
  });

  test('an address that answers 300 Multiple Choices', async () => {
    expect((await refusal({ ...V1, ST_AUTH: keystone.url })).message).toBe(
      `login at ${keystone.url} (ST_AUTH): HTTP 300, the login is elsewhere: check ST_AUTH`,
    );
  });

  test('a server of another kind', async () => {
    expect((await refusal({ ...V3, OS_AUTH_URL: swift.url })).message).toMatch(
      /HTTP 400, the login is not understood: check OS_AUTH_URL, then OS_USERNAME/,
    );
    expect((await refusal({ ...V1, ST_AUTH: `${keystone.url}/v3` })).message).toMatch(
      /no v1 login is there: check ST_AUTH$/,
    );
  });
});

describe('a token that expires while it is used', () => {
  test.each<[string, Variables, (token: string) => Promise<void>]>([
    ['v1', V1, async () => undefined],
    ['v2.0', V2, async () => undefined],
    ['v3', V3, (token) => keystone.revoke(token)],
    ['application credential', APPLICATION, (token) => keystone.revoke(token)],
  ])('%s: renewed once for all who met it', async (_, env, expire) => {
    const opened = await session(env);
    const stale = await opened.login();
    expect(await works(stale)).toBe(true);
    await expire(stale.token);
    await swift.forgetTokens();
    expect(await works(stale)).toBe(false);
    const before = identity.logins;
    const fresh = await Promise.all(Array.from({ length: 100 }, () => opened.renew(stale)));
    expect(new Set(fresh).size).toBe(1);
    if (env === V2) expect(identity.logins - before).toBe(1);
    expect(await works(await opened.login())).toBe(true);
    await opened.close();
  });

  test('a store goes on with an application credential', async () => {
    const opened = await session(APPLICATION);
    const store = swiftStore(opened, { container: 'tiles', prefix: '' });
    await store.createContainer();
    const bytes = Buffer.from('a tile');
    const md5 = createHash('md5').update(bytes).digest('hex');
    await store.write('a/1.jpg', bytes, { ...NO_PROPERTIES, md5 });
    await keystone.revoke((await opened.login()).token);
    await swift.forgetTokens();
    expect(Buffer.from((await store.read('a/1.jpg', 100)).bytes).toString()).toBe('a tile');
    await store.close();
  });
});

describe('pkgcloud logs in by v3', () => {
  const open = (env: Variables) =>
    openPkgcloud(
      { kind: 'pkgcloud', provider: 'openstack', container: 'pkgcloud', prefix: '' },
      storeEnvironment({ ...env, OS_REGION_NAME: 'RegionOne' }),
    );

  test.each<[string, Variables]>([
    ['by names', V3],
    ['by ids', { ...V3, OS_USER_DOMAIN_ID: keystone.domain.id, OS_PROJECT_ID: project }],
  ])('%s', async (_, env) => {
    const store = await open(env);
    await store.createContainer?.();
    const bytes = Buffer.from('a tile');
    const md5 = createHash('md5').update(bytes).digest('hex');
    await store.write?.('a/1.jpg', bytes, { ...NO_PROPERTIES, md5 });
    expect(await store.head('a/1.jpg')).toMatchObject({ md5, size: 6 });
    await store.close();
  });

  test('and names the variable of a wrong password', async () => {
    const store = await open({ ...V3, OS_PASSWORD: 'wrong-word-7741' });
    const error = await store.check().catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: 'wrong-credentials',
      message: expect.stringContaining('OS_PASSWORD'),
    });
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('wrong-word');
  });
});
