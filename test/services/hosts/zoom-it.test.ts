import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { silentLog } from '../../../runtime/log.js';
import { openDestination } from '../../../stores/open.js';
import { NO_PROPERTIES } from '../../../stores/store.js';
import { joinDigests, tileDigest } from '../../support/digests.js';
import { activeOn, untilActive, untilMachines } from '../../support/fleet-view.js';
import { type Host, type Hosts, useHosts } from '../../support/hosts.js';
import { ROOT } from '../../support/programs.js';
import { useGround } from '../../support/services.js';
import { type Azurite, startAzurite } from '../../support/stores/azurite.js';
import { type SwiftServer, startSwift } from '../../support/stores/swift.js';
import { descriptorBody, keysOf, tileBody } from '../../support/tile-source.js';
import { until } from '../../support/until.js';
import { WORLD_IP } from '../../support/world.js';

/**
 * The case Convoy was made for, small: images in Azure, listed in another container's total.txt, go to Swift by the
 * shipped units on three machines with systemd.
 */
const IMAGES = ['Fj2', 'a9', 'Qb', 'x7R'].map((id, index) => ({
  id,
  geometry: {
    width: 1700 + 190 * index,
    height: 1500 - 110 * index,
    tileSize: 100,
    overlap: 1,
    format: 'jpg',
  },
}));
const KEYS = IMAGES.flatMap(({ id, geometry }) => keysOf(id, geometry));
const TILES = KEYS.length - IMAGES.length;
const PASSWORD = 'geheim-4711';
/** Few enough that there is work left to scale and to lose a machine by. */
const RPS = 25;

const ground = useGround('zoom-it');
let azurite: Azurite;
let swift: SwiftServer;
const openHosts = useHosts();
let hosts: Hosts;

const bodyOf = (key: string): Buffer => {
  const image = IMAGES.find(({ id }) => key === `${id}.dzi`);
  return image === undefined ? tileBody(key) : Buffer.from(descriptorBody(image.geometry));
};

beforeAll(async () => {
  [azurite, swift, hosts] = await Promise.all([
    startAzurite(ground),
    startSwift(ground),
    openHosts({ count: 3 }),
  ]);
  await Promise.all([
    hosts.reach(Number(new URL(azurite.url).port)),
    hosts.reach(swift.port),
    untilMachines(hosts.host(1), 3),
  ]);
  const env = { AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString };
  const put = async (location: string, keys: readonly string[], body: (key: string) => Buffer) => {
    const store = await openDestination(location, { log: silentLog, env });
    await store.createContainer();
    await Promise.all(
      keys.map((key) => {
        const bytes = body(key);
        const md5 = createHash('md5').update(bytes).digest('hex');
        return store.write(key, bytes, { ...NO_PROPERTIES, contentType: 'image/jpeg', md5 });
      }),
    );
    await store.close();
  };
  await put(`azure://${azurite.account}/content/dzis`, KEYS, bodyOf);
  const list = IMAGES.map(({ id }, index) => `${id}:${900 - index}\n`).join('');
  await put(`azure://${azurite.account}/archive`, ['total.txt'], () => Buffer.from(list));

  const abroad = (text: string): string => text.replaceAll('127.0.0.1', WORLD_IP);
  await Promise.all(
    hosts.all.map(async (host) => {
      await settings(host, 'zh.env', {
        AZURE_STORAGE_CONNECTION_STRING: `"${abroad(azurite.connectionString)}"`,
        ST_AUTH: abroad(swift.authUrl),
        ST_USER: swift.user,
        ST_KEY: swift.key,
        REDIS_PASSWORD: PASSWORD,
      });
      await settings(host, 'zh-redis.env', { ZH_REDIS_BIND: host.ip, ZH_REDIS_PASSWORD: PASSWORD });
      await settings(host, 'zh-populate.env', { ZH_IDS: `azure://${azurite.account}/archive/total.txt` });
      await settings(host, 'zh-import-blobs.env', { ZH_MAX_RPS: String(RPS) });
    }),
  );
  const shipped = join(ROOT, 'units/shipped');
  for (const file of readdirSync(shipped)) hosts.unit(file, readFileSync(join(shipped, file), 'utf8'));
}, 180_000);

function settings(host: Host, file: string, values: Readonly<Record<string, string>>): Promise<string> {
  const text = Object.entries(values).map(([name, value]) => `${name}=${value}\n`);
  return host.ask('sh', '-c', `printf %s "$1" >/etc/convoy/${file}`, 'sh', text.join(''));
}

