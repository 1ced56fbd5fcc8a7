import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ShownMigration } from '../../../cli/migration-output.js';
import { RedisConnection } from '../../../jobs/redis-connection.js';
import { migrationKey } from '../../../jobs/redis-keys.js';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import { claim, failure, point } from '../../contracts/queue-cases.js';
import { commandRunner } from '../../support/commands.js';
import { type CliResult, convoyctl } from '../../support/convoyctl.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { type TestServer, testRedis, useGround } from '../../support/services.js';
import { startTelltale, type Telltale } from '../../support/stores/telltale.js';
import { startTileSource } from '../../support/tile-source.js';

const A = '1'.repeat(32);
const ground = useGround('cli-migration');
let redis: TestServer;
let fleet: FakeFleet;
let queue: RedisQueue;

beforeAll(async () => {
  redis = await testRedis(ground);
  fleet = await startFakeFleet([{ id: A, ip: '127.0.0.1', metadata: {} }]);
  queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 2_000 });
});
afterAll(async () => {
  await queue.close();
  await fleet.stop();
});

/** In this process, which is much faster. */
const inProcess = commandRunner(() => `unix://${fleet.socket}`);
const run = (args: string, env: Record<string, string> = { REDIS_URL: redis.url }): Promise<CliResult> =>
  inProcess(args.split(' '), { env, cwd: fleet.dir });
const spawned = (args: string, env: Record<string, string> = { REDIS_URL: redis.url }): Promise<CliResult> =>
  convoyctl(args.split(' '), {
    cwd: fleet.dir,
    env: { CONVOY_ENDPOINT: `unix://${fleet.socket}`, ...env },
  });
const DIGEST = '0123456789abcdef'.repeat(2);
const TINY = { width: 1, height: 1, tileSize: 4, overlap: 0, format: 'jpg' };
const CREATE =
  'migration create zoom --no-check --source http://127.0.0.1:9/content --destination file:///srv/tiles';

describe('create', () => {
  test('stores the definition; again changes nothing, otherwise is refused', async () => {
    const create = `${CREATE} --range-size 4 --max-attempts 2 --stop-after-failures 5%`;
    expect(await spawned(create)).toEqual({ stdout: 'Created migration zoom\n', stderr: '', exit: 0 });
    expect((await queue.status('zoom'))?.definition).toEqual({
      name: 'zoom',
      source: 'http://127.0.0.1:9/content',
      destination: 'file:///srv/tiles',
      rangeSize: 4,
      maxAttempts: 2,
      stopAfterFailures: 0.05,
      stopAfterTiles: 10_000,
      serverSide: 'auto',
      incomplete: 'withhold',
    });
    expect(await run(create)).toMatchObject({ stdout: 'Migration zoom exists already, as given\n', exit: 0 });
    const other = await run(CREATE);
    expect(other.stderr).toContain('migration zoom exists with another definition');
    expect(other.exit).toBe(1);
    expect((await run(`${create} --incomplete publish`)).stderr).toContain('another definition');
    const open = `${create} --incomplete publish`.replace('create zoom', 'create open');
    expect(await run(open)).toMatchObject({ exit: 0 });
    expect((await queue.status('open'))?.definition.incomplete).toBe('publish');
    await queue.cancel('open', 'the test');
  });

  test.each([
    [
      'migration create x --source http://h/b --destination file:///d --no-check --create-container',
      'one of',
    ],
    [
      'migration create x --source http://h/b --destination file:///d --server-side maybe',
      'one of auto, never',
    ],
    [
      'migration create x --source http://h/b --destination file:///d --incomplete maybe',
      'one of withhold, publish',
    ],
    ['migration create x --source http://h/b', '--source and --destination are needed'],
    ['migration create x --source ftp://h/b --destination file:///d', 'unknown scheme'],
    ['migration create x --source http://h/b --destination http://h/c', 'read only'],
    ['migration create a/b --source http://h/b --destination file:///d', 'migration name "a/b"'],
    ['migration create x --source http://h/b --destination file:///d --range-size 0', '--range-size'],
    [
      'migration create x --source http://h/b --destination file:///d --stop-after-failures 200',
      'percentage',
    ],
  ])('%s is refused as wrong usage', async (args, message) => {
    const { stderr, exit } = await run(args);
    expect(stderr).toContain(message);
    expect(exit).toBe(2);
  });
});

