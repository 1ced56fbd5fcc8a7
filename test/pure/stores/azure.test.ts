import { describe, expect, test } from 'vitest';
import { UsageError } from '../../../runtime/errors.js';
import { type AzureAccess, azureAccess } from '../../../stores/azure/credentials.js';
import { explainAzure } from '../../../stores/azure/errors.js';
import { azureLimits, isContainerName, refuseName, refuseObject } from '../../../stores/azure/limits.js';
import { storeEnvironment } from '../../../stores/environment.js';
import type { HttpAnswer } from '../../../stores/http-client.js';
import { NO_PROPERTIES } from '../../../stores/store.js';

const NOW = Date.UTC(2026, 10, 21, 12);
const KEY = Buffer.alloc(64, 7).toString('base64');
const SAS = 'sv=2021-12-02&sr=c&sp=rl&se=2026-11-22T00%3A00%3A00Z&sig=c2VjcmV0LXNpZw%3D%3D';
const access = (env: NodeJS.ProcessEnv, account = 'zoom') => azureAccess(account, storeEnvironment(env), NOW);

describe('credentials', () => {
  test('a key, at the public cloud', () => {
    expect(access({ AZURE_STORAGE_KEY: KEY })).toEqual({
      ...{ account: 'zoom', endpoint: 'https://zoom.blob.core.windows.net' },
      auth: { kind: 'key', key: KEY, variable: 'AZURE_STORAGE_KEY' },
    });
    expect(access({ AZURE_STORAGE_KEY: KEY, AZURE_STORAGE_ACCOUNT: 'zoom' }).account).toBe('zoom');
  });

  test('a shared access signature, with or without its question mark', () => {
    for (const token of [SAS, `?${SAS}`])
      expect(access({ AZURE_STORAGE_SAS_TOKEN: token }).auth).toEqual({
        ...{ kind: 'sas', token: SAS, variable: 'AZURE_STORAGE_SAS_TOKEN' },
        expiresMs: Date.UTC(2026, 10, 22),
      });
    const ofPolicy = access({ AZURE_STORAGE_SAS_TOKEN: 'si=readers&sr=c&sv=2021-12-02&sig=eA%3D%3D' });
    expect(ofPolicy.auth).toMatchObject({ expiresMs: null });
  });

  test('nothing at all: asked without credentials', () => {
    expect(access({}).auth).toEqual({
      kind: 'none',
      variable: 'AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN',
    });
  });

  test.each([
    [`AccountName=zoom;AccountKey=${KEY}`, 'https://zoom.blob.core.windows.net'],
    [
      `DefaultEndpointsProtocol=http;AccountName=zoom;AccountKey=${KEY};EndpointSuffix=core.chinacloudapi.cn`,
      'http://zoom.blob.core.chinacloudapi.cn',
    ],
    [
      ` AccountName=zoom; AccountKey=${KEY};BlobEndpoint=http://127.0.0.1:10000/zoom/; `,
      'http://127.0.0.1:10000/zoom',
    ],
  ])('a connection string says where: %#', (text, endpoint) => {
    expect(access({ AZURE_STORAGE_CONNECTION_STRING: text })).toEqual({
      ...{ account: 'zoom', endpoint },
      auth: { kind: 'key', key: KEY, variable: 'AZURE_STORAGE_CONNECTION_STRING' },
    });
  });

  test('a connection string of an endpoint and a signature needs no account', () => {
    const text = `BlobEndpoint=https://tiles.example.org;SharedAccessSignature=${SAS}`;
    expect(access({ AZURE_STORAGE_CONNECTION_STRING: text })).toMatchObject({
      endpoint: 'https://tiles.example.org',
      auth: { kind: 'sas', token: SAS },
    });
  });

  test("a side's own variable is named as it was set", () => {
    const env = storeEnvironment({ SOURCE_AZURE_STORAGE_KEY: 'no key!' }, 'source');
    expect(() => azureAccess('zoom', env, NOW)).toThrow(/^SOURCE_AZURE_STORAGE_KEY is no key /);
  });

  const secret = 'c3VwZXItc2VjcmV0';
  test.each<[string, NodeJS.ProcessEnv, RegExp]>([
    [
      'two ways in',
      { AZURE_STORAGE_KEY: KEY, AZURE_STORAGE_SAS_TOKEN: SAS },
      /^AZURE_STORAGE_KEY and AZURE_STORAGE_SAS_TOKEN are set/,
    ],
    [
      'another account',
      { AZURE_STORAGE_KEY: KEY, AZURE_STORAGE_ACCOUNT: 'other' },
      /^AZURE_STORAGE_ACCOUNT is "other", but .* account zoom$/,
    ],
    [
      'a key that is not base64',
      { AZURE_STORAGE_KEY: `${secret}!` },
      /^AZURE_STORAGE_KEY is no key .* base64$/,
    ],
    ['a key cut short', { AZURE_STORAGE_KEY: `${secret}x` }, /^AZURE_STORAGE_KEY is no key of/],
    [
      'a signature that is none',
      { AZURE_STORAGE_SAS_TOKEN: secret },
      /^AZURE_STORAGE_SAS_TOKEN is no shared access signature/,
    ],
    [
      'a whole address',
      { AZURE_STORAGE_SAS_TOKEN: `https://zoom.blob.core.windows.net/c?${secret}` },
      /^AZURE_STORAGE_SAS_TOKEN is no/,
    ],
    [
      'a signature that expired',
      { AZURE_STORAGE_SAS_TOKEN: `sig=${secret}&se=2026-11-21T11:59:59Z` },
      /^AZURE_STORAGE_SAS_TOKEN expired at 2026-11-21T11:59:59.000Z: make a new one$/,
    ],
    [
      'an expiry that is no time',
      { AZURE_STORAGE_SAS_TOKEN: `sig=${secret}&se=soon` },
      /^AZURE_STORAGE_SAS_TOKEN has an expiry/,
    ],
    [
      'a part without a value',
      { AZURE_STORAGE_CONNECTION_STRING: `AccountName=zoom;${secret}` },
      /^AZURE_STORAGE_CONNECTION_STRING has a part that is not NAME=VALUE$/,
    ],
    [
      'no key',
      { AZURE_STORAGE_CONNECTION_STRING: 'UseDevelopmentStorage=true' },
      /neither AccountKey nor SharedAccessSignature$/,
    ],
    ['no account', { AZURE_STORAGE_CONNECTION_STRING: `AccountKey=${KEY}` }, /has no AccountName$/],
    [
      'the key of another account',
      { AZURE_STORAGE_CONNECTION_STRING: `AccountName=other;AccountKey=${KEY}` },
      /^AZURE_STORAGE_CONNECTION_STRING is for the account "other"/,
    ],
    [
      'a key in it that is not base64',
      { AZURE_STORAGE_CONNECTION_STRING: `AccountName=zoom;AccountKey=${secret}!` },
      /^AZURE_STORAGE_CONNECTION_STRING has an AccountKey that is no key/,
    ],
    [
      'an endpoint with a signature',
      {
        AZURE_STORAGE_CONNECTION_STRING: `AccountName=zoom;AccountKey=${KEY};BlobEndpoint=https://x.example/?sig=${secret}`,
      },
      /BlobEndpoint that is not a plain http/,
    ],
    [
      'an endpoint that is none',
      { AZURE_STORAGE_CONNECTION_STRING: `AccountName=zoom;AccountKey=${KEY};BlobEndpoint=x.example` },
      /BlobEndpoint that is not a plain http/,
    ],
  ])('refuses, by its variable and without its value: %s', (_, env, message) => {
    const attempt = (): AzureAccess => access(env);
    expect(attempt).toThrow(UsageError);
    expect(attempt).toThrow(message);
    expect(attempt).not.toThrow(secret);
    expect(attempt).not.toThrow(KEY);
  });

  test.each(['ab', 'Zoom', 'zoom.evil', 'zoom-it', 'z'.repeat(25)])(
    '%s is no account to ask at',
    (account) => {
      expect(() => access({ AZURE_STORAGE_KEY: KEY }, account)).toThrow(/no name of a storage account/);
    },
  );
});

