import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import type { MigrationStatus } from '../../../jobs/work-queue.js';
import { silentLog } from '../../../runtime/log.js';
import { openDestination } from '../../../stores/open.js';
import { NO_PROPERTIES } from '../../../stores/store.js';
import { startJob } from '../../support/migration-processes.js';
import { testRedis, useGround } from '../../support/services.js';
import { startAzurite } from '../../support/stores/azurite.js';
import { startNginx } from '../../support/stores/nginx.js';
import { startSwift } from '../../support/stores/swift.js';
import { descriptorBody, keysOf, tileBody } from '../../support/tile-source.js';

/** zh-populate --discover and --ids LOCATION against real stores. */
const ground = useGround('identify-discover');
const IMAGE = { width: 300, height: 200, tileSize: 100, overlap: 1, format: 'jpg' };
let env: Record<string, string>;
let queue: RedisQueue;
let sources: Record<string, string>;
let nginxUrl: string;

beforeAll(async () => {
  const [redis, swift, azurite, nginx] = await Promise.all([
    testRedis(ground),
    startSwift(ground),
    startAzurite(ground),
    startNginx(ground),
  ]);
  env = {
    ...{ REDIS_URL: redis.url, ST_AUTH: swift.authUrl, ST_USER: swift.user, ST_KEY: swift.key },
    ...{ AWS_ENDPOINT_URL: swift.s3.endpoint, AWS_REGION: swift.s3.region },
    ...{ AWS_ACCESS_KEY_ID: swift.s3.accessKey, AWS_SECRET_ACCESS_KEY: swift.s3.secretKey },
    AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString,
  };
  queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 5_000 });
  nginxUrl = nginx.url;
  sources = {
    azure: `azure://${azurite.account}/content/some/folder`,
    swift: 'swift://pictures',
    s3: 's3://bucket/x',
    file: `file://${join(ground.dir, 'disk')}`,
    webdav: `webdav+${nginx.davUrl}/images`,
  };
  await Promise.all(Object.values(sources).map(fill));
}, 60_000);
afterAll(() => queue.close());

/** Two images with their tiles, two files that are none, one in capitals, a collection, and a folder within. */
async function fill(location: string): Promise<void> {
  const store = await openDestination(location, { log: silentLog, env });
  await store.createContainer();
  const put = (key: string, body: string | Buffer): Promise<void> => {
    const bytes = Buffer.from(body as string);
    return store.write(key, bytes, {
      ...NO_PROPERTIES,
      md5: createHash('md5').update(bytes).digest('hex'),
    });
  };
  for (const id of ['Mk0E', 'a b']) {
    const [descriptor = '', ...tiles] = keysOf(id, IMAGE);
    await put(descriptor, descriptorBody(IMAGE));
    for (const key of tiles) await put(key, tileBody(key));
  }
  await put('sparse.dzi', descriptorBody(IMAGE).replace('</Image>', '<DisplayRects/></Image>'));
  await put('album.dzc', '<Collection/>');
  await put('LOUD.DZI', descriptorBody(IMAGE));
  await put('total.txt', '\ufeffMk0E:5\r\nMk0E\r\n\r\na b:1  \r\ngone:1');
  await put('deeper/hidden.dzi', descriptorBody(IMAGE));
  await store.close();
}

async function migration(name: string, source: string): Promise<void> {
  mkdirSync(join(ground.dir, name));
  await queue.createMigration({
    ...{ name, source, destination: `file://${join(ground.dir, name)}`, rangeSize: 100, maxAttempts: 3 },
    ...{ stopAfterFailures: 0.01, stopAfterTiles: 10_000, serverSide: 'auto', incomplete: 'withhold' },
  });
}

async function populate(name: string, ...args: string[]) {
  const job = startJob(ground, 'populate', ['--migration', name, ...args], env);
  return { code: await job.ended, log: readFileSync(join(ground.dir, `${job.name}.log`), 'utf8') };
}

async function planOf(
  name: string,
): Promise<{ ids: string[]; refused: Record<string, string>; status: MigrationStatus }> {
  const ids: string[] = [];
  const refused: Record<string, string> = {};
  for await (const { image } of queue.images(name)) ids.push(image.id);
  for await (const { lane, image, reason } of queue.failures(name, {}))
    if (lane === 'images') refused[image] = reason;
  return { ids, refused, status: (await queue.status(name))! };
}

test.each(['azure', 'swift', 's3', 'file', 'webdav'])(
  'a source of kind %s is planned by what lies in it, no deeper, and by a list in a container',
  async (kind) => {
    const source = sources[kind]!;
    const [found, listed] = [`discover-${kind}`, `list-${kind}`];
    await Promise.all([migration(found, source), migration(listed, source)]);
    const [discovering, listing] = await Promise.all([
      populate(found, '--discover'),
      populate(listed, '--ids', `${source}/total.txt`),
    ]);
    expect(discovering.code).toBe(0);
    const { ids, refused, status } = await planOf(found);
    expect(ids.sort()).toEqual(['Mk0E', 'a b']);
    expect(refused).toEqual({ sparse: 'sparse-image', 'album.dzc': 'collection', 'LOUD.DZI': 'letter-case' });
    expect(status).toMatchObject({ planClosed: true, images: { total: 2, refused: 3 } });
    expect(status.tiles.total).toBe(2 * (keysOf('x', IMAGE).length - 1));

    expect(listing.code).toBe(0);
    expect(listing.log).toContain('"listed":4,"filtered":0,"known":0,"added":2,"duplicates":1,"refused":1');
    expect(await planOf(listed)).toMatchObject({
      ids: ['Mk0E', 'a b'],
      refused: { gone: kind === 'file' ? 'not-found' : 'http-404' },
    });
  },
);

test('a source over plain HTTP cannot be discovered, which is one sentence', async () => {
  await migration('http', `${nginxUrl}/images`);
  const { code, log } = await populate('http', '--discover', '--log-level', 'error');
  expect(code).toBe(2);
  expect(log).toBe(
    `zh-populate: --discover: ${nginxUrl}/images cannot be listed: give the ids of its images with --ids\n`,
  );
  expect(await queue.status('http')).toMatchObject({ planClosed: false, planOpen: [] });
});

test('a list may be of another store than the source', async () => {
  await migration('elsewhere', sources.file!);
  const { code } = await populate('elsewhere', '--ids', `${sources.swift}/total.txt`, '--match', 'M*');
  expect(code).toBe(0);
  expect(await planOf('elsewhere')).toMatchObject({ ids: ['Mk0E'], refused: {} });
});
