import { describe, expect, test } from 'vitest';
import { storeEnvironment } from '../../../stores/environment.js';
import { storageUrlOf, type WantedEndpoint } from '../../../stores/swift/catalog.js';
import { swiftCredentials } from '../../../stores/swift/credentials.js';
import { explainLogin, type LoginCredentials, loginOf } from '../../../stores/swift/login.js';

const credentialsOf = (env: Readonly<Record<string, string>>): LoginCredentials =>
  swiftCredentials(storeEnvironment(env)) as LoginCredentials;
const v1 = credentialsOf({ ST_AUTH: 'http://host/auth/v1.0', ST_USER: 'u', ST_KEY: 'k' });
const v2 = credentialsOf({ RAX_USERNAME: 'u', RAX_API_KEY: 'k' });
const v3 = credentialsOf({ OS_AUTH_URL: 'http://host/v3', OS_USERNAME: 'u', OS_PASSWORD: 'k' });

const answer = (headers: Readonly<Record<string, string>>, json?: unknown) => ({
  header: (name: string) => headers[name] ?? null,
  json,
});
const NO_LOGIN = { kind: 'permanent', code: 'wrong-credentials' };

describe('the answer of a login', () => {
  test('v1: headers, a slash at the end of the address taken off', () => {
    const headers = { 'x-auth-token': 'AUTH_tk1', 'x-storage-url': 'http://host/v1/AUTH_test/' };
    expect(loginOf(v1, answer(headers))).toEqual({
      ...{ token: 'AUTH_tk1', storageUrl: 'http://host/v1/AUTH_test' },
    });
  });

  const rackspace = (user: object, ...regions: readonly string[]) => ({
    access: {
      token: { id: 'abc', expires: '2030-01-01T00:00:00Z' },
      user,
      serviceCatalog: [
        {
          name: 'cloudFilesCDN',
          type: 'rax:object-cdn',
          endpoints: [{ region: 'DFW', publicURL: 'https://cdn' }],
        },
        { name: 'cloudDNS', type: 'rax:dns', endpoints: [{ publicURL: 'https://dns' }] },
        {
          name: 'cloudFiles',
          type: 'object-store',
          endpoints: regions.map((region) => ({
            ...{ region, publicURL: `https://${region}/v1/M`, internalURL: `https://snet-${region}/v1/M` },
          })),
        },
      ],
    },
  });

  test('v2.0: the only region there is', () => {
    expect(loginOf(v2, answer({}, rackspace({}, 'ORD')))).toEqual({
      ...{ token: 'abc', storageUrl: 'https://ORD/v1/M' },
    });
  });

  test.each([
    [{}, "the user's own", 'https://ORD/v1/M'],
    [{ RAX_REGION: 'dfw' }, 'the region asked for, in small letters', 'https://DFW/v1/M'],
    [{ OS_INTERFACE: 'internal' }, 'inside', 'https://snet-ORD/v1/M'],
  ])('v2.0 with several regions and %j: %s', (more, _, storageUrl) => {
    const credentials = credentialsOf({ RAX_USERNAME: 'u', RAX_API_KEY: 'k', ...more });
    const body = rackspace({ 'RAX-AUTH:defaultRegion': 'ORD' }, 'DFW', 'ORD');
    expect(loginOf(credentials, answer({}, body)).storageUrl).toBe(storageUrl);
  });

  const catalog = [
    { type: 'identity', endpoints: [{ interface: 'public', region: 'One', url: 'http://host/v3' }] },
    {
      type: 'object-store',
      endpoints: [
        { interface: 'admin', region: 'One', url: 'http://admin/v1' },
        { interface: 'internal', region: 'One', url: 'http://inside/v1/AUTH_x' },
        { interface: 'public', region: 'One', url: 'http://outside/v1/AUTH_x/' },
      ],
    },
  ];

  test('v3: token from a header, address from the catalog', () => {
    const body = { token: { catalog, expires_at: '2030-01-01T00:00:00.000000Z' } };
    expect(loginOf(v3, answer({ 'x-subject-token': 'gAAA' }, body))).toEqual({
      ...{ token: 'gAAA', storageUrl: 'http://outside/v1/AUTH_x' },
    });
  });

  test('OS_STORAGE_URL needs no catalog', () => {
    const env = { OS_AUTH_URL: 'http://host/v3', OS_USERNAME: 'u', OS_PASSWORD: 'k' };
    const credentials = credentialsOf({ ...env, OS_STORAGE_URL: 'http://proxy/v1/AUTH_x' });
    expect(loginOf(credentials, answer({ 'x-subject-token': 'gAAA' }, { token: {} })).storageUrl).toBe(
      'http://proxy/v1/AUTH_x',
    );
  });

  test.each([
    ['v1 without a token', v1, answer({ 'x-storage-url': 'http://host/v1' }), /no v1 login .* check ST_AUTH/],
    ['v1 without an address', v1, answer({ 'x-auth-token': 'AUTH_tk1' }), /no v1 login .* check ST_AUTH/],
    [
      'v1 with an address that is none',
      v1,
      answer({ 'x-auth-token': 'AUTH_tk1', 'x-storage-url': '/v1/x' }),
      /"\/v1\/x", which is no address/,
    ],
    ['v2.0 in HTML', v2, answer({}), /no login of the Identity API v2.0: check RAX_AUTH_URL/],
    ['v2.0 of v3', v2, answer({}, { token: {} }), /no login of the Identity API v2.0/],
    ['v3 without its header', v3, answer({}, { token: { catalog } }), /Identity API v3: check OS_AUTH_URL/],
    ['v3 in HTML', v3, answer({ 'x-subject-token': 'x' }), /Identity API v3: check OS_AUTH_URL/],
    [
      'v3 for no project',
      v3,
      answer({ 'x-subject-token': 'x' }, { token: {} }),
      /names no services: .* set OS_PROJECT_NAME/,
    ],
  ])('%s is refused', (_, credentials, given, message) => {
    expect(() => loginOf(credentials, given)).toThrow(
      expect.objectContaining({ ...NO_LOGIN, message: expect.stringMatching(message) }),
    );
  });
});