describe('limits', () => {
  const refused = { code: 'name-refused' };
  const limits = azureLimits('a/b');

  test('container names', () => {
    for (const name of ['tiles', 'a1b', 'a-b-c', '$root', '$web', '$logs', 'x'.repeat(63)])
      expect([name, isContainerName(name)]).toEqual([name, true]);
    for (const name of [
      'ab',
      'Tiles',
      'a--b',
      '-ab',
      'ab-',
      'a.b',
      'a_b',
      '$other',
      'x'.repeat(64),
      'tiles\n',
    ])
      expect([name, isContainerName(name)]).toEqual([name, false]);
  });

  test('a name has at most 254 parts with those of the location', () => {
    const parts = (count: number): string => Array.from({ length: count }, () => 'x').join('/');
    expect(() => refuseName(limits, 'a/b', parts(252))).not.toThrow();
    expect(() => refuseName(limits, 'a/b', parts(253))).toThrow(expect.objectContaining(refused));
    expect(() => refuseName(azureLimits(''), '', parts(254))).not.toThrow();
    expect(() => refuseName(azureLimits(''), '', parts(255))).toThrow(expect.objectContaining(refused));
  });

  test('a name has 1,024 bytes with the location, and no part that ends with a dot', () => {
    expect(() => refuseName(limits, 'a/b', 'x'.repeat(1020))).not.toThrow();
    expect(() => refuseName(limits, 'a/b', 'x'.repeat(1021))).toThrow(expect.objectContaining(refused));
    for (const key of ['a.', 'a./b', 'a/b...'])
      expect(() => refuseName(limits, '', key)).toThrow(expect.objectContaining(refused));
    for (const key of ['.a', 'a..b/c.d']) expect(() => refuseName(limits, '', key)).not.toThrow();
  });

  test('metadata names are C# identifiers, and all of it has 8 KiB', () => {
    const write = (metadata: Record<string, string>) => () =>
      refuseObject(limits, '', 'key', 1, { ...NO_PROPERTIES, metadata });
    expect(write({ _a1: 'x', name: 'y' })).not.toThrow();
    for (const name of ['a-b', '1a', 'a.b', 'ä'])
      expect(write({ [name]: 'x' })).toThrow(expect.objectContaining({ code: 'metadata-refused' }));
    expect(write({ a: 'x'.repeat(8_191) })).not.toThrow();
    expect(write({ a: 'x'.repeat(8_192) })).toThrow(expect.objectContaining({ code: 'metadata-refused' }));
  });

  test('one write takes 5,000 MiB', () => {
    expect(() => refuseObject(limits, '', 'key', 5_000 * 2 ** 20 + 1, NO_PROPERTIES)).toThrow(
      expect.objectContaining({ code: 'too-large' }),
    );
  });
});

