import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CopyOutcome } from '../../../jobs/copy-tile.js';
import { createLimits } from '../../../jobs/limits.js';
import { tileAt, tileKey } from '../../../jobs/pyramid.js';
import { openRoute } from '../../../jobs/route.js';
import type { Claim, MigrationDefinition, ServerSide } from '../../../jobs/work-queue.js';
import { systemClock } from '../../../runtime/clock.js';
import { silentLog } from '../../../runtime/log.js';
import { silentMeter } from '../../../runtime/meter.js';
import { openDestination, openSource } from '../../../stores/open.js';
import { useGround } from '../../support/services.js';
import { startSwift } from '../../support/stores/swift.js';
import { tileBody } from '../../support/tile-source.js';

/** Tiles copied by real stores between their own containers. */
const ground = useGround('server-side');
const IMAGE = {
  width: 100,
  height: 100,
  tileSize: 50,
  overlap: 0,
  format: 'jpg',
  number: 0,
  id: 'a',
  tiles: 11,
};
const KEY = tileKey('a', tileAt(IMAGE, 3), 'jpg');
const BODY = tileBody(KEY);
const MD5 = createHash('md5').update(BODY).digest('hex');
const never = new AbortController();
let env: Record<string, string>;

beforeAll(async () => {
  const swift = await startSwift(ground);
  env = {
    ...{ ST_AUTH: swift.authUrl, ST_USER: swift.user, ST_KEY: swift.key },
    ...{ AWS_ENDPOINT_URL: swift.s3.endpoint, AWS_REGION: swift.s3.region },
    ...{ AWS_ACCESS_KEY_ID: swift.s3.accessKey, AWS_SECRET_ACCESS_KEY: swift.s3.secretKey },
  };
  const properties = { contentType: 'image/jpeg', headers: {}, metadata: { by: 'a test' }, md5: MD5 };
  for (const kind of ['swift', 's3']) {
    for (const container of ['source', 'destination'].map((side) => `${kind}://${kind}-${side}`)) {
      const store = await openDestination(container, { log: silentLog, env });
      await store.createContainer();
      if (container.endsWith('source')) await store.write(KEY, BODY, properties);
      await store.close();
    }
  }
}, 60_000);
afterAll(() => never.abort());

/** Copies the tile and says what became of it, and whether that was told to be carried. */
async function copy(kind: string, serverSide: ServerSide, to = kind): Promise<CopyOutcome> {
  const definition: MigrationDefinition = {
    ...{ name: 'm', source: `${kind}://${kind}-source`, destination: `${to}://${to}-destination` },
    ...{
      rangeSize: 10,
      maxAttempts: 1,
      stopAfterFailures: 1,
      stopAfterTiles: 1,
      serverSide,
      incomplete: 'withhold',
    },
  };
  const route = await openRoute(definition, {
    ...{ clock: systemClock(), random: Math.random, log: silentLog, env, signal: never.signal },
    meter: silentMeter,
    limits: createLimits(null, systemClock()),
    latencyOf: () => () => undefined,
    ...{ onThrottled: () => undefined, onOutageChange: () => undefined },
  });
  try {
    return await route.copy(
      { lane: 'tiles', image: IMAGE, attempt: 0 } as unknown as Claim,
      3,
      never.signal,
      () => true,
    );
  } finally {
    await route.close();
  }
}

test.each(['swift', 's3'])('%s copies a tile by itself: same bytes, properties and MD5', async (kind) => {
  // With `always` nothing is carried: a copy that were not the destination's own would be a failure.
  expect(await copy(kind, 'always')).toEqual({ kind: 'done', bytes: BODY.length, md5: MD5 });
  const store = await openSource(`${kind}://${kind}-destination`, { log: silentLog, env });
  const stored = await store.read(KEY, 1_000_000);
  await store.close();
  expect(Buffer.from(stored.bytes).equals(BODY)).toBe(true);
  expect(stored).toMatchObject({ contentType: 'image/jpeg', metadata: { by: 'a test' }, md5: MD5 });
});

test('stores that cannot for each other are refused before the first tile, or it is carried', async () => {
  await expect(copy('swift', 'always', 's3')).rejects.toMatchObject({
    ...{ kind: 'permanent', code: 'copy-refused' },
    message: 's3://s3-destination cannot copy from swift://swift-source by itself',
  });
  expect(await copy('swift', 'auto', 's3')).toEqual({ kind: 'done', bytes: BODY.length, md5: MD5 });
});
