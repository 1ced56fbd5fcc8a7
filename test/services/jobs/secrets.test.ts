import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import { convoyctl } from '../../support/convoyctl.js';
import { testMachine, writeUnit } from '../../support/fleet.js';
import { untilMachines } from '../../support/fleet-view.js';
import { type JobProgram, type Running, startJob } from '../../support/migration-processes.js';
import { program } from '../../support/programs.js';
import { type Inspector, inspect } from '../../support/queue-inspector.js';
import { testEtcd, testRedis, useGround } from '../../support/services.js';
import { startTelltale, type Telltale } from '../../support/stores/telltale.js';
import { descriptorBody, keysOf, tileBody } from '../../support/tile-source.js';
import { getOver } from '../../support/unix-get.js';
import { until } from '../../support/until.js';

/**
 * No secret is said: every variable that holds one gets a value of its own, the real programs run with it against a
 * server that repeats in its errors all it hears, and everything that is written anywhere is searched.
 */
const ground = useGround('secrets');
const IMAGE = { width: 100, height: 100, tileSize: 50, overlap: 0, format: 'jpg' };
const ACCOUNT = 'planted';
const secrets = new Map<string, string>();
/** What was written, by where. */
const said = new Map<string, string>();
let server: Telltale;
let redisUrl: string;
let queue: RedisQueue;
let inspector: Inspector;

/** A value with characters that mean something to URLs, JSON and shells, but for those that cannot be there. */
function plant(name: string, except = /$^/g): string {
  const value = `s3c+${randomBytes(9).toString('hex')}/="%${randomBytes(3).toString('hex')}`.replace(
    except,
    'x',
  );
  secrets.set(name, value);
  return value;
}

function plantKey(name: string): string {
  const key = randomBytes(64);
  secrets.set(name, key.toString('base64'));
  return key.toString('base64');
}

function plantSas(name: string): string {
  const signature = randomBytes(32).toString('base64');
  secrets.set(name, signature);
  return `sv=2022-11-02&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&sig=${encodeURIComponent(signature)}`;
}

/** The value as it is and as what carries it may write it. */
function formsOf(value: string): string[] {
  const bytes = Buffer.from(value);
  const json = JSON.stringify(value).slice(1, -1);
  const forms = [value, json, JSON.stringify(json).slice(1, -1), encodeURIComponent(value), encodeURI(value)];
  forms.push(bytes.toString('hex'), encodeURIComponent(encodeURIComponent(value)));
  forms.push(encodeURIComponent(value).replace(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase()));
  // In base64 of a longer text (a name before it, say) it looks different at each of three places.
  for (const shift of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
    const whole = text.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6));
    forms.push(whole, whole.replaceAll('+', '-').replaceAll('/', '_'));
  }
  // A key that is base64 itself, decoded.
  if (/^[A-Za-z0-9+/]{40,}=*$/.test(value)) forms.push(Buffer.from(value, 'base64').toString('hex'));
  return [...new Set(forms)];
}

/** Of every process that runs; a server of the test's own is started with its password. */
const commandLines = new Set<string>();
function lookAtCommandLines(): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      if (!/redis-server/.test(line)) commandLines.add(line);
    } catch {
      // It has ended.
    }
  }
}
const looking = setInterval(lookAtCommandLines, 50);
afterAll(() => clearInterval(looking));

/** `where: whose secret, in which form` for each that can be found. */
function leaks(): string[] {
  const all = [...secrets, ...server.tokens.map((token, at) => [`token ${at}`, token] as const)];
  return [...said, ['command lines', [...commandLines].join('\n')] as const].flatMap(([where, text]) =>
    all.flatMap(([name, value]) =>
      formsOf(value)
        .filter((form) => text.includes(form))
        .map((form) => `${where}: ${name} as ${form}`),
    ),
  );
}

