import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { storeEnvironment } from '../../../stores/environment.js';
import { listAll, NO_PROPERTIES } from '../../../stores/store.js';
import { webdavStore } from '../../../stores/webdav.js';
import { useGround } from '../../support/services.js';
import { type Nginx, startNginx } from '../../support/stores/nginx.js';

type Dav = ReturnType<typeof webdavStore>;

const ground = useGround('webdav');
const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function davAt(url: string, env: NodeJS.ProcessEnv = {}): Dav {
  const store = webdavStore(url, storeEnvironment(env), { timeoutMs: 2_000 });
  closers.push(() => store.close());
  return store;
}

async function standIn(listener: RequestListener, env: NodeJS.ProcessEnv = {}): Promise<Dav> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => server.closeAllConnections(),
  );
  return davAt(`http://127.0.0.1:${(server.address() as { port: number }).port}/dav`, env);
}

const md5 = '00'.repeat(16);
const write = (store: Dav, key: string, word: string): Promise<void> =>
  store.write(key, Buffer.from(word), { ...NO_PROPERTIES, md5 });
async function* bodyOf(...words: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const word of words) yield Buffer.from(word);
}

describe('before nginx', () => {
  let nginx: Nginx;
  beforeAll(async () => {
    nginx = await startNginx(ground);
  });

  test("a folder is neither read nor removed in an object's place", async () => {
    const store = davAt(nginx.davUrl);
    await write(store, 'folder/inside', 'kept');
    await store.remove('folder');
    expect(readFileSync(join(nginx.root, 'folder/inside'), 'utf8')).toBe('kept');
    expect(await store.head('folder')).toBeNull();
    await expect(store.read('folder', 100)).rejects.toMatchObject({ code: 'not-found' });
    const writing = write(store, 'folder', 'x');
    await expect(writing).rejects.toMatchObject({ kind: 'permanent', code: 'rejected', status: 409 });
    await expect(writing).rejects.toThrow(/a folder is in the way/);
  });

  test('a body that proves too long with its last chunk is not written', async () => {
    const store = davAt(nginx.davUrl);
    await write(store, 'streamed', 'old');
    const writing = store.writeStream('streamed', bodyOf('12345', '67890', '!'), 10, NO_PROPERTIES);
    await expect(writing).rejects.toMatchObject({ kind: 'transient', code: 'truncated' });
    expect(readFileSync(join(nginx.root, 'streamed'), 'utf8')).toBe('old');
    await store.writeStream('streamed', bodyOf('12345', '', '67890'), 10, NO_PROPERTIES);
    expect(readFileSync(join(nginx.root, 'streamed'), 'utf8')).toBe('1234567890');
  });

  test('an object of 6 GB is begun: how large one may be, the server says', async () => {
    const writing = davAt(nginx.davUrl).writeStream('six', bodyOf('1'), 6e9, NO_PROPERTIES);
    await expect(writing).rejects.toMatchObject({ kind: 'transient', code: 'truncated' });
  });

  test('a prefix is taken letter by letter, whatever the letters', async () => {
    const store = davAt(`${nginx.davUrl}/letters`);
    await store.createContainer();
    const prefixes = ['100%/', 'a+b/', 'a b/', 'q?&=#/', 'ü🚀/', 'x<&amp;>/', "it's/", '*/', '[a]/'];
    for (const prefix of prefixes) await write(store, `${prefix}in & <out>`, 'x');
    for (const prefix of prefixes) {
      const keys: string[] = [];
      for await (const { key } of listAll(store, prefix)) keys.push(key);
      expect(keys).toEqual([`${prefix}in & <out>`]);
    }
  });

  test('names that nginx cannot list are there all the same', async () => {
    const store = davAt(nginx.davUrl);
    await write(store, '.hidden/.name', 'x');
    expect(await store.head('.hidden/.name')).toMatchObject({ size: 1 });
  });

  test('a page for each folder, which may have gone since', async () => {
    const store = davAt(`${nginx.davUrl}/pages`);
    await store.createContainer();
    for (const key of ['a/x', 'b/x', 'top']) await write(store, key, 'x');
    const first = await store.listPage('', null);
    expect(first.objects.map(({ key }) => key)).toEqual(['top']);
    mkdirSync(join(nginx.root, 'pages/c'));
    const gone = JSON.stringify(['gone/', 'b/']);
    const second = await store.listPage('', gone);
    expect(second.objects).toEqual([]);
    expect((await store.listPage('', second.cursor)).objects.map(({ key }) => key)).toEqual(['b/x']);
  });

  test('a container is made with those above it, and only below the location', async () => {
    const store = davAt(`${nginx.davUrl}/one/two three/4%25`);
    await expect(write(store, 'deep/x', 'x')).rejects.toMatchObject({ code: 'container-absent' });
    expect(existsSync(join(nginx.root, 'one'))).toBe(false);
    await store.createContainer();
    expect(existsSync(join(nginx.root, 'one/two three/4%'))).toBe(true);
    await write(store, 'deep/er/x', 'x');
  });
});

