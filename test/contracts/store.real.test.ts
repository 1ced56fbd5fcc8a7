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
import { can, NO_PROPERTIES } from '../../stores/store.js';
import { createLimiter } from '../../stores/wrap.js';
import { type StoreUnderTest, storeContract } from './store-contract.js';

function onDisk(open: (directory: string) => Promise<NonNullable<StoreUnderTest['writable']>>) {
  return async (): Promise<StoreUnderTest> => {
    const directory = mkdtempSync(join(tmpdir(), 'convoy-store-'));
    const store = await open(join(directory, 'made', 'on demand'));
    const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');
    return {
      store,
      writable: store,
      put: (key, bytes) => store.write(key, bytes, { ...NO_PROPERTIES, md5: md5(bytes) }),
      async close() {
        await store.close();
        rmSync(directory, { recursive: true });
      },
    };
  };
}

storeContract(
  'filesystem',
  onDisk(async (directory) => filesystemStore(directory)),
);

const clock = systemClock();
storeContract(
  'filesystem in its wrappers',
  onDisk(async (directory) => {
    const store = await openDestination(`file://${encodeURI(directory)}`, {
      log: silentLog,
      env: {},
      retry: { clock, random: Math.random },
      limiter: createLimiter(10_000, clock),
    });
    if (!can(store, 'listPage')) throw new Error('cannot be listed');
    return store;
  }),
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