describe('the address of the objects', () => {
  const endpoint = (region: string | null, kind = 'public', type = 'object-store') => ({
    ...{ type, region, interface: kind, url: `http://${kind}.${region}/v1/AUTH_x` },
  });
  const wanted: WantedEndpoint = {
    region: null,
    interface: 'public',
    variables: { region: 'OS_REGION_NAME', interface: 'OS_INTERFACE', project: 'OS_PROJECT_NAME' },
  };
  const two = [endpoint('One'), endpoint('Two'), endpoint('Two', 'internal')];

  test.each([
    [[endpoint(null)], wanted, 'http://public.null/v1/AUTH_x'],
    [two, { ...wanted, region: 'Two' }, 'http://public.Two/v1/AUTH_x'],
    [two, { ...wanted, interface: 'internal' }, 'http://internal.Two/v1/AUTH_x'],
  ] as const)('%#', (endpoints, asked, url) => {
    expect(storageUrlOf({ endpoints, homeRegion: null }, asked)).toBe(url);
  });

  test.each([
    [two, wanted, /^there is object storage in One and Two: set OS_REGION_NAME to one of them$/],
    [
      two,
      { ...wanted, region: 'Three' },
      /^no object storage in the region "Three" of OS_REGION_NAME, only in One and Two$/,
    ],
    [
      [endpoint('One')],
      { ...wanted, interface: 'internal' },
      /no internal address of its object storage, only public: see OS_INTERFACE$/,
    ],
    [
      [endpoint('One', 'public', 'compute'), endpoint('One', 'public', 'image')],
      wanted,
      /names no object storage \(object-store\), only compute and image$/,
    ],
  ] as const)('says what there is instead: %#', (endpoints, asked, message) => {
    expect(() => storageUrlOf({ endpoints, homeRegion: null }, asked)).toThrow(
      expect.objectContaining({ ...NO_LOGIN, message: expect.stringMatching(message) }),
    );
  });
});

test.each([
  [300, 'permanent', 'wrong-credentials', 'the login is elsewhere: check OS_AUTH_URL'],
  [
    400,
    'permanent',
    'wrong-credentials',
    'the login is not understood: check OS_AUTH_URL, then OS_USERNAME and OS_PASSWORD',
  ],
  [401, 'permanent', 'wrong-credentials', 'the login is refused: check OS_USERNAME and OS_PASSWORD'],
  [403, 'permanent', 'wrong-credentials', 'the login is refused: check OS_USERNAME and OS_PASSWORD'],
  [404, 'permanent', 'wrong-credentials', 'no login is there: check OS_AUTH_URL'],
  [501, 'permanent', 'wrong-credentials', 'no login is there: check OS_AUTH_URL'],
  [413, 'transient', 'throttled', undefined],
  [429, 'transient', 'throttled', undefined],
  [408, undefined, undefined, undefined],
  [503, undefined, undefined, undefined],
])('a login answered with %i', (status, kind, code, detail) => {
  const meaning = explainLogin(v3, { status });
  expect({ kind: meaning.kind, code: meaning.code, detail: meaning.detail }).toEqual({ kind, code, detail });
});
