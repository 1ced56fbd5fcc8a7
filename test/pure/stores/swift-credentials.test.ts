import { describe, expect, test } from 'vitest';
import { UsageError } from '../../../runtime/errors.js';
import { storeEnvironment } from '../../../stores/environment.js';
import { swiftCredentials } from '../../../stores/swift/credentials.js';
import { loginRequest } from '../../../stores/swift/login.js';

type Variables = Readonly<Record<string, string>>;

const of = (env: Variables) => swiftCredentials(storeEnvironment(env));
const requestOf = (env: Variables) => {
  const credentials = of(env);
  if (credentials.kind === 'token') throw new Error('a token needs no login');
  return loginRequest(credentials);
};
const refusal = (env: Variables): string => {
  try {
    of(env);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
};

const ST = { ST_AUTH: 'http://host/auth/v1.0', ST_USER: 'test:tester', ST_KEY: 'testing' };
const OS = {
  OS_AUTH_URL: 'https://keystone:5000/v3',
  OS_USERNAME: 'mover',
  OS_PASSWORD: 'secret',
  OS_PROJECT_NAME: 'tiles',
};
const RAX = { RAX_USERNAME: 'mover', RAX_API_KEY: 'a4bbc' };
const GIVEN = { OS_AUTH_TOKEN: 'gAAA', OS_STORAGE_URL: 'https://swift/v1/AUTH_x/' };

describe('which credentials count', () => {
  test.each([
    [{ ...GIVEN, ...ST, ...OS, ...RAX }, 'token', 'OS_AUTH_TOKEN'],
    [{ ...ST, ...OS, ...RAX }, 'v1', 'ST_USER and ST_KEY'],
    [{ ...OS, ...RAX, ST_USER: 'x' }, 'v3', 'OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME'],
    [{ ...RAX, ST_KEY: 'x', OS_PASSWORD: 'x' }, 'v2', 'RAX_USERNAME and RAX_API_KEY'],
  ] as const)('%j: %s', (env, kind, variables) => {
    expect(of(env)).toMatchObject({ kind, variables });
  });

  test('a side with its own names its own', () => {
    const env = { SOURCE_ST_AUTH: 'http://host/auth/v1.0', SOURCE_ST_USER: 'u', SOURCE_ST_KEY: 'k', ...OS };
    expect(swiftCredentials(storeEnvironment(env, 'source'))).toMatchObject({
      kind: 'v1',
      variables: 'SOURCE_ST_USER and SOURCE_ST_KEY',
      authVariable: 'SOURCE_ST_AUTH',
    });
    expect(() =>
      swiftCredentials(storeEnvironment({ SOURCE_ST_AUTH: 'http://host/', SOURCE_ST_USER: 'u' }, 'source')),
    ).toThrow(/^SOURCE_ST_KEY is not set: a v1 login needs an address, a user and a key$/);
  });

  test('a given token is used as it is', () => {
    expect(of(GIVEN)).toEqual({
      ...{ kind: 'token', token: 'gAAA', storageUrl: 'https://swift/v1/AUTH_x', variables: 'OS_AUTH_TOKEN' },
    });
  });
});

describe('what is sent', () => {
  test('v1: two headers, in UTF-8', () => {
    expect(requestOf({ ...ST, ST_KEY: 'schlüssel' })).toEqual({
      method: 'GET',
      url: 'http://host/auth/v1.0',
      headers: { 'x-auth-user': 'test:tester', 'x-auth-key': 'schl\u00c3\u00bcssel' },
    });
  });

  test.each([
    [{}, 'https://identity.api.rackspacecloud.com/v2.0/tokens'],
    [
      { RAX_AUTH_URL: 'https://lon.identity.api.rackspacecloud.com/v2.0/' },
      'https://lon.identity.api.rackspacecloud.com/v2.0/tokens',
    ],
  ])('Rackspace by API key: %j', (more, url) => {
    expect(requestOf({ ...RAX, ...more })).toEqual({
      method: 'POST',
      url,
      json: { auth: { 'RAX-KSKEY:apiKeyCredentials': { username: 'mover', apiKey: 'a4bbc' } } },
    });
  });

  test('Rackspace by password, with the region of the first importer', () => {
    const env = { RAX_USERNAME: 'mover', RAX_PASSWORD: 'secret', RAX_REGION: 'DFW' };
    expect(requestOf(env).json).toEqual({
      auth: { passwordCredentials: { username: 'mover', password: 'secret' } },
    });
    expect(of(env)).toMatchObject({ wanted: { region: 'DFW', variables: { region: 'RAX_REGION' } } });
  });

  const passwordCredentials = { username: 'mover', password: 'secret' };
  test.each([
    [{ OS_TENANT_NAME: 'tiles' }, { passwordCredentials, tenantName: 'tiles' }],
    [{ OS_TENANT_ID: '7' }, { passwordCredentials, tenantId: '7' }],
    [
      { OS_PROJECT_ID: '7', OS_PROJECT_NAME: 'tiles' },
      { passwordCredentials, tenantId: '7' },
    ],
    [{}, { passwordCredentials }],
  ])('v2.0 by password: %j', (more, auth) => {
    const { OS_PROJECT_NAME: _, ...user } = OS;
    const env = { ...user, OS_AUTH_URL: 'http://keystone/identity/v2.0/', ...more };
    expect(requestOf(env)).toEqual({
      ...{ method: 'POST', url: 'http://keystone/identity/v2.0/tokens', json: { auth } },
    });
  });

  const byDefault = { id: 'default' };
  const user = { name: 'mover', domain: byDefault, password: 'secret' };
  const project = { name: 'tiles', domain: byDefault };
  test.each([
    [{}, user, { project }],
    [{ OS_USER_DOMAIN_NAME: 'Movers' }, { ...user, domain: { name: 'Movers' } }, { project }],
    [
      { OS_USER_DOMAIN_ID: '9', OS_USER_DOMAIN_NAME: 'Movers' },
      { ...user, domain: { id: '9' } },
      { project },
    ],
    [{ OS_PROJECT_DOMAIN_NAME: 'Museum' }, user, { project: { name: 'tiles', domain: { name: 'Museum' } } }],
    [{ OS_PROJECT_DOMAIN_ID: '8' }, user, { project: { name: 'tiles', domain: { id: '8' } } }],
    [{ OS_PROJECT_ID: '7' }, user, { project: { id: '7' } }],
    [{ OS_TENANT_ID: '6' }, user, { project: { id: '6' } }],
    [{ OS_USER_ID: '5' }, { id: '5', password: 'secret' }, { project }],
    [
      { OS_DEFAULT_DOMAIN: 'home' },
      { ...user, domain: { id: 'home' } },
      { project: { name: 'tiles', domain: { id: 'home' } } },
    ],
    [{ OS_PROJECT_NAME: '' }, user, undefined],
  ])('v3 by password: %j', (more, sent, scope) => {
    const identity = { methods: ['password'], password: { user: sent } };
    expect(requestOf({ ...OS, ...more })).toEqual({
      method: 'POST',
      url: 'https://keystone:5000/v3/auth/tokens',
      json: { auth: { identity, ...(scope === undefined ? {} : { scope }) } },
    });
  });

  const secret = { OS_AUTH_URL: OS.OS_AUTH_URL, OS_APPLICATION_CREDENTIAL_SECRET: 's3cret' };
  test.each([
    [{ OS_APPLICATION_CREDENTIAL_ID: '4' }, { id: '4' }],
    [
      { OS_APPLICATION_CREDENTIAL_NAME: 'convoy', OS_USER_ID: '5' },
      { name: 'convoy', user: { id: '5' } },
    ],
    [
      { OS_APPLICATION_CREDENTIAL_NAME: 'convoy', OS_USERNAME: 'mover', OS_USER_DOMAIN_NAME: 'Movers' },
      { name: 'convoy', user: { name: 'mover', domain: { name: 'Movers' } } },
    ],
  ])('v3 by application credential, never with a scope: %j', (more, credential) => {
    const json = {
      auth: {
        identity: {
          methods: ['application_credential'],
          application_credential: { ...credential, secret: 's3cret' },
        },
      },
    };
    expect(requestOf({ ...secret, ...more }).json).toEqual(json);
    const spoken = { OS_AUTH_TYPE: 'v3applicationcredential', OS_PASSWORD: 'x', OS_PROJECT_NAME: 'tiles' };
    expect(requestOf({ ...secret, ...more, ...spoken }).json).toEqual(json);
  });

  test.each([
    ['http://keystone:5000', {}, 'http://keystone:5000/v3/auth/tokens'],
    ['http://keystone/identity/', {}, 'http://keystone/identity/v3/auth/tokens'],
    ['http://keystone/v2.0', {}, 'http://keystone/v2.0/tokens'],
    ['http://keystone/v2.0', { OS_IDENTITY_API_VERSION: '3' }, 'http://keystone/v3/auth/tokens'],
    ['http://keystone', { OS_IDENTITY_API_VERSION: '2.0' }, 'http://keystone/v2.0/tokens'],
    ['http://keystone/v3', { OS_IDENTITY_API_VERSION: 'v2' }, 'http://keystone/v2.0/tokens'],
    ['http://keystone', { OS_AUTH_TYPE: 'v2password' }, 'http://keystone/v2.0/tokens'],
    ['http://keystone/v2.0', { OS_AUTH_TYPE: 'v3password' }, 'http://keystone/v3/auth/tokens'],
    ['http://keystone/v2.0', { OS_AUTH_TYPE: 'password' }, 'http://keystone/v2.0/tokens'],
  ])('at %s with %j: %s', (address, more, url) => {
    expect(requestOf({ ...OS, OS_AUTH_URL: address, ...more }).url).toBe(url);
  });

  test.each([
    [{}, 'public', 'OS_ENDPOINT_TYPE'],
    [{ OS_ENDPOINT_TYPE: 'internalURL' }, 'internal', 'OS_ENDPOINT_TYPE'],
    [{ OS_INTERFACE: 'internal', OS_ENDPOINT_TYPE: 'publicURL' }, 'internal', 'OS_INTERFACE'],
  ])('the interface: %j', (more, wanted, variable) => {
    for (const env of [OS, RAX])
      expect(of({ ...env, ...more })).toMatchObject({
        wanted: { interface: wanted, variables: { interface: variable } },
      });
  });

  test('OS_STORAGE_URL stands for the catalog of OpenStack, and for nobody else', () => {
    const more = { OS_STORAGE_URL: 'http://proxy/v1/AUTH_x/' };
    expect(of({ ...OS, ...more })).toMatchObject({ storageUrl: 'http://proxy/v1/AUTH_x' });
    expect(of({ ...RAX, ...more })).toMatchObject({ storageUrl: null });
    expect(of({ ...ST, ...more })).not.toHaveProperty('storageUrl');
  });
});

describe('what is refused', () => {
  test.each([
    [
      {},
      /^no credentials for Swift: set OS_AUTH_URL with OS_USERNAME, .* or ST_AUTH .* or RAX_USERNAME with RAX_API_KEY$/,
    ],
    [{ OS_AUTH_TOKEN: 'x' }, /^OS_STORAGE_URL is not set: /],
    [{ ST_USER: 'x' }, /^ST_AUTH is not set: a v1 login needs/],
    [{ ST_AUTH: 'http://host/', ST_USER: 'x' }, /^ST_KEY is not set: /],
    [{ ST_AUTH: 'http://host/', ST_KEY: 'x' }, /^ST_USER is not set: /],
    [{ OS_PASSWORD: 'x' }, /^OS_AUTH_URL is not set: it is where to log in/],
    [{ ...OS, OS_USERNAME: '' }, /^OS_USERNAME is not set: a v3 login needs a user$/],
    [{ ...OS, OS_PASSWORD: '' }, /^OS_PASSWORD is not set: a v3 login needs a password$/],
    [{ ...OS, OS_PASSWORD: '', OS_IDENTITY_API_VERSION: '2' }, /^OS_PASSWORD is not set: a v2.0 login/],
    [{ ...OS, OS_AUTH_TYPE: 'v3oidcpassword' }, /^OS_AUTH_TYPE is "v3oidcpassword": expected password, v2/],
    [{ ...OS, OS_AUTH_TYPE: 'toString' }, /^OS_AUTH_TYPE is "toString": expected/],
    [{ ...OS, OS_IDENTITY_API_VERSION: '1' }, /^OS_IDENTITY_API_VERSION is "1": expected 2 or 3$/],
    [
      { ...OS, OS_AUTH_TYPE: 'v3password', OS_IDENTITY_API_VERSION: '2' },
      /^OS_AUTH_TYPE is "v3password", and OS_IDENTITY_API_VERSION is "2": unset one$/,
    ],
    [{ ...OS, OS_INTERFACE: 'admin' }, /^OS_INTERFACE is "admin": expected public or internal$/],
    [
      { ...OS, OS_AUTH_TYPE: 'v3applicationcredential' },
      /^OS_APPLICATION_CREDENTIAL_ID is not set: an application credential needs its id, or its name/,
    ],
    [
      { ...OS, OS_AUTH_TYPE: 'v3applicationcredential', OS_APPLICATION_CREDENTIAL_ID: '4' },
      /^OS_APPLICATION_CREDENTIAL_SECRET is not set: /,
    ],
    [{ RAX_USERNAME: 'x' }, /^RAX_API_KEY is not set: a Rackspace login needs an API key or a password$/],
    [{ RAX_API_KEY: 'x' }, /^RAX_USERNAME is not set: /],
    [{ ...OS, OS_PASSWORD: 'hunter2\n' }, /^OS_PASSWORD holds a line break or another control character$/],
    [{ ...OS, OS_AUTH_URL: 'hunter2' }, /^OS_AUTH_URL is no address: expected https:\/\/HOST:PORT\/PATH$/],
    [{ ...OS, OS_AUTH_URL: 'ftp://hunter2/' }, /^OS_AUTH_URL is no address/],
    [{ ...OS, OS_AUTH_URL: 'http://me:hunter2@host/' }, /^OS_AUTH_URL holds a user name, a password/],
    [{ ...GIVEN, OS_STORAGE_URL: 'http://host/?hunter2' }, /^OS_STORAGE_URL holds .* a query/],
    [{ ...OS, OS_STORAGE_URL: 'hunter2' }, /^OS_STORAGE_URL is no address/],
  ])('%j: %s', (env, message) => {
    const text = refusal(env as Variables);
    expect(text).toMatch(message);
    expect(text).not.toContain('hunter2');
  });
});
