import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../runtime/clock.js';
import { silentLog } from '../../../runtime/log.js';
import { copyLarge } from '../../../stores/large.js';
import { openDestination } from '../../../stores/open.js';
import type { Store } from '../../../stores/store.js';
import { noise } from '../../contracts/store-cases.js';
import { useGround } from '../../support/services.js';
import { startNginx } from '../../support/stores/nginx.js';
import { startSwift } from '../../support/stores/swift.js';

const ground = useGround('large');
const KEY = 'a folder/100% + ü🚀.tif';
const BYTES = noise(40_000_003, 50);
const MD5 = createHash('md5').update(BYTES).digest('hex');
const stores: Record<string, Store> = {};

beforeAll(async () => {
  const [swift, nginx] = await Promise.all([startSwift(ground), startNginx(ground)]);
  const env = {
    ...{ AWS_ACCESS_KEY_ID: swift.s3.accessKey, AWS_SECRET_ACCESS_KEY: swift.s3.secretKey },
    ...{ AWS_ENDPOINT_URL_S3: swift.s3.endpoint },
    ...{ ST_AUTH: swift.authUrl, ST_USER: swift.user, ST_KEY: swift.key },
  };
  const folder = (name: string): string => `file://${join(ground.dir, name)}`;
  for (const [name, location] of [
    ['disk', folder('disk')],
    ['s3', 's3://large-s3/prefix'],
    ['swift', 'swift://large-swift/prefix'],
    ['webdav', `webdav+${nginx.davUrl}`],
    ['other disk', folder('other')],
  ] as const) {
    const retry = { clock: systemClock(), random: Math.random };
    const store = await openDestination(location, { log: silentLog, env, retry });
    await store.createContainer();
    stores[name] = store;
  }
  mkdirSync(join(ground.dir, 'disk', 'a folder'), { recursive: true });
  writeFileSync(join(ground.dir, 'disk', KEY), BYTES);
});
afterAll(async () => {
  for (const store of Object.values(stores)) await store.close();
});

test('a large object goes from disk to S3 to Swift to WebDAV to disk, and is the same', async () => {
  const names = ['disk', 's3', 'swift', 'webdav', 'other disk'];
  for (const [index, to] of names.slice(1).entries()) {
    const copied = await copyLarge(stores[names[index]!]!, KEY, stores[to]!);
    expect({ to, ...copied }).toMatchObject({ to, size: BYTES.length, md5: MD5 });
  }
  const arrived = readFileSync(join(ground.dir, 'other', KEY));
  expect(createHash('md5').update(arrived).digest('hex')).toBe(MD5);
});
