import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { httpStore } from '../../stores/http.js';
import { noCredentials } from './store-cases.js';
import { storeContract } from './store-contract.js';

storeContract(
  'http',
  async () => {
    const objects = new Map<string, [Uint8Array, string | null]>();
    const server = createServer((request, response) => {
      const path = (request.url ?? '').slice('/base/'.length);
      const [bytes, type] = objects.get(path.split('/').map(decodeURIComponent).join('/')) ?? [];
      if (bytes === undefined) return void response.writeHead(404).end('<html>not here</html>');
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const { length } = bytes;
      const head = {
        ...(type == null ? {} : { 'content-type': type }),
        'content-md5': createHash('md5').update(bytes).digest('base64'),
      };
      if (from > 0 && from >= length)
        return void response.writeHead(416, { ...head, 'content-range': `bytes */${length}` }).end();
      const ranged = from > 0 ? { 'content-range': `bytes ${from}-${length - 1}/${length}` } : {};
      response.writeHead(from > 0 ? 206 : 200, { ...head, ...ranged, 'content-length': length - from });
      response.end(request.method === 'HEAD' ? undefined : bytes.subarray(from));
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
  { abilities: ['readStream'], skip: noCredentials('check', 'read') },
);