beforeAll(async () => {
  const password = plant('REDIS_PASSWORD', /"/g);
  const redis = await testRedis(ground, { flags: ['--requirepass', password] });
  redisUrl = `redis://:${encodeURIComponent(password)}@127.0.0.1:${redis.port}`;
  queue = new RedisQueue({ locate: async () => redisUrl, timeoutMs: 5_000 });
  inspector = inspect(redisUrl);
  server = await startTelltale();
  const [descriptor = '', ...tiles] = keysOf('img', IMAGE);
  server.objects.set('total.txt', Buffer.from('img\n'));
  server.objects.set(descriptor, Buffer.from(descriptorBody(IMAGE)));
  // One tile is missing, so that there is a failure to be kept and shown.
  for (const key of tiles.slice(1)) server.objects.set(key, tileBody(key));
});
afterAll(() => Promise.all([queue.close(), inspector.close()]));

function locations(set: string): Record<string, readonly [string, string]> {
  const webdav = [`webdav+${server.url}/dav/src`, `webdav+${server.url}/dav/dst`] as const;
  if (set === 'tokens') return { webdav, pkgcloud: ['swift://src', 'pkgcloud+openstack://dst'] };
  return {
    swift: ['swift://src', 'swift://dst'],
    azure: [`azure://${ACCOUNT}/src`, `azure://${ACCOUNT}/dst`],
    ...{ s3: ['s3://src', 's3://dst'], webdav },
  };
}

/** Each set of variables has other ways to log in; side by side, so that no run needs only one store. */
const SETS: Record<string, () => Record<string, string>> = {
  keys: () => ({
    ...{ SOURCE_ST_AUTH: `${server.url}/auth/v1.0`, SOURCE_ST_USER: 'u', SOURCE_ST_KEY: plant('ST_KEY') },
    ...{ DESTINATION_OS_AUTH_URL: `${server.url}/v3`, DESTINATION_OS_USERNAME: 'u' },
    ...{ DESTINATION_OS_PASSWORD: plant('OS_PASSWORD'), DESTINATION_OS_PROJECT_NAME: 'p' },
    ...{ ST_AUTH: `${server.url}/auth/v1.0`, ST_USER: 'u', ST_KEY: secrets.get('ST_KEY') ?? '' },
    AZURE_STORAGE_CONNECTION_STRING: `AccountName=${ACCOUNT};AccountKey=${plantKey('AZURE AccountKey')};BlobEndpoint=${server.url}/${ACCOUNT}`,
    ...{ AWS_ACCESS_KEY_ID: 'AKID', AWS_SECRET_ACCESS_KEY: plant('AWS_SECRET_ACCESS_KEY') },
    ...{ AWS_SESSION_TOKEN: plant('AWS_SESSION_TOKEN', /["%]/g) },
    ...{ AWS_ENDPOINT_URL: server.url, AWS_REGION: 'r' },
    ...{ WEBDAV_USERNAME: 'u', WEBDAV_PASSWORD: plant('WEBDAV_PASSWORD') },
  }),
  files: () => {
    const credentials = join(ground.dir, 'credentials');
    mkdirSync(credentials);
    writeFileSync(join(credentials, 'WEBDAV_PASSWORD'), `${plant('WEBDAV_PASSWORD file')}\n`);
    const profile = join(ground.dir, 'aws-credentials');
    const secret = plant('AWS profile', /"/g);
    writeFileSync(profile, `[x]\naws_access_key_id = AKID\naws_secret_access_key = ${secret}\n`);
    return {
      ...{ SOURCE_RAX_AUTH_URL: `${server.url}/v2.0`, SOURCE_RAX_USERNAME: 'u' },
      SOURCE_RAX_API_KEY: plant('RAX_API_KEY'),
      ...{ DESTINATION_OS_AUTH_URL: `${server.url}/v3`, DESTINATION_OS_APPLICATION_CREDENTIAL_ID: 'i' },
      DESTINATION_OS_APPLICATION_CREDENTIAL_SECRET: plant('OS_APPLICATION_CREDENTIAL_SECRET'),
      ...{ RAX_AUTH_URL: `${server.url}/v2.0`, RAX_USERNAME: 'u', RAX_PASSWORD: plant('RAX_PASSWORD') },
      AZURE_STORAGE_CONNECTION_STRING: `BlobEndpoint=${server.url}/${ACCOUNT};SharedAccessSignature=${plantSas('SAS of the connection')}`,
      ...{ AWS_PROFILE: 'x', AWS_SHARED_CREDENTIALS_FILE: profile, AWS_CONFIG_FILE: '/dev/null' },
      ...{ AWS_ENDPOINT_URL: server.url, AWS_REGION: 'r' },
      ...{ WEBDAV_USERNAME: 'u', CREDENTIALS_DIRECTORY: credentials },
    };
  },
  tokens: () => ({
    SOURCE_OS_STORAGE_URL: `${server.url}/v1/AUTH_test`,
    SOURCE_OS_AUTH_TOKEN: plant('OS_AUTH_TOKEN'),
    ...{ OS_STORAGE_URL: `${server.url}/v1/AUTH_test`, OS_AUTH_TOKEN: secrets.get('OS_AUTH_TOKEN') ?? '' },
    ...{ DESTINATION_OS_AUTH_URL: `${server.url}/v3`, DESTINATION_OS_USERNAME: 'u' },
    DESTINATION_OS_PASSWORD: plant('OS_PASSWORD of pkgcloud'),
    ...{ DESTINATION_OS_PROJECT_NAME: 'p', DESTINATION_OS_REGION_NAME: 'R' },
    WEBDAV_BEARER_TOKEN: plant('WEBDAV_BEARER_TOKEN', /["%]/g),
  }),
};

const run = async (env: Record<string, string>, ...args: string[]) => {
  const result = await convoyctl(args, { cwd: ground.dir, env: { ...env, REDIS_URL: redisUrl } });
  said.set(`convoyctl ${args.join(' ')} (${said.size})`, result.stdout + result.stderr);
  return result;
};
function start(job: JobProgram, env: Record<string, string>, ...args: string[]): Running {
  return startJob(ground, job, [...args, '--log-level', 'debug'], { ...env, REDIS_URL: redisUrl });
}
const logOf = ({ name }: Running): string => readFileSync(join(ground.dir, `${name}.log`), 'utf8');

/** With its log, where it does not end. */
const exitOf = (running: Running): Promise<unknown> =>
  Promise.race([
    running.ended,
    new Promise((resolve) => setTimeout(resolve, 20_000).unref()).then(() => logOf(running).slice(-3000)),
  ]);

async function dumpRedis(): Promise<string> {
  const READ: Record<string, readonly string[]> = {
    ...{ string: ['GET'], hash: ['HGETALL'], set: ['SMEMBERS'] },
    ...{ list: ['LRANGE', '0', '-1'], zset: ['ZRANGE', '0', '-1'] },
  };
  const keys = (await inspector.command('KEYS', '*')) as string[];
  const values = keys.map(async (key) => {
    const [name = '', ...rest] = READ[(await inspector.command('TYPE', key)) as string] ?? [];
    return `${key} ${JSON.stringify(await inspector.command(name, key, ...rest))}`;
  });
  expect(keys.length).toBeGreaterThan(10);
  return (await Promise.all(values)).join('\n');
}

test.each(Object.keys(SETS))(
  'no secret is said by any program, right or refused, with %s',
  async (set) => {
    const env = SETS[set]!();
    const stores = locations(set);
    const names = Object.keys(stores).map((kind) => `${set}-${kind}`);
    // Refused by everything: each command says what is wrong, in one sentence.
    server.refuse = 401;
    await Promise.all(
      Object.entries(stores).map(async ([kind, [source, destination]]) => {
        const args = [
          'migration',
          'create',
          `${set}-${kind}`,
          '--source',
          source,
          '--destination',
          destination,
        ];
        const refused = await run(env, ...args);
        expect([kind, refused.exit, refused.stderr.trim().split('\n').length]).toEqual([kind, 1, 1]);
        expect(refused.stderr).toMatch(
          /(SOURCE_|DESTINATION_)?(OS|ST|RAX|AWS|AZURE_STORAGE|WEBDAV)_[A-Z_]+/i,
        );
        expect((await run(env, ...args, '--no-check')).exit).toBe(0);
        await queue.addImages(`${set}-${kind}`, [{ id: 'img', geometry: IMAGE }]);
        expect((await run(env, 'store', 'stat', source)).exit).toBe(1);
      }),
    );
    const planner = start('populate', env, '--migration', names[0]!);
    expect(await exitOf(planner)).toBe(1);
    const importer = start('import-blobs', env);
    const publisher = start('upload-dzis', env);
    await until('it to say which it cannot serve', () =>
      names.every((name) => logOf(importer).includes(`"migration":"${name}"`)),
    );
    // Then let in by everything; one tile of each fails for good.
    server.refuse = null;
    const planners = names.map((name) => start('populate', env, '--migration', name));
    for (const each of planners) expect([each.name, await exitOf(each)]).toEqual([each.name, 0]);
    await until(
      'all tiles to be settled',
      async () => {
        const all = await Promise.all(names.map((name) => queue.status(name)));
        return all.every((one) => one!.tiles.done + one!.tiles.failed === one!.tiles.total);
      },
      60_000,
    );
    for (const name of names) {
      const status = await queue.status(name);
      expect([name, status?.failures]).toEqual([name, { 'http-404': 1 }]);
    }
    server.refuse = 500;
    for (const [source] of Object.values(stores)) await run(env, 'store', 'stat', `${source}/img.dzi`);
    server.refuse = null;
    await run(env, 'migration', 'status');
    await run(env, 'migration', 'failures', names[0]!);
    const stats = ground.spawn(
      `zh-stats-${set}`,
      process.execPath,
      [...[program('cli/stats-main.js'), '--interval', '100ms', '--log-level', 'debug']],
      { PATH: process.env.PATH, ...env, REDIS_URL: redisUrl },
    );
    const linesOfStats = (): string => readFileSync(join(ground.dir, `zh-stats-${set}.log`), 'utf8');
    await until('a line of zh-stats about each', () =>
      names.every((name) => linesOfStats().includes(`${name}: `)),
    );
    stats.kill('SIGKILL');
    said.set(`zh-stats ${set}`, linesOfStats());
    for (const each of ['cli/main.js', 'cli/stats-main.js', 'import-blobs', 'upload-dzis', 'populate'])
      expect([...commandLines].filter((line) => line.includes(each))).not.toEqual([]);
    await Promise.all([importer.kill(), publisher.kill()]);
    for (const each of [planner, importer, publisher, ...planners]) said.set(each.name, logOf(each));
    expect(logOf(importer)).toContain('"level":20');
    said.set(`Redis after ${set}`, await dumpRedis());
    expect(server.tokens.length).toBeGreaterThan(0);
    expect(leaks()).toEqual([]);
  },
  120_000,
);

test('no secret is said of an account of Azure that cannot be reached', async () => {
  const location = `azure://${ACCOUNT}nosuchaccount/src`;
  const names = { AZURE_STORAGE_KEY: plantKey, AZURE_STORAGE_SAS_TOKEN: plantSas };
  for (const [name, make] of Object.entries(names)) {
    const { exit } = await run({ [name]: make(name) }, 'store', 'stat', location);
    expect([name, exit]).toEqual([name, 1]);
  }
  const key = plantKey('AZURE_STORAGE_KEY, damaged');
  await run({ AZURE_STORAGE_KEY: `*${key}` }, 'store', 'stat', location);
  expect(leaks()).toEqual([]);
});

test('no secret is said by the fleet that runs the programs: registry, API, metrics, logs', async () => {
  const etcd = await testEtcd(ground);
  const machine = await testMachine(ground, 'a', etcd.url);
  await untilMachines(machine, 1);
  const env: Record<string, string> = { ...SETS.keys!(), REDIS_URL: redisUrl, ZH_LOG_LEVEL: 'debug' };
  const folder = join(machine.dir, 'root/etc/convoy');
  mkdirSync(folder, { recursive: true });
  const lines = Object.entries(env).map(([name, value]) => `${name}='${value}'\n`);
  writeFileSync(join(folder, 'zh.env'), lines.join(''), { mode: 0o600 });
  server.refuse = 401;
  const [source, destination] = locations('keys').s3!;
  const created = ['migration', 'create', 'fleet', '--source', source, '--destination', destination];
  expect((await run(env, ...created, '--no-check')).exit).toBe(0);
  await queue.addImages('fleet', [{ id: 'img', geometry: IMAGE }]);
  writeUnit(
    machine,
    'copy.service',
    `[Service]\nEnvironmentFile=%E/convoy/zh.env\nExecStart=${process.execPath} ${program('jobs/import-blobs-main.js')} --migration fleet\n`,
  );
  expect((await machine.ctl('start', 'copy.service')).code).toBe(0);
  const journal = async (): Promise<string> =>
    (await machine.ctl('journal', '--lines=1000', 'copy.service')).stdout;
  await until('it to say that it cannot', async () => (await journal()).includes('not served'), 20_000);
  said.set('journal', await journal());
  for (const command of ['status copy.service', 'cat copy.service', 'list-units -o json', 'services'])
    said.set(`fleet ${command}`, JSON.stringify(await machine.ctl(...command.split(' '))));
  for (const path of ['/metrics', '/v1/units', '/v1/machines', '/fleet/v1/units', '/fleet/v1/state'])
    said.set(`GET ${path}`, JSON.stringify(await getOver(machine.endpoint.replace('unix://', ''), path)));
  const answer = await fetch(`${etcd.url}/v3/kv/range`, {
    method: 'POST',
    body: JSON.stringify({ key: 'AA==', range_end: 'AA==' }),
  });
  const { kvs } = (await answer.json()) as { kvs: { key: string; value: string }[] };
  expect(kvs.length).toBeGreaterThan(5);
  said.set('etcd', kvs.flatMap(({ key, value }) => [atob(key), atob(value ?? '')]).join('\n'));
  said.set('convoyd', machine.log());
  expect((await machine.ctl('destroy', 'copy.service')).code).toBe(0);
  server.refuse = null;
  expect(leaks()).toEqual([]);
}, 60_000);