describe('before an nginx without PROPFIND', () => {
  test('all goes but listing, which says why', async () => {
    const nginx = await startNginx(ground, { name: 'plain', lists: false });
    const store = davAt(nginx.davUrl);
    await store.check();
    await write(store, 'a/b/x', 'x');
    await store.writeStream('a/c/x', bodyOf('x'), 1, NO_PROPERTIES);
    expect((await store.read('a/b/x', 10)).size).toBe(1);
    const listing = store.listPage('', null);
    await expect(listing).rejects.toMatchObject({ kind: 'permanent', code: 'rejected', status: 405 });
    await expect(listing).rejects.toThrow(/HTTP 405, this server cannot list its objects/);
    await expect(store.remove('a')).rejects.toMatchObject({ kind: 'permanent', code: 'rejected' });
    expect(existsSync(join(nginx.root, 'a/b/x'))).toBe(true);
    await store.remove('a/b/x');
    expect(existsSync(join(nginx.root, 'a/b/x'))).toBe(false);
    const absent = davAt(`${nginx.davUrl}/absent`);
    await expect(absent.check()).rejects.toMatchObject({ code: 'container-absent' });
    await absent.createContainer();
    await absent.check();
  });
});

describe('the login', () => {
  const asking: RequestListener = (_, response) => response.writeHead(401).end();
  const errorOf = async (env: NodeJS.ProcessEnv): Promise<Error> =>
    (await (await standIn(asking, env)).check().catch((caught: unknown) => caught)) as Error;

  test('that is refused is named by its variables', async () => {
    const basic = await errorOf({ WEBDAV_USERNAME: 'me', WEBDAV_PASSWORD: 't0psecret' });
    const bearer = await errorOf({ WEBDAV_BEARER_TOKEN: 't0psecret' });
    for (const error of [basic, bearer]) {
      expect(error).toMatchObject({ kind: 'permanent', code: 'wrong-credentials', status: 401 });
      expect(`${error.stack} ${JSON.stringify(error)}`).not.toMatch(/t0psecret|dDBwc2VjcmV0/);
    }
    expect(basic.message).toMatch(/HTTP 401, check WEBDAV_USERNAME and WEBDAV_PASSWORD$/);
    expect(bearer.message).toMatch(/HTTP 401, check WEBDAV_BEARER_TOKEN$/);
    expect((await errorOf({})).message).toMatch(
      /HTTP 401, the server wants a login: set WEBDAV_USERNAME and /,
    );
  });

  test('goes with every request', async () => {
    const seen = new Set<string | undefined>();
    const heard = (env: NodeJS.ProcessEnv) =>
      standIn((request, response) => {
        seen.add(request.headers.authorization);
        response.writeHead(request.method === 'PUT' ? 201 : 405, { 'content-length': 0 }).end();
      }, env);
    const everything = async (store: Dav): Promise<void> => {
      await write(store, 'a/x', 'x');
      await store.writeStream('a/x', bodyOf('x'), 1, NO_PROPERTIES);
      const rest = [store.read('x', 1), store.head('x'), store.remove('x'), store.listPage('', null)];
      await Promise.allSettled([...rest, store.readStream('x', 0), store.createContainer()]);
    };
    await everything(await heard({ WEBDAV_USERNAME: 'Jörg', WEBDAV_PASSWORD: 'a:b ü' }));
    await everything(await heard({ WEBDAV_BEARER_TOKEN: 'abc.def-_~+/==' }));
    const basic = Buffer.from('Jörg:a:b ü').toString('base64');
    expect([...seen]).toEqual([`Basic ${basic}`, 'Bearer abc.def-_~+/==']);
  });

  test.each([
    [{ WEBDAV_USERNAME: 'me' }, 'WEBDAV_USERNAME is set, but not WEBDAV_PASSWORD'],
    [{ WEBDAV_PASSWORD: 't0psecret' }, 'WEBDAV_PASSWORD is set, but not WEBDAV_USERNAME'],
    [{ WEBDAV_USERNAME: 'a:b', WEBDAV_PASSWORD: 'x' }, 'WEBDAV_USERNAME holds a colon'],
    [{ WEBDAV_BEARER_TOKEN: 't0p secret' }, 'WEBDAV_BEARER_TOKEN holds a character'],
    [
      { WEBDAV_BEARER_TOKEN: 'x', WEBDAV_USERNAME: 'me' },
      'set either WEBDAV_BEARER_TOKEN, or WEBDAV_USERNAME and WEBDAV_PASSWORD',
    ],
  ])('that cannot be one is refused: %o', (env, why) => {
    const opening = () => davAt('http://127.0.0.1:1/dav', env);
    expect(opening).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(why) }),
    );
    expect(opening).not.toThrow(/t0p/);
  });
});

