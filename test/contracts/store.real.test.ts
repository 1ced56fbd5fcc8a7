import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../runtime/clock.js';
import { silentLog } from '../../runtime/log.js';
import { filesystemStore } from '../../stores/filesystem.js';
import { httpStore } from '../../stores/http.js';
import { openDestination } from '../../stores/open.js';
import { createLimiter } from '../../stores/wrap.js';
import { type StoreUnderTest, storeContract } from './store-contract.js';

function onDisk(open: (directory: string) => NonNullable<StoreUnderTest['writable']>) {
  return async (): Promise<StoreUnderTest> => {
    const directory = mkdtempSync(join(tmpdir(), 'convoy-store-'));
    const store = open(join(directory, 'made', 'on demand'));
    const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');
    return {
      store,
      writable: store,
      put: (key, bytes) => store.write(key, bytes, { contentType: null, md5: md5(bytes) }),
      async close() {
        await store.close();
        rmSync(directory, { recursive: true });
      },
    };
  };
}

storeContract('filesystem', onDisk(filesystemStore));

const clock = systemClock();
storeContract(
  'filesystem in its wrappers',
  onDisk((directory) =>
    openDestination(`file://${encodeURI(directory)}`, {
      log: silentLog,
      retry: { clock, random: Math.random },
      limiter: createLimiter(10_000, clock),
    }),
  ),
);

storeContract('http', async () => {
  const objects = new Map<string, Uint8Array>();
  const server = createServer((request, response) => {
    const path = (request.url ?? '').slice('/base/'.length);
    const bytes = objects.get(path.split('/').map(decodeURIComponent).join('/'));
    if (bytes === undefined) return void response.writeHead(404).end('<html>not here</html>');
    response.writeHead(200, {
      'content-length': bytes.length,
      'content-md5': createHash('md5').update(bytes).digest('base64'),
    });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const store = httpStore(`http://127.0.0.1:${port}/base`);
  return {
    store,
    put: async (key, bytes) => void objects.set(key, bytes),
    async close() {
      await store.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
});