test('zoom.it moves from Azure to Swift by the shipped units on three machines, one of which loses its power', {
  timeout: 240_000,
}, async () => {
  const ctl = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await hosts.host(1).convoyctl(...args);
    if (code !== 0) throw new Error(`convoyctl ${args.join(' ')}: ${code}: ${stderr}${stdout}`);
    return stdout;
  };
  await ctl('start', 'zh-redis.service');
  await until('redis is announced', async () => (await ctl('services')).includes(':'));
  const redisAt = (await untilActive(hosts.host(1), ['zh-redis.service'])).get('zh-redis.service');
  const safe = hosts.all.find(({ machineId }) => machineId === redisAt) as Host;
  /** As the operator of that machine types it. */
  const operator = (...command: string[]): Promise<string> =>
    safe.ask('sh', '-ac', '. /etc/convoy/zh.env; exec "$@"', 'sh', ...command);
  const status = async () =>
    JSON.parse(await operator('convoyctl', 'migration', 'status', 'zoom', '-o', 'json')) as Status;

  await operator(
    ...['convoyctl', 'migration', 'create', 'zoom', '--create-container', '--range-size', '50'],
    ...['--source', `azure://${azurite.account}/content/dzis`, '--destination', 'swift://content/dzis'],
  );
  await ctl(
    'start',
    'zh-populate.service',
    'zh-import-blobs@1.service',
    'zh-upload-dzis@1.service',
    'zh-stats.service',
  );
  await until('the plan is closed', async () => (await status()).planClosed, 60_000);
  expect((await status()).tiles.total).toBe(TILES);

  await until('tiles arrive', async () => (await status()).tiles.done > 0, 60_000);
  await ctl('scale', 'zh-import-blobs@', '6');
  const importers = Array.from({ length: 6 }, (_, index) => `zh-import-blobs@${index + 1}.service`);
  await untilActive(safe, importers);
  const dark = await until('an importer works apart from Redis and has a claim', async () => {
    const { workers, tiles } = await status();
    const busy = workers.filter(({ state, machine }) => state === 'copying' && machine !== redisAt);
    return tiles.claimed > 0 && hosts.all.find(({ machineId }) => machineId === busy[0]?.machine);
  });
  const before = await status();
  expect(before.finished).toBe(false);
  await dark.cutPower();

  await until(
    'all importers run again, on two machines',
    async () => {
      const active = await activeOn(safe).catch(() => new Map<string, string[]>());
      return importers.every((unit) => {
        const machines = active.get(unit) ?? [];
        return machines.length === 1 && machines[0] !== dark.machineId;
      });
    },
    60_000,
  );
  const end = await until(
    'the migration is complete',
    async () => {
      const now = await status();
      return now.finished && now;
    },
    120_000,
  );
  const settled = { ready: 0, claimed: 0, delayed: 0, skipped: 0, failed: 0 };
  expect(end).toMatchObject({
    words: 'complete',
    tiles: { ...settled, total: TILES, done: TILES },
    descriptors: { ...settled, total: IMAGES.length, done: IMAGES.length },
    images: { total: IMAGES.length, published: IMAGES.length, withheld: 0, refused: 0 },
    bytes: KEYS.reduce((sum, key) => sum + bodyOf(key).length, 0),
    digest: joinDigests(
      IMAGES.flatMap(({ id, geometry }) =>
        keysOf(id, geometry)
          .slice(1)
          .map((key, index) => tileDigest(index, createHash('md5').update(tileBody(key)).digest('hex'))),
      ),
    ),
  });
  // The power cut means something only if it hit a claim half done.
  expect(end.reclaimed).toBeGreaterThan(0);

  const env = { ST_AUTH: swift.authUrl, ST_USER: swift.user, ST_KEY: swift.key };
  const destination = await openDestination('swift://content/dzis', { log: silentLog, env });
  for (const key of KEYS)
    expect(Buffer.from((await destination.read(key, 1e6)).bytes).equals(bodyOf(key)), key).toBe(true);
  await destination.close();

  await operator(
    'env',
    'CONVOY_API=unix:///run/convoy/read.sock',
    'zh-verify',
    '--migration',
    'zoom',
    '--read',
  );
  expect((await status()).verification).toMatchObject({ finished: true, matched: IMAGES.length });
  expect((await safe.convoyctl('journal', '--lines', '50', 'zh-stats.service')).stdout).toMatch(
    /zoom: \d+ of \d+ tiles \(.* %\), .*tiles\/s/,
  );
});

interface Status {
  readonly words: string;
  readonly finished: boolean;
  readonly planClosed: boolean;
  readonly tiles: { readonly total: number; readonly done: number; readonly claimed: number };
  readonly reclaimed: number;
  readonly workers: readonly { readonly state: string; readonly machine: string }[];
  readonly verification: object | null;
}