describe('a migration with work done', () => {
  const worker = { worker: 'w1', lane: 'tiles', unit: 'zh-import-blobs@1.service', machine: A } as const;

  beforeAll(async () => {
    await run(`${CREATE} --range-size 4 --max-attempts 2 --stop-after-failures 5%`);
    // 8 x 8 with tiles of 4: levels of 1, 1, 1 and 4 tiles.
    const geometry = { width: 8, height: 8, tileSize: 4, overlap: 0, format: 'jpg' };
    await queue.beginPlan('zoom', 'ids.txt');
    await queue.addImages('zoom', [
      { id: 'img1', geometry },
      { id: 'gone', reason: 'http-404', status: 404 },
    ]);
    await queue.closePlan('zoom', 'ids.txt');
    const { token, end } = await claim(queue, { migration: 'zoom' });
    const failed = [failure(end - 1, 1)];
    await queue.checkpoint(token, 'zoom', point(1, end, { done: 3, bytes: 3_000, failed, digest: DIGEST }));
    const since = Date.UTC(2026, 0, 2, 3, 4, 5);
    const outage = { state: 'source unreachable', since, detail: 'connection refused' } as const;
    const counts = { done: 3, skipped: 0, failed: 1, bytes: 3_000, rate: 1.5, limit: 8, latency: [] };
    await queue.report({ ...worker, ...outage, ...counts }, 600_000);
  });

  test('status shows counts, digest, failures and outages', async () => {
    const { stdout, exit } = await spawned('migration status zoom');
    expect(exit).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toBe('zoom: running');
    for (const line of [
      '  Plan:         1 image, 7 tiles, closed',
      '  Images:       0 published, 0 withheld, 0 incomplete, 1 refused',
      '  Tiles:        3 of 7 done, 0 skipped, 1 failed, 0 claimed, 0 delayed, 3 ready',
      '  Stored:       0.003 MB',
      `  Digest:       ${DIGEST}`,
      '  Limit:        none',
      '    http-404: 2',
      '    zh-import-blobs@1.service on 11111111: source unreachable since 2026-01-02T03:04:05Z: connection refused',
      '      3 done, 0 skipped, 1 failed, 0.003 MB; 1.5/s, limit 8',
    ])
      expect(lines).toContain(line);
  });

  test('status as JSON is what docs/json-output.md promises, of one and of all', async () => {
    for (const args of ['migration status zoom -o json', 'migration status -o json']) {
      const lines = (await run(args)).stdout.trim().split('\n');
      const shown = lines.map((line) => v.parse(ShownMigration, JSON.parse(line)));
      expect(shown.find(({ definition }) => definition.name === 'zoom')).toMatchObject({
        ...{
          words: 'running',
          planClosed: true,
          planOpen: [],
          finished: false,
          digest: DIGEST,
          bytes: 3_000,
        },
        images: { total: 1, refused: 1 },
        tiles: { total: 7, done: 3, failed: 1, ready: 3 },
        failures: { 'http-404': 2 },
        workers: [{ ...worker, since: '2026-01-02T03:04:05.000Z', rate: 1.5 }],
      });
    }
  });

  test('an image, in words and as JSON; one refused and one unknown are told as errors', async () => {
    const { stdout } = await run('migration status zoom --image img1');
    expect(stdout.split('\n')).toEqual([
      'zoom: image img1',
      '  Size:         8 x 8 px',
      '  Tiles:        7 of 4 px with an overlap of 0, jpg',
      '                3 stored, 1 failed, 3 left',
      '  Stored:       0.003 MB',
      `  Digest:       ${DIGEST}`,
      '  Descriptor:   waiting for the tiles left',
      '  Failures:',
      '    tiles 3, img1_files/3/0_0.jpg: http-404, status 404, 1 attempt',
      '',
    ]);
    const json = { image: 'img1', width: 8, tiles: 7, stored: 3, failed: 1, left: 3, descriptor: 'waiting' };
    expect(JSON.parse((await run('migration status zoom --image img1 -o json')).stdout)).toMatchObject(json);
    expect(JSON.parse((await run('migration images zoom -o json')).stdout)).toMatchObject(json);
    expect(await run('migration status zoom --image gone')).toMatchObject({
      stderr: 'convoyctl: image gone of migration zoom could not be planned: http-404, status 404\n',
      exit: 1,
    });
    expect(await run('migration status zoom --image nix')).toMatchObject({
      stderr: 'convoyctl: migration zoom has no image nix\n',
      exit: 1,
    });
    expect(await run('migration status --image img1')).toMatchObject({
      stderr: expect.stringContaining('of which migration?'),
      exit: 2,
    });
  });

  test('list and images as tables', async () => {
    const { stdout } = await run('migration list');
    expect(stdout.split('\n')[0]).toBe('MIGRATION\tSTATE\t\t\tIMAGES\tTILES\tSETTLED\tFAILURES');
    expect(stdout).toContain('zoom\t\trunning\t\t\t1\t7\t4\t2\n');
    expect(stdout).toContain('open\t\tcancelled (the test)\t0\t0\t0\t0\n');
    expect((await run('migration images zoom')).stdout).toBe(
      `IMAGE\tTILES\tSTORED\tFAILED\tLEFT\tDESCRIPTOR\tDIGEST\nimg1\t7\t3\t1\t3\twaiting\t\t${DIGEST}\n`,
    );
  });

  test('is paused with who did it, and resumed', async () => {
    const env = { REDIS_URL: redis.url, USER: 'ann' };
    expect(await run('migration pause zoom', env)).toMatchObject({
      stdout: 'Paused migration zoom\n',
      exit: 0,
    });
    expect((await run('migration status zoom')).stdout).toMatch(/^zoom: paused \(by ann with convoyctl\)\n/);
    expect(await run('migration resume zoom')).toMatchObject({ stdout: 'Resumed migration zoom\n', exit: 0 });
  });

  test('is complete with as many failures as there are, and complete without', async () => {
    const words = async () => (await run('migration status zoom')).stdout.split('\n')[0];
    const { token, end } = await claim(queue, { migration: 'zoom' });
    await queue.checkpoint(token, 'zoom', point(1, end, { done: 3 }));
    expect(await words()).toBe('zoom: complete with 2 failures');
    await queue.requeueFailures('zoom', {});
    expect(await words()).toBe('zoom: running');
    const again = await claim(queue, { migration: 'zoom' });
    await queue.checkpoint(again.token, 'zoom', point(1, again.end, { done: 1 }));
    const descriptor = await claim(queue, { migration: 'zoom', lane: 'descriptors' });
    await queue.checkpoint(descriptor.token, 'zoom', point(1, 1, { done: 1 }));
    expect(await words()).toBe('zoom: complete with 1 failure');
    await queue.addImages('zoom', [{ id: 'gone', geometry: { ...TINY } }]);
    for (const lane of ['tiles', 'descriptors'] as const) {
      const last = await claim(queue, { migration: 'zoom', lane });
      await queue.checkpoint(last.token, 'zoom', point(1, last.end, { done: 1 }));
    }
    expect(await words()).toBe('zoom: complete');
  });
});

