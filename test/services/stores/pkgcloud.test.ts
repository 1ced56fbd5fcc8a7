import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { inspect, promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { messageOf } from '../../../runtime/errors.js';
import { storeEnvironment } from '../../../stores/environment.js';
import type { PkgcloudProvider } from '../../../stores/location.js';
import { openPkgcloud, type PkgcloudOptions } from '../../../stores/pkgcloud/open.js';
import { can, listAll, NO_PROPERTIES, type Store } from '../../../stores/store.js';
import { ROOT } from '../../support/programs.js';
import { useGround } from '../../support/services.js';
import { startIdentityV2 } from '../../support/stores/identity-v2.js';
import { startSwift } from '../../support/stores/swift.js';
import { until } from '../../support/until.js';

type Variables = Readonly<Record<string, string>>;

const ground = useGround('pkgcloud');
const swift = await startSwift(ground);
const identity = await startIdentityV2(swift);

const RAX = {
  ...{ RAX_AUTH_URL: identity.authUrl, RAX_USERNAME: swift.user, RAX_API_KEY: swift.key },
  RAX_REGION: 'DFW',
};
const V2 = {
  ...{ OS_AUTH_URL: identity.authUrl, OS_USERNAME: swift.user, OS_PASSWORD: swift.key },
  ...{ OS_TENANT_NAME: identity.tenant, OS_REGION_NAME: 'DFW' },
};
const V3 = {
  ...{ OS_AUTH_URL: 'http://127.0.0.1:9/v3', OS_USERNAME: 'u', OS_PASSWORD: 'secret-word' },
  OS_PROJECT_NAME: 'p',
};

const open = (provider: PkgcloudProvider, env: Variables, options?: PkgcloudOptions): Promise<Store> =>
  openPkgcloud(
    { kind: 'pkgcloud', provider, container: 'tiles', prefix: 'a' },
    storeEnvironment(env),
    options,
  );

const TILE = new Uint8Array(14_000).fill(7);
const TILE_PROPERTIES = { ...NO_PROPERTIES, md5: createHash('md5').update(TILE).digest('hex') };

async function writable(provider: PkgcloudProvider, env: Variables) {
  const store = await open(provider, env);
  if (!can(store, 'write', 'createContainer', 'listPage')) throw new Error('cannot be written to');
  await store.createContainer();
  return store;
}

/** On a free port until the file's end. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

describe('a login of pkgcloud', () => {
  test.each<[string, PkgcloudProvider, Variables]>([
    ["Rackspace's API key", 'rackspace', RAX],
    ['v2.0', 'openstack', V2],
    ['v2.0 by project id and the internal address', 'openstack', { ...V2, OS_INTERFACE: 'internal' }],
  ])('by %s opens the account', async (_, provider, env) => {
    const store = await writable(provider, env);
    await store.write('b.jpg', TILE, TILE_PROPERTIES);
    expect(await store.read('b.jpg', 20_000)).toMatchObject({ md5: TILE_PROPERTIES.md5, size: 14_000 });
    const keys: string[] = [];
    for await (const { key } of listAll(store, '')) keys.push(key);
    expect(keys).toEqual(['b.jpg']);
    await store.close();
  });

  test("by Rackspace's API key carries all that Swift's driver asks, as by the other logins", async () => {
    const store = await writable('rackspace', RAX);
    if (!can(store, 'remove', 'listFolder', 'readStream', 'beginParts', 'copyAddress', 'copyFrom'))
      throw new Error('it lacks a role');
    await store.write('f/b ü%.jpg', TILE, TILE_PROPERTIES);
    expect(await store.head('f/b ü%.jpg')).toMatchObject({ size: 14_000, md5: TILE_PROPERTIES.md5 });
    expect((await store.listFolder('', null)).folders).toContain('f/');
    let streamed = 0;
    for await (const chunk of (await store.readStream('f/b ü%.jpg', 4_000)).body) streamed += chunk.length;
    expect(streamed).toBe(10_000);

    const parts = await store.beginParts('parts', 2 * TILE.length, NO_PROPERTIES);
    for (const index of [0, 1]) await parts.writePart(index, TILE, TILE_PROPERTIES.md5);
    const twice = Buffer.concat([TILE, TILE]);
    await parts.complete(createHash('md5').update(twice).digest('hex'));
    expect(Buffer.from((await store.read('parts', 30_000)).bytes).equals(twice)).toBe(true);

    const address = await store.copyAddress('f/b ü%.jpg');
    expect(store.canCopyFrom?.(address)).toBe(true);
    await store.copyFrom(address, 'copy', { ...TILE_PROPERTIES, size: 14_000 });
    expect(await store.head('copy')).toMatchObject({ size: 14_000, md5: TILE_PROPERTIES.md5 });

    for (const key of ['f/b ü%.jpg', 'parts', 'copy']) await store.remove(key);
    expect(await store.head('copy')).toBeNull();
    await store.close();
  });

  test('is made anew, once for all who wait, when the store has forgotten the token', async () => {
    const store = await writable('rackspace', RAX);
    await store.write('b.jpg', TILE, TILE_PROPERTIES);
    const before = identity.logins;
    await swift.forgetTokens();
    const read = await Promise.all(Array.from({ length: 20 }, () => store.read('b.jpg', 20_000)));
    expect(read.map(({ size }) => size)).toEqual(Array(20).fill(14_000));
    expect(identity.logins).toBe(before + 1);
  });

  test('that is refused names the variables and shows no secret, in anything the error holds', async () => {
    for (const [provider, env, variable] of [
      ['rackspace', { ...RAX, RAX_API_KEY: 'wrong-word-7741' }, 'RAX_API_KEY'],
      ['openstack', { ...V2, OS_PASSWORD: 'wrong-word-7741' }, 'OS_PASSWORD'],
    ] as const) {
      const store = await open(provider, env);
      const error = await store.check().catch((caught: unknown) => caught);
      expect(error).toMatchObject({ kind: 'permanent', code: 'wrong-credentials', status: 401 });
      expect(messageOf(error)).toContain(variable);
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('wrong-word');
    }
  });

  test('in a region that the catalog has not says which variable sets it', async () => {
    const store = await open('openstack', { ...V2, OS_REGION_NAME: 'LON' });
    await expect(store.check()).rejects.toMatchObject({
      ...{ kind: 'permanent', message: expect.stringContaining('OS_REGION_NAME') },
    });
  });

  test('at a server that accepts and never answers ends in time, and is tried again', async () => {
    const sockets = new Set<{ destroy(): void }>();
    const silent = createTcpServer((socket) => void sockets.add(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const store = await open(
      'openstack',
      { ...V2, OS_AUTH_URL: `http://127.0.0.1:${port}/v2.0` },
      { timeoutMs: 300 },
    );
    for (let time = 0; time < 2; time++)
      await expect(store.read('x', 9)).rejects.toMatchObject({ kind: 'transient', code: 'timeout' });
    const stopping = new AbortController();
    const reading = store.read('x', 9, stopping.signal);
    stopping.abort();
    await expect(reading).rejects.toMatchObject({ kind: 'aborted' });
    await until('the third login to come', () => sockets.size === 3);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  test.each([
    [503, '<html>busy</html>', { kind: 'transient', code: 'server-error' }],
    [502, '<html>bad gateway</html>', { kind: 'transient' }],
    [200, '<html>welcome</html>', { kind: 'transient', code: 'bad-answer' }],
    [404, '{}', { kind: 'permanent', code: 'rejected' }],
  ])('that is answered %i %s is an error', async (status, page, expected) => {
    const url = await serve((_, response) => response.writeHead(status).end(page));
    const store = await open('openstack', { ...V2, OS_AUTH_URL: `${url}/v2.0` });
    await expect(store.read('x', 9)).rejects.toMatchObject(expected);
  });
});

describe('what pkgcloud cannot do is refused by name', () => {
  const AZURE = 'AZURE_STORAGE_CONNECTION_STRING';
  test.each<[PkgcloudProvider, Variables, string]>([
    ['rackspace', V2, 'RAX_USERNAME'],
    ['openstack', { OS_AUTH_TOKEN: 'secret-word', OS_STORAGE_URL: 'http://h/v1/a' }, 'OS_AUTH_TOKEN'],
    ['openstack', { ...V3, OS_USER_ID: '1' }, 'OS_USER_ID'],
    ['openstack', { ...V3, OS_CACERT: '/ca.pem' }, 'NODE_EXTRA_CA_CERTS'],
    ['openstack', { ...V2, OS_STORAGE_URL: 'http://h/v1/a' }, 'OS_STORAGE_URL'],
    [
      'openstack',
      {
        ...{ OS_AUTH_URL: 'http://h/v3', OS_APPLICATION_CREDENTIAL_ID: '1' },
        OS_APPLICATION_CREDENTIAL_SECRET: 'secret-word',
      },
      'OS_APPLICATION_CREDENTIAL_SECRET',
    ],
    [
      'azure',
      { AZURE_STORAGE_ACCOUNT: 'abc', AZURE_STORAGE_SAS_TOKEN: 'sig=secret-word' },
      'AZURE_STORAGE_KEY',
    ],
    ['azure', { AZURE_STORAGE_KEY: 'c2VjcmV0' }, 'AZURE_STORAGE_ACCOUNT'],
    ['azure', { [AZURE]: 'BlobEndpoint=http://h' }, AZURE],
  ])('%s, case %#', async (provider, env, named) => {
    const error = await open(provider, env).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'UsageError', message: expect.stringContaining(named) });
    expect(messageOf(error)).not.toContain('secret-word');
  });
});

describe('a page in place of an object is an error, never data', () => {
  const PAGE = '<html>not what you asked for</html>';
  const at = (url: string): readonly (readonly [PkgcloudProvider, Variables])[] => [
    [
      'amazon',
      {
        ...{ AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 's', AWS_ENDPOINT_URL_S3: url },
        ...{ AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' },
      },
    ],
    [
      'azure',
      {
        AZURE_STORAGE_CONNECTION_STRING: `AccountName=abc;AccountKey=c2VjcmV0;BlobEndpoint=${url}/abc`,
      },
    ],
  ];
  test.each([
    [404, { kind: 'permanent', code: 'not-found' }],
    [503, { kind: 'transient', code: 'throttled' }],
    [302, { kind: 'permanent', code: 'rejected' }],
    [204, { kind: 'permanent', code: 'rejected' }],
  ])('of status %i', async (status, expected) => {
    const url = await serve((_, response) => {
      response.writeHead(status, status === 302 ? { location: 'http://127.0.0.1:9/' } : {});
      response.end(status === 204 ? undefined : PAGE);
    });
    for (const [provider, env] of at(url)) {
      const store = await open(provider, env);
      await expect(store.read('x', 1e6), provider).rejects.toMatchObject(expected);
      await expect(store.readStream?.('x', 0), provider).rejects.toMatchObject(expected);
    }
  });

  test('one that breaks off is transient, whole or as a stream', async () => {
    const url = await serve((_, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write(PAGE, () => response.destroy());
    });
    for (const [provider, env] of at(url)) {
      const store = await open(provider, env);
      const broken = { kind: 'transient' };
      await expect(store.read('x', 1e6), provider).rejects.toMatchObject(broken);
      const streamed = (async () => {
        const stream = await store.readStream?.('x', 0);
        for await (const chunk of stream?.body ?? []) expect(chunk.length).toBeLessThan(1000);
      })();
      await expect(streamed, provider).rejects.toMatchObject(broken);
    }
  });
});

const inNode = promisify(execFile);

/** Opens a store in a process of its own and asks it something. */
async function inProcess(provider: PkgcloudProvider, env: Variables, before = '') {
  const script = `${before}
    const { openPkgcloud } = await import(${JSON.stringify(join(ROOT, 'stores/pkgcloud/open.ts'))});
    const { storeEnvironment } = await import(${JSON.stringify(join(ROOT, 'stores/environment.ts'))});
    const location = { kind: 'pkgcloud', provider: '${provider}', container: 'tiles', prefix: 'a' };
    try {
      const store = await openPkgcloud(location, storeEnvironment(${JSON.stringify(env)}));
      await store.read('x', 1);
    } catch (error) {
      console.log(error.name, error.code, error.message);
    }`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  return inNode(process.execPath, args, { timeout: 30_000 });
}

test.each<[PkgcloudProvider, string]>([
  [
    'openstack',
    'no credentials for Swift: set OS_AUTH_URL with OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME',
  ],
  ['rackspace', 'no credentials for Swift: set RAX_USERNAME with RAX_API_KEY'],
])('%s recommends no variable that it does not read', async (provider, message) => {
  const env = { ST_AUTH: 'http://h/auth/v1.0', ST_USER: 'u', ST_KEY: 'secret-word' };
  await expect(open(provider, env)).rejects.toMatchObject({ message });
});

test.each(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])(
  'without the package (%s) it says in one sentence how to install it',
  async (code) => {
    const hooks = `export const resolve = (name, context, next) => {
    if (name === 'pkgcloud') throw Object.assign(new Error('none'), { code: '${code}' });
    return next(name, context);
  };`;
    const { stdout } = await inProcess(
      'rackspace',
      RAX,
      `(await import('node:module')).register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}));`,
    );
    expect(stdout).toBe(
      'UsageError usage pkgcloud+rackspace:// needs the package pkgcloud, which is not installed: npm install pkgcloud@2.2.0\n',
    );
  },
);

test('its libraries say nothing on stderr', async () => {
  const nobody = 'http://127.0.0.1:9';
  for (const [provider, env] of [
    ['rackspace', RAX],
    ['amazon', { AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 's', AWS_ENDPOINT_URL_S3: nobody }],
    [
      'azure',
      { AZURE_STORAGE_CONNECTION_STRING: `AccountName=abc;AccountKey=c2VjcmV0;BlobEndpoint=${nobody}/abc` },
    ],
  ] as const) {
    const { stdout, stderr } = await inProcess(provider, env);
    expect(stdout).toMatch(/^ConvoyError (unreachable|not-found) /);
    expect(stderr).toBe('');
  }
});
