import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { convoyctl } from '../../support/convoyctl.js';
import { type JobProgram, startJob } from '../../support/migration-processes.js';
import { testRedis, useGround } from '../../support/services.js';
import { startAzurite } from '../../support/stores/azurite.js';
import { startAzurite2011 } from '../../support/stores/azurite-2011.js';
import { startIdentityV2 } from '../../support/stores/identity-v2.js';
import { startNginx } from '../../support/stores/nginx.js';
import { startSwift } from '../../support/stores/swift.js';
import { descriptorBody, keysOf, tileBody } from '../../support/tile-source.js';
import { until } from '../../support/until.js';

const LIST = 'Fj2:5\na9:2\n';
const IMAGES = [
  { id: 'Fj2', geometry: { width: 900, height: 640, tileSize: 100, overlap: 1, format: 'jpg' } },
  { id: 'a9', geometry: { width: 300, height: 770, tileSize: 100, overlap: 1, format: 'jpg' } },
];
const KEYS = IMAGES.flatMap(({ id, geometry }) => keysOf(id, geometry));
const ground = useGround('tour');

/** Each leg is a migration of its own, by the programs a user runs, from where the last one ended. */
test('two images go from a disk through every kind of store and come back as they went', {
  timeout: 240_000,
}, async () => {
  const [redis, azurite, swift, nginx] = await Promise.all([
    testRedis(ground),
    startAzurite(ground),
    startSwift(ground),
    startNginx(ground),
  ]);
  const identity = await startIdentityV2(swift);
  const before = join(ground.dir, 'before');
  const after = join(ground.dir, 'after');
  const bodies = new Map<string, Buffer>();
  for (const { id, geometry } of IMAGES)
    for (const key of keysOf(id, geometry))
      bodies.set(key, key.endsWith('.dzi') ? Buffer.from(descriptorBody(geometry)) : tileBody(key));
  for (const [key, body] of [...bodies, ['total.txt', Buffer.from(LIST)] as const]) {
    mkdirSync(dirname(join(before, key)), { recursive: true });
    writeFileSync(join(before, key), body);
  }

  const azure = { AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString };
  const azure2011 = {
    AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString.replace(
      azurite.url,
      await startAzurite2011(azurite),
    ),
  };
  const v1 = { ST_AUTH: swift.authUrl, ST_USER: swift.user, ST_KEY: swift.key };
  const rackspace = {
    RAX_AUTH_URL: identity.authUrl,
    RAX_USERNAME: swift.user,
    RAX_API_KEY: swift.key,
    RAX_REGION: 'DFW',
  };
  const s3 = {
    AWS_ENDPOINT_URL_S3: swift.s3.endpoint,
    AWS_ACCESS_KEY_ID: swift.s3.accessKey,
    AWS_SECRET_ACCESS_KEY: swift.s3.secretKey,
    AWS_REGION: swift.s3.region,
  };
  const box = (name: string) => `azure://${azurite.account}/${name}/dzis`;
  const legs: readonly (readonly [location: string, env: Record<string, string>])[] = [
    [box('first'), azure],
    ['swift://second/a%20b/dzis', v1],
    ['s3://third', s3],
    [`webdav+${nginx.davUrl}/tiles`, {}],
    ['pkgcloud+rackspace://fourth/dzis', rackspace],
    ['pkgcloud+azure://seventh/dzis', azure2011],
    [`file://${after}`, {}],
  ];

  const digests = new Set<string>();
  let from: (typeof legs)[number] = [`file://${before}`, {}];
  for (const [number, to] of legs.entries()) {
    // What WebDAV wrote is read over plain HTTP.
    const source = from[0].replace(`webdav+${nginx.davUrl}`, nginx.url);
    // Without a side: for `store ls` of the destination.
    const env = {
      ...sided('SOURCE_', from[1]),
      ...sided('DESTINATION_', to[1]),
      ...to[1],
      REDIS_URL: redis.url,
    };
    digests.add(await move(`leg${number}`, source, to[0], env));
    from = to;
  }
  expect(digests.size).toBe(1);
  for (const [key, body] of bodies) expect(readFileSync(join(after, key)).equals(body), key).toBe(true);
});

const sided = (side: string, env: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(env).map(([name, value]) => [side + name, value]));

/** One migration from its creation to its end; answers its digest. */
async function move(
  name: string,
  source: string,
  destination: string,
  env: Record<string, string>,
): Promise<string> {
  const ctl = async (...args: string[]): Promise<string> => {
    const { stdout, stderr, exit } = await convoyctl(args, { cwd: ground.dir, env });
    expect({ name, exit, stderr }).toEqual({ name, exit: 0, stderr: expect.not.stringContaining('rror') });
    return stdout;
  };
  const run = (job: JobProgram, ...args: string[]) =>
    startJob(ground, job, ['--migration', name, ...args], env);
  const status = async () => JSON.parse(await ctl('migration', 'status', name, '-o', 'json'));

  await ctl(
    'migration',
    'create',
    name,
    '--create-container',
    '--source',
    source,
    '--destination',
    destination,
  );
  const list = join(ground.dir, 'before', 'total.txt');
  expect(await run('populate', '--ids', list).ended).toBe(0);
  const workers = [run('import-blobs'), run('upload-dzis')];
  const end = await until(
    `${name} to finish`,
    async () => {
      const now = await status();
      return now.finished ? now : null;
    },
    30_000,
  );
  for (const worker of workers) worker.child.kill('SIGTERM');
  expect(await Promise.all(workers.map(({ ended }) => ended))).toEqual([0, 0]);
  expect(end).toMatchObject({
    images: { total: IMAGES.length, published: IMAGES.length, withheld: 0 },
    tiles: { total: KEYS.length - IMAGES.length, done: KEYS.length - IMAGES.length },
    failures: {},
  });
  const listed = (await ctl('store', 'ls', destination, '-o', 'json')).trim().split('\n');
  expect(listed).toHaveLength(KEYS.length);
  return end.digest;
}
