import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tileCount } from '../../../jobs/pyramid.js';
import { definition } from '../../contracts/queue-cases.js';
import { exitOf, useMigrations } from '../../support/migration-ground.js';
import {
  type S3StandIn,
  type SeenRequest,
  type StandInAnswer,
  startS3StandIn,
} from '../../support/stores/s3-stand-in.js';
import { keysOf, tileBody } from '../../support/tile-source.js';

const IMAGE = { width: 300, height: 200, tileSize: 50, overlap: 1, format: 'jpg' };
const TILES = tileCount(IMAGE);
const ground = useMigrations('skip-existing');
const objects = new Map<string, Buffer>();
let server: S3StandIn;

beforeAll(async () => {
  server = await startS3StandIn({ accessKey: 'k', secretKey: 's', region: 'us-east-1' });
  server.answer(answer);
});
afterAll(() => server.close());

/** Two buckets, whose ETag is the MD5. */
function answer({ method, path, query, body }: SeenRequest): StandInAnswer {
  if (method === 'PUT') objects.set(path, body);
  if (query.has('list-type'))
    return { body: '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>' };
  if (/^\/(from|there)\/?$/.test(path)) return {};
  const found = objects.get(path);
  if (found === undefined) return { status: 404 };
  const headers = {
    'content-length': String(found.length),
    'content-type': 'image/jpeg',
    etag: `"${createHash('md5').update(found).digest('hex')}"`,
  };
  return {
    headers,
    body: method === 'PUT' ? '' : found,
    ...(method === 'PUT' ? { headers: { etag: headers.etag } } : {}),
  };
}

test('zh-import-blobs --skip-existing carries only the tiles that the destination has not, or has otherwise', async () => {
  const [there, missing, other] = keysOf('x', IMAGE).slice(1);
  for (const key of keysOf('x', IMAGE).slice(1)) {
    objects.set(`/from/${key}`, tileBody(key));
    if (key !== missing) objects.set(`/there/${key}`, key === other ? tileBody(there!) : tileBody(key));
  }
  await ground.queue.createMigration(
    definition({ name: 'm', source: 's3://from', destination: 's3://there', serverSide: 'never' }),
  );
  await ground.queue.addImages('m', [{ id: 'x', geometry: IMAGE }]);
  await ground.queue.closePlan('m', null);
  const running = ground.start('import-blobs', ['--until-empty'], {
    ...{ AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 's', AWS_REGION: 'us-east-1' },
    ...{ AWS_ENDPOINT_URL_S3: server.url, ZH_SKIP_EXISTING: 'yes' },
  });
  expect(await exitOf(running, 30_000)).toEqual({ code: 0 });
  const { tiles } = await ground.status('m');
  expect(tiles).toMatchObject({ done: 2, skipped: TILES - 2, failed: 0 });
  const written = server.seen.filter(({ method }) => method === 'PUT').map(({ path }) => path);
  expect(written.sort()).toEqual([`/there/${missing}`, `/there/${other}`].sort());
  for (const key of keysOf('x', IMAGE).slice(1)) expect(objects.get(`/there/${key}`)).toEqual(tileBody(key));
  expect(ground.logOf(running)).toContain(`"key":"${other}"`);
});