describe('before other servers', () => {
  const empty = { 'content-length': 0 };

  test('the content type goes with the body, for those that keep it', async () => {
    const types: unknown[] = [];
    const store = await standIn((request, response) => {
      if (request.method === 'PUT') types.push(request.headers['content-type']);
      response.writeHead(request.method === 'PUT' ? 201 : 405, empty).end();
    });
    const properties = { ...NO_PROPERTIES, contentType: 'image/jpeg', md5 };
    await store.write('x', Buffer.from('x'), properties);
    await store.writeStream('x', bodyOf('x'), 1, properties);
    await write(store, 'x', 'x');
    expect(types).toEqual(['image/jpeg', 'image/jpeg', undefined]);
  });

  test.each([409, 404])(
    'a PUT that answers %i makes the folders it lacks, and is asked again',
    async (status) => {
      const asked: string[] = [];
      const folders = new Set(['/dav/']);
      const parent = (path: string): string => path.replace(/[^/]+\/?$/, '');
      const store = await standIn((request, response) => {
        const { method, url = '' } = request;
        if (method === 'PROPFIND' || method === 'HEAD') return void response.writeHead(405, empty).end();
        asked.push(`${method} ${url}`);
        const lacks = !folders.has(parent(url));
        if (method === 'MKCOL' && !lacks) folders.add(url);
        response.writeHead(lacks ? (method === 'PUT' ? status : 409) : 201, empty).end();
      });
      await write(store, 'a/b/x', 'x');
      expect(asked).toEqual([
        ...['PUT /dav/a/b/x', 'MKCOL /dav/a/b/', 'MKCOL /dav/a/'],
        ...['MKCOL /dav/a/b/', 'PUT /dav/a/b/x'],
      ]);
    },
  );

  test.each([
    [413, 'permanent', 'too-large', /client_max_body_size/],
    [423, 'transient', 'throttled', /locked/],
    [507, 'permanent', 'disk-full', /HTTP 507/],
    [500, 'transient', 'server-error', /HTTP 500/],
  ])('a PUT that answers %i is %s/%s', async (status, kind, code, why) => {
    const store = await standIn((request, response) =>
      response.writeHead(request.method === 'PUT' ? status : 405, empty).end(),
    );
    const writing = write(store, 'a/x', 'x');
    await expect(writing).rejects.toMatchObject({ kind, code });
    await expect(writing).rejects.toThrow(why);
  });

  test('an address behind a proxy that changes it is told, not taken for an empty listing', async () => {
    const store = await standIn((_, response) => {
      const entry = '<response><href>/inside/dav/x</href></response>';
      response.writeHead(207).end(`<multistatus xmlns="DAV:">${entry}</multistatus>`);
    });
    await expect(store.listPage('', null)).rejects.toThrow(
      /tells of \/inside\/dav\/x, which is not below \/dav/,
    );
  });
});

test('names on disk that no object can have are shown as they are', async () => {
  const nginx = await startNginx(ground, { name: 'odd' });
  writeFileSync(join(nginx.root, 'back\\slash'), 'x');
  const { objects } = await davAt(nginx.davUrl).listPage('', null);
  expect(objects.map(({ key }) => key)).toEqual(['back\\slash']);
});
