import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { httpStore } from '../../stores/http.js';
import type { Ability } from '../../stores/store.js';
import { useGround } from '../support/services.js';
import { startNginx } from '../support/stores/nginx.js';
import { noCredentials } from './store-cases.js';
import { storeContract } from './store-contract.js';
import { storeFaults } from './store-faults.js';

const abilities: readonly Ability[] = ['readStream', 'readStart', 'copyAddress'];
const ground = useGround('http-contract');

/** An nginx, and a way to put files behind its back. */
async function served(name: string) {
  const nginx = await startNginx(ground, { name });
  const put = async (key: string, bytes: Uint8Array): Promise<void> => {
    const path = join(nginx.root, key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  };
  return { url: nginx.url, put };
}

storeContract(
  'http',
  async () => {
    const { url, put } = await served('contract');
    const store = httpStore(url);
    return { store, put, close: () => store.close() };
  },
  {
    abilities,
    skip: [
      ...noCredentials('check', 'read'),
      {
        test: 'head and read tell the MD5 if the store has one, and never another',
        reason: 'nginx knows none: Content-MD5 is read below',
      },
      ...[
        'a name of 1024 bytes in one part is held exactly, or refused by name',
        'the longest name the store says it holds is held, a longer one is refused',
      ].map((test) => ({ test, reason: 'no file has a name of more than 255 bytes: such are read below' })),
      {
        test: 'the content type comes back, if the store keeps it',
        reason: "nginx goes by the file's name: types are read below",
      },
    ],
  },
);

storeFaults(
  'http',
  async () => {
    const { url, put } = await served('faults');
    return { target: url, open: async (at, options) => httpStore(at, options), put, close: async () => {} };
  },
  { abilities },
);

/** What nginx does not do: Content-MD5, and content types that belong to the object. */
storeContract(
  'http with Content-MD5',
  async () => {
    const objects = new Map<string, [Uint8Array, string | null]>();
    const server = createServer((request, response) => {
      const path = (request.url ?? '').slice('/base/'.length);
      const [bytes, type] = objects.get(path.split('/').map(decodeURIComponent).join('/')) ?? [];
      if (bytes === undefined) return void response.writeHead(404).end('<html>not here</html>');
      const { length } = bytes;
      const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
      const [from, to] = [Number(first ?? 0), Math.min(Number(last || length - 1), length - 1)];
      const head = {
        ...(type == null ? {} : { 'content-type': type }),
        'content-md5': createHash('md5').update(bytes).digest('base64'),
      };
      if (from > 0 && from >= length)
        return void response.writeHead(416, { ...head, 'content-range': `bytes */${length}` }).end();
      const part = bytes.subarray(from, to + 1);
      const ranged = first !== undefined && length > 0;
      const range = ranged ? { 'content-range': `bytes ${from}-${to}/${length}` } : {};
      response.writeHead(ranged ? 206 : 200, { ...head, ...range, 'content-length': part.length });
      response.end(request.method === 'HEAD' ? undefined : part);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const store = httpStore(`http://127.0.0.1:${port}/base`);
    return {
      store,
      put: async (key, bytes, type) => void objects.set(key, [bytes, type]),
      async close() {
        await store.close();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  },
  { abilities, skip: noCredentials('check', 'read') },
);