describe('what the service answers', () => {
  const key: AzureAccess = access({ AZURE_STORAGE_KEY: KEY });
  const sas: AzureAccess = access({ AZURE_STORAGE_SAS_TOKEN: SAS });
  const answered = (status: number, code: string | null, date = new Date(NOW)): HttpAnswer => {
    const headers: Record<string, string | null> = { 'x-ms-error-code': code, date: date.toUTCString() };
    return { status, header: (name: string) => headers[name] ?? null } as HttpAnswer;
  };
  const explained = (account: AzureAccess, answer: HttpAnswer, body = '', now = NOW) =>
    explainAzure(account, () => now)(answer, body);

  test.each([
    [404, 'BlobNotFound', 'not-found'],
    [404, 'ContainerNotFound', 'container-absent'],
    [404, 'ResourceNotFound', 'container-absent'],
    [403, 'AuthenticationFailed', 'wrong-credentials'],
    [403, 'AuthorizationFailure', 'wrong-credentials'],
    [400, 'InvalidAuthenticationInfo', 'wrong-credentials'],
    [403, 'KeyBasedAuthenticationNotPermitted', 'wrong-credentials'],
    [403, 'AuthorizationPermissionMismatch', 'forbidden'],
    [400, 'Md5Mismatch', 'checksum-mismatch'],
    [400, 'InvalidMetadata', 'metadata-refused'],
    [413, 'RequestBodyTooLarge', 'too-large'],
    [404, 'CannotVerifyCopySource', 'copy-refused'],
    [400, 'UnsupportedHeader', 'copy-refused'],
  ])('%i %s is %s, by its word', (status, code, expected) => {
    const meaning = explained(key, answered(status, code));
    expect(meaning).toMatchObject({ code: expected });
    expect(meaning.kind ?? 'permanent').toBe('permanent');
    expect(meaning.detail).toContain(code);
  });

  test('what HTTP says of a status stands where a code adds nothing', () => {
    for (const [status, code] of [
      [503, 'ServerBusy'],
      [500, 'OperationTimedOut'],
      [500, 'InternalError'],
      [503, 'CannotVerifyCopySource'],
    ] as const)
      expect(explained(key, answered(status, code))).toEqual({ detail: code });
    expect(explained(key, answered(502, null), '<html>')).toEqual({});
  });

  test('a container on its way out, and blocks that are gone, may be asked again', () => {
    for (const code of ['ContainerBeingDeleted', 'InvalidBlockList'])
      expect(explained(key, answered(409, code))).toMatchObject({ kind: 'transient' });
  });

  test('an archived object is said to be so', () => {
    expect(explained(key, answered(409, 'BlobArchived')).detail).toMatch(/^BlobArchived: .*archive tier/);
  });

  test('the code is taken from the body where no header has it, and nothing else of the body', () => {
    const body =
      '<?xml version="1.0"?><Error><Code>AuthenticationFailed</Code><Message>MAC c2lnbmF0dXJl</Message></Error>';
    const meaning = explained(key, answered(403, null), body);
    expect(meaning.code).toBe('wrong-credentials');
    expect(JSON.stringify(meaning)).not.toContain('c2lnbmF0dXJl');
  });

  test('a key that is not believed is named, and the clock if it is off', () => {
    const detail = (date: Date) => explained(key, answered(403, 'AuthenticationFailed', date)).detail;
    expect(detail(new Date(NOW))).toBe(
      'AuthenticationFailed: AZURE_STORAGE_KEY holds no key of the account zoom',
    );
    expect(detail(new Date(NOW - 20 * 60_000))).toMatch(
      /; this machine's clock is 20 minutes ahead of the service's$/,
    );
    expect(detail(new Date(NOW + 60 * 60_000))).toMatch(
      /; this machine's clock is 60 minutes behind the service's$/,
    );
  });

  test('what may be a firewall is said to be one', () => {
    expect(explained(key, answered(403, 'AuthorizationFailure')).detail).toMatch(
      /network rules keep this machine out$/,
    );
  });

  test("a signature that expired meanwhile is said to be so, by our clock or the service's", () => {
    const later = Date.UTC(2026, 10, 22, 0, 0, 1);
    const expired = 'AuthenticationFailed: AZURE_STORAGE_SAS_TOKEN expired at 2026-11-22T00:00:00.000Z';
    expect(explained(sas, answered(403, 'AuthenticationFailed'), '', later).detail).toBe(expired);
    expect(explained(sas, answered(403, 'AuthenticationFailed', new Date(later))).detail).toBe(expired);
    expect(explained(sas, answered(403, 'AuthenticationFailed')).detail).toMatch(
      /^AuthenticationFailed: AZURE_STORAGE_SAS_TOKEN is not valid for/,
    );
  });

  test('without credentials, what is not public is told with the variables that could be set', () => {
    for (const [status, code] of [
      [404, 'ResourceNotFound'],
      [409, 'PublicAccessNotPermitted'],
      [401, 'NoAuthenticationInformation'],
    ] as const)
      expect(explained(access({}), answered(status, code))).toMatchObject({
        code: 'wrong-credentials',
        detail: expect.stringContaining('none of AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or'),
      });
  });
});