describe('finding Redis', () => {
  test('the service announced in the fleet is used when REDIS_URL is not set', async () => {
    const none = await spawned('migration list', {});
    expect(none.stderr).toContain('no service "redis" is announced');
    expect(none.exit).toBe(1);
    await fleet.sessions[0]?.announce([
      { service: 'redis', unit: 'zh-redis.service', machine: A, host: '127.0.0.1', port: redis.port },
    ]);
    expect(await spawned('migration list', {})).toMatchObject({
      stdout: expect.stringContaining('zoom'),
      exit: 0,
    });
  });

  test('a Redis that does not answer is named, and its password never', async () => {
    const { stderr, exit } = await spawned('migration list', { REDIS_URL: 'redis://:geheim@127.0.0.1:1' });
    expect(stderr).toContain('127.0.0.1:1');
    expect(stderr).not.toContain('geheim');
    expect(exit).toBe(1);
  });

  test('a migration that Redis lost is named, and hides no other', async () => {
    const connection = new RedisConnection({
      ...{ locate: async () => redis.url, timeoutMs: 2_000, scripts: new Map<string, string>() },
    });
    await run(CREATE.replace('create zoom', 'create adrift'));
    await connection.command('DEL', migrationKey('adrift', 'meta'));
    const lost = 'convoyctl: Redis lost migration adrift: its record is gone\n';
    try {
      for (const args of [
        'status adrift',
        'failures adrift',
        'images adrift',
        'limit adrift',
        'retry adrift',
      ])
        expect(await run(`migration ${args}`)).toMatchObject({
          stdout: expect.not.stringContaining('adrift'),
          stderr: lost,
          exit: 1,
        });
      for (const args of ['list', 'status', 'status -o json'])
        expect(await run(`migration ${args}`)).toMatchObject({
          ...{ stdout: expect.stringContaining('zoom'), stderr: lost, exit: 1 },
        });
    } finally {
      await connection.command('LREM', 'convoy:migrations', 0, 'adrift');
      await connection.close();
    }
  });

  test('an unknown migration is an error', async () => {
    expect(await spawned('migration status nosuch')).toEqual({
      stdout: '',
      stderr: 'convoyctl: there is no migration nosuch\n',
      exit: 1,
    });
  });
});

