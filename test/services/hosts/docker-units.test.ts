import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { tileCount } from '../../../jobs/pyramid.js';
import { readUnits, untilActive } from '../../support/fleet-view.js';
import { type Host, type Hosts, useHosts } from '../../support/hosts.js';
import { ROOT } from '../../support/programs.js';
import { descriptorBody, keysOf, tileBody } from '../../support/tile-source.js';
import { until } from '../../support/until.js';

/** The five units of units/docker, on a machine with systemd whose docker only records and plays along. */
const GEOMETRY = { width: 900, height: 700, tileSize: 100, overlap: 1, format: 'jpg' };
const PASSWORD = 'geheim-4711';
const UNITS = [
  'zh-populate.service',
  'zh-import-blobs@1.service',
  'zh-import-blobs@2.service',
  'zh-upload-dzis@1.service',
  'zh-stats.service',
];

const openHosts = useHosts();
let hosts: Hosts;
let host: Host;
beforeAll(async () => {
  hosts = await openHosts({ count: 1 });
  host = hosts.host(1);
  const put = (path: string, text: string, mode = '644'): Promise<string> =>
    host.ask(
      'sh',
      '-c',
      `mkdir -p "$(dirname "$1")" && printf %s "$2" >"$1" && chmod ${mode} "$1"`,
      'sh',
      path,
      text,
    );
  const standIn = readFileSync(join(ROOT, 'test/support/docker-stand-in.sh'), 'utf8');
  await put('/usr/local/bin/docker', standIn, '755');
  await put(
    '/etc/systemd/system/docker.service',
    '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n',
  );
  await put('/etc/convoy/zh-redis.env', `ZH_REDIS_BIND=${host.ip}\nZH_REDIS_PASSWORD=${PASSWORD}\n`);
  await put('/etc/convoy/zh.env', `REDIS_PASSWORD=${PASSWORD}\nZH_INTERVAL=200ms\n`);
  for (const unit of readdirSync(join(ROOT, 'units/docker')).filter((file) => file.endsWith('.service')))
    hosts.unit(unit, readFileSync(join(ROOT, 'units/docker', unit), 'utf8'));
}, 120_000);

const calls = async (): Promise<string[]> =>
  (await host.ask('cat', '/var/log/docker-calls')).split('\n').filter(Boolean);
const migration = (...args: string[]) =>
  host.ask('env', `REDIS_PASSWORD=${PASSWORD}`, 'convoyctl', 'migration', ...args);

test('a migration by the docker units: every program in a container of its unit', async () => {
  const keys = ['one', 'two'].flatMap((id) => keysOf(id, GEOMETRY));
  const place = (folder: string, key: string): string => join(hosts.shared, folder, key);
  for (const key of keys) {
    mkdirSync(dirname(place('source', key)), { recursive: true });
    writeFileSync(place('source', key), key.endsWith('.dzi') ? descriptorBody(GEOMETRY) : tileBody(key));
  }
  writeFileSync(place('source', 'total.txt'), 'one:9\ntwo:8\n');
  mkdirSync(join(hosts.shared, 'destination'));

  expect(await host.convoyctl('start', 'zh-redis.service')).toMatchObject({ code: 0 });
  await until('redis is announced', async () =>
    (await host.convoyctl('services')).stdout.includes(`${host.ip}:`),
  );
  await migration(
    'create',
    'zoom',
    '--source',
    'file:///shared/source',
    '--destination',
    'file:///shared/destination',
  );
  expect(await host.convoyctl('start', ...UNITS)).toMatchObject({ code: 0 });
  await until(
    'the migration is complete',
    async () => (await migration('status', 'zoom')).startsWith('zoom: complete\n'),
    60_000,
  );
  for (const key of keys)
    expect(readFileSync(place('destination', key)).equals(readFileSync(place('source', key))), key).toBe(
      true,
    );
  expect(keys.length).toBe(2 + 2 * tileCount(GEOMETRY));

  const made = await calls();
  const settings = '--net host --env-file /etc/convoy/zh.env -e CONVOY_API -e CONVOY_MACHINE -e CONVOY_UNIT';
  const socket = '-v /run/convoy/read.sock:/run/convoy/read.sock';
  expect(made.filter((call) => call.includes('zh-import-blobs-1'))).toEqual([
    'kill zh-import-blobs-1',
    'rm zh-import-blobs-1',
    `run --rm --name zh-import-blobs-1 ${settings} ${socket} convoy/zh zh-import-blobs`,
  ]);
  expect(made.filter((call) => call.startsWith('pull'))).toContain('pull redis:7');
  expect(made).toContain(
    'run --rm --name zh-redis --net host -v /var/lib/convoy/zh-redis:/data redis:7 redis-server /data/redis.conf',
  );
  expect(made.join('\n')).not.toContain(PASSWORD);
}, 120_000);

test('a unit that is stopped stops its container, which gives its work back', async () => {
  expect(await host.convoyctl('stop', 'zh-import-blobs@1.service')).toMatchObject({ code: 0 });
  expect(await calls()).toContain('stop -t 12 zh-import-blobs-1');
  expect((await host.convoyctl('journal', 'zh-import-blobs@1.service')).stdout).toContain('"msg":"stopped"');
}, 60_000);

test('a machine publishes descriptors once', async () => {
  await untilActive(host, ['zh-upload-dzis@1.service']);
  expect(await host.convoyctl('start', '--no-block', 'zh-upload-dzis@2.service')).toMatchObject({ code: 0 });
  await until('it says why it waits', async () =>
    /conflict/.test((await host.convoyctl('why', 'zh-upload-dzis@2.service')).stdout),
  );
  await host.convoyctl('destroy', ...(await readUnits(host)));
}, 60_000);
