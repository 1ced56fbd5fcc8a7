/**
 * To and from real object stores, against rclone: the same tiles from the same servers, in turns, each time into a container of
 * its own. Azurite, which slows down with the blobs it holds, is another one each time it is written to.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, type Ground, openGround, startRedis } from '../../../agent/ground.js';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import { type Azurite, EMULATOR, startAzurite } from '../../support/stores/azurite.js';
import { startNginx } from '../../support/stores/nginx.js';
import { startSwift } from '../../support/stores/swift.js';
import { until } from '../../support/until.js';
import { pidsNaming } from '../support/processes.js';
import { section } from '../support/section.js';
import { realTiles } from '../support/tiles.js';
import { type Bench, type Compared, compare, copyOurselves, createContainer, type Way } from './compare.js';
import { onAzurite, onHttp, onS3, onSwift } from './places.js';
import { rcloneVersion } from './rclone.js';

async function measure(ground: Ground): Promise<readonly Compared[]> {
  const { folder, images } = await realTiles();
  const redis = await startRedis(ground);
  const queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 5_000 });
  const bench: Bench = { ground, queue, redisUrl: redis.url };
  const nginx = await startNginx(ground, { extra: `location /tiles/ { alias ${folder}/; }` });
  const http = onHttp(`${nginx.url}/tiles`);
  let containers = 0;
  const container = (): string => `tiles-${++containers}`;
  const done: Compared[] = [];
  const measureWay = async (way: Way): Promise<void> => void done.push(await compare(bench, way));

  let azurite: Azurite | null = null;
  const azuriteServer = { name: 'Azurite', pids: () => (azurite === null ? [] : [azurite.pid]) };
  const azuritePort = await freePort();
  const another = async (): Promise<Azurite> => {
    if (azurite !== null) await ended(azurite.pid);
    azurite = await startAzurite(ground, EMULATOR, azuritePort);
    return azurite;
  };
  await measureWay({
    ...{ name: 'http -> Azurite', source: http, rateAtLeast: 2, cpuAtMost: 0.35 },
    ...{ images: images.slice(0, 8), before: images.slice(0, 12) },
    destination: async () => onAzurite(await another(), container()),
    servers: [azuriteServer],
  });

  const swift = await startSwift(ground, { headsTellLength: true });
  const swiftServer = { name: 'Swift', pids: () => pidsNaming(join(ground.dir, 'swift')) };
  const held = images.slice(0, 10);
  const full = onAzurite(await another(), container());
  await createContainer(full);
  await copyOurselves(bench, http, full, held);
  await measureWay({
    ...{ name: 'Azurite -> Swift', source: full, rateAtLeast: 2, cpuAtMost: 0.35 },
    ...{ images: images.slice(0, 8), before: held },
    destination: async () => onSwift(swift, container()),
    servers: [azuriteServer, swiftServer],
  });
  await measureWay({
    ...{ name: 'http -> S3 (s3api of Swift)', source: http, rateAtLeast: null, cpuAtMost: 0.3 },
    ...{ images: images.slice(0, 8), before: images.slice(0, 10) },
    destination: async () => onS3(swift, container()),
    servers: [swiftServer],
  });
  await queue.close();
  return done;
}

/** SIGKILL; resolves when it is gone, and its port free: a process that ends has no name for a while, but its sockets still. */
async function ended(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await until('Azurite to be gone', () => !existsSync(`/proc/${pid}`));
}

await section('clouds', async () => {
  const version = rcloneVersion();
  const ground = openGround('convoy-clouds');
  try {
    const compared = await measure(ground);
    return {
      figures: compared.flatMap(({ figures }) => figures),
      notes: [
        `rclone ${version}, told to look nowhere before it copies; that it compares sizes and MD5s afterwards stays as it is by default. Swift tells it the length of what it answers to HEAD of a container, which Debian's leaves out and Go's client stumbles over. Verification, claims and counters are on in Convoy. Compared is what further tiles need, since a migration has millions: of ours within a run of a worker that goes on from run to run, as a unit does; of rclone's, which tells nothing of its progress, by the difference of two runs. What was needed from a program's start on stands beside it.`,
        ...compared.map(({ note }) => note),
      ],
    };
  } finally {
    await ground.close();
  }
});