describe('create, asking the stores', () => {
  test('refuses stores that cannot be used, telling of each, and stores nothing', async () => {
    const absent = join(ground.dir, 'absent');
    const args = `migration create none --source http://127.0.0.1:9/b --destination file://${absent}`;
    const { stdout, stderr, exit } = await run(args);
    expect([exit, stdout]).toEqual([1, '']);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(
      /the source cannot be used: HEAD http:\/\/127\.0\.0\.1:9\/b\/: .*; and the destination/,
    );
    expect(stderr).toContain(absent);
    expect(stderr).toContain('--create-container makes it');
    expect(stderr).toContain(
      'nothing is stored (--no-check creates the migration without asking the stores)',
    );
    expect(await queue.status('none')).toBeNull();
  });

  test('names the variable of a missing credential, and takes --no-check for it', async () => {
    const args = `migration create far --source swift://box --destination file://${ground.dir}`;
    const { stderr, exit } = await run(args);
    expect(exit).toBe(1);
    expect(stderr).toMatch(
      /the source swift:\/\/box cannot be used: no credentials .*OS_AUTH_URL.*ST_KEY.*--no-check/,
    );
    const both = await run(`migration create far --source swift://box --destination s3://tiles/in`);
    expect(both.stderr).toMatch(
      /the source swift:\/\/box cannot be used: .*; and the destination s3:\/\/tiles\/in cannot be used: .*AWS_ACCESS_KEY_ID/,
    );
    expect(await run(`${args} --no-check`)).toMatchObject({ stdout: 'Created migration far\n', exit: 0 });
    await queue.cancel('far', 'the test');
  });

  test('refuses stores that both copy by themselves, but not for each other', async () => {
    const [cluster, other] = [await startTelltale(), await startTelltale()];
    const login = (side: string, { url }: Telltale) => ({
      ...{ [`${side}ST_AUTH`]: `${url}/auth/v1.0`, [`${side}ST_USER`]: 'u', [`${side}ST_KEY`]: 'k' },
    });
    const env = {
      ...{ REDIS_URL: redis.url, ...login('SOURCE_', cluster), ...login('DESTINATION_', other) },
      ...{ AWS_ENDPOINT_URL: cluster.url, AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 's' },
    };
    for (const destination of ['s3://dst', 'swift://dst']) {
      const args = `migration create ${destination.slice(0, 2)} --source swift://src --destination ${destination}`;
      const { exit, stderr } = await run(`${args} --server-side always`, env);
      expect([exit, stderr.trimEnd().split('\n').length]).toEqual([1, 1]);
      expect(stderr).toContain(`${destination} cannot copy from swift://src by itself`);
      expect(stderr).toContain('nothing is stored');
      expect(await run(`${args} --server-side auto`, env)).toMatchObject({ exit: 0 });
      await queue.cancel(destination.slice(0, 2), 'the test');
    }
    const within = 'migration create within --source swift://src --destination swift://dst';
    const same = { ...env, ...login('DESTINATION_', cluster) };
    expect(await run(`${within} --server-side always`, same)).toMatchObject({ exit: 0 });
    await queue.cancel('within', 'the test');
  });

  test('makes the container when asked to, and says in a line what is not kept there', async () => {
    const source = await startTileSource();
    const directory = join(ground.dir, 'made', 'by', 'create');
    const args = `migration create made --source ${source.url} --destination file://${directory}`;
    try {
      for (const stdout of ['Created migration made\n', 'Migration made exists already, as given\n'])
        expect(await run(`${args} --create-container`)).toEqual({
          ...{ stdout, exit: 0 },
          stderr: `note: file://${directory} keeps neither content type nor headers and metadata, and does not check the MD5 of what is written\n`,
        });
      expect(existsSync(directory)).toBe(true);
      expect(await run(`${args} --server-side always`)).toMatchObject({
        stderr: expect.stringContaining(`file://${directory} cannot copy from ${source.url} by itself`),
        exit: 1,
      });
      expect((await run(`${args} --server-side never`)).stderr).toContain('exists with another definition');
    } finally {
      await source.close();
      await queue.cancel('made', 'the test');
    }
  });
});

test('an emptied Redis holds no migration, and is never taken for a finished one', async () => {
  const connection = new RedisConnection({
    ...{ locate: async () => redis.url, timeoutMs: 2_000, scripts: new Map<string, string>() },
  });
  await connection.command('FLUSHALL');
  await connection.close();
  const lost = 'convoyctl: there is no migration zoom, nor any other: if there was one, Redis lost it\n';
  for (const verb of ['status', 'limit', 'retry', 'cancel'])
    expect(await run(`migration ${verb} zoom`)).toEqual({ stdout: '', stderr: lost, exit: 1 });
  expect(await run('migration status')).toEqual({ stdout: '', stderr: 'There is no migration\n', exit: 0 });
  expect((await run('migration list')).stdout).toMatch(/^MIGRATION\t.*\n$/);
});
