import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import { type CliResult, convoyctl } from '../../support/convoyctl.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { program } from '../../support/programs.js';
import { type TestServer, testRedis, useGround } from '../../support/services.js';
import { startTelltale, type Telltale } from '../../support/stores/telltale.js';
import { startTileSource } from '../../support/tile-source.js';
import { until } from '../../support/until.js';

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

function run(args: string, env: Record<string, string> = { REDIS_URL: redis.url }): Promise<CliResult> {
  return convoyctl(args.split(' '), {
    cwd: fleet.dir,
    env: { CONVOY_ENDPOINT: `unix://${fleet.socket}`, ...env },
  });
}
const CREATE =
  'migration create zoom --no-check --source http://127.0.0.1:9/content --destination file:///srv/tiles';

describe('create', () => {
  test('stores the definition; again changes nothing, otherwise is refused', async () => {
    const create = `${CREATE} --range-size 4 --max-attempts 2 --stop-after-failures 5%`;
    expect(await run(create)).toEqual({ stdout: 'Created migration zoom\n', stderr: '', exit: 0 });
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
    await queue.addImages('zoom', [{ id: 'img1', geometry }]);
    await queue.addImages('zoom', [{ id: 'gone', reason: 'http-404', status: 404 }]);
    await queue.closePlan('zoom', null);
    const claim = await queue.claim({ token: 't1', lane: 'tiles', leaseMs: 60_000 });
    if (!('token' in claim)) throw new Error('nothing to claim');
    await queue.checkpoint('t1', 'zoom', {
      ...{ sequence: 1, next: claim.end, bytes: 3_000, done: 3, skipped: 0, delayed: [], release: false },
      failed: [{ first: claim.end - 1, count: 1, reason: 'http-404', status: 404, attempt: 1 }],
      digest: '0'.repeat(32),
      found: null,
    });
    const since = Date.UTC(2026, 0, 2, 3, 4, 5);
    const outage = { state: 'source unreachable', since, detail: 'connection refused' } as const;
    await queue.report({ ...worker, ...outage }, 60_000);
  });

  test('status shows counts, failures and outages', async () => {
    const { stdout, exit } = await run('migration status zoom');
    expect(exit).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toBe('zoom: running');
    expect(lines).toContain('  Plan:        1 images, 7 tiles, closed');
    expect(lines).toContain('  Images:      0 published, 0 withheld, 1 refused');
    expect(lines).toContain('  Tiles:       3 of 7 done, 0 skipped, 1 failed, 0 delayed, 0 claimed, 3 ready');
    expect(lines).toContain('    http-404: 2');
    expect(lines).toContain(
      '    zh-import-blobs@1.service on 11111111: source unreachable since 03:04:05Z: connection refused',
    );
  });

  test('status and failures as JSON', async () => {
    const status = JSON.parse((await run('migration status -o json')).stdout);
    expect(status).toMatchObject({
      definition: { name: 'zoom' },
      tiles: { total: 7, done: 3, failed: 1, ready: 3 },
      workers: [worker],
    });
    const failures = (await run('migration failures zoom -o json')).stdout.trim().split('\n');
    expect(failures.map((line) => JSON.parse(line))).toContainEqual({
      ...{ lane: 'tiles', image: 'img1', first: 3, count: 1, reason: 'http-404', status: 404, attempt: 1 },
    });
    expect(failures).toHaveLength(2);
  });

  test('list and failures as tables', async () => {
    expect((await run('migration list')).stdout).toBe(
      'MIGRATION\tSTATE\tIMAGES\tTILES\tSETTLED\tFAILED\nzoom\t\trunning\t1\t7\t4\t1\n',
    );
    expect((await run('migration failures zoom --image img1')).stdout).toBe(
      'LANE\tIMAGE\tFIRST\tCOUNT\tREASON\t\tSTATUS\tATTEMPTS\ntiles\timg1\t3\t1\thttp-404\t404\t1\n',
    );
    expect((await run('migration failures zoom --reason http-503')).stdout.trim().split('\n')).toHaveLength(
      1,
    );
  });

  test('is paused with who did it, resumed, its failures retried, and cancelled', async () => {
    const env = { REDIS_URL: redis.url, USER: 'ann' };
    expect(await run('migration pause zoom', env)).toMatchObject({
      stdout: 'Paused migration zoom\n',
      exit: 0,
    });
    expect((await run('migration status zoom')).stdout).toMatch(/^zoom: paused \(by ann with convoyctl\)\n/);
    expect(await run('migration resume zoom')).toMatchObject({ stdout: 'Resumed migration zoom\n', exit: 0 });
    expect(await run('migration retry zoom --reason http-404')).toMatchObject({
      stdout: 'Put 1 failures of migration zoom back to work\n',
    });
    expect((await queue.status('zoom'))?.tiles).toMatchObject({ failed: 0, ready: 4 });
    expect(await run('migration cancel zoom')).toMatchObject({
      stdout: 'Cancelled migration zoom\n',
      exit: 0,
    });
    expect(await run('migration resume zoom')).toMatchObject({
      stderr: expect.stringContaining('cancelled'),
      exit: 1,
    });
  });
});

describe('finding Redis', () => {
  test('the service announced in the fleet is used when REDIS_URL is not set', async () => {
    const none = await run('migration list', {});
    expect(none.stderr).toContain('no service "redis" is announced');
    expect(none.exit).toBe(1);
    await fleet.sessions[0]?.announce([
      { service: 'redis', unit: 'zh-redis.service', machine: A, host: '127.0.0.1', port: redis.port },
    ]);
    expect(await run('migration list', {})).toMatchObject({
      stdout: expect.stringContaining('zoom'),
      exit: 0,
    });
  });

  test('a Redis that does not answer is named, and its password never', async () => {
    const { stderr, exit } = await run('migration list', { REDIS_URL: 'redis://:geheim@127.0.0.1:1' });
    expect(stderr).toContain('127.0.0.1:1');
    expect(stderr).not.toContain('geheim');
    expect(exit).toBe(1);
  });

  test('an unknown migration is an error', async () => {
    expect(await run('migration status nosuch')).toEqual({
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

test('zh-stats prints lines while Redis comes and goes, until it is told to stop', async () => {
  const child = spawn(process.execPath, [program('cli/stats-main.js'), '--interval', '100ms'], {
    env: { PATH: process.env.PATH, REDIS_URL: redis.url },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  try {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await queue.createMigration({
      ...{ name: 'live', source: 'http://h/b', destination: 'file:///d', rangeSize: 10, maxAttempts: 1 },
      ...{
        stopAfterFailures: 1,
        stopAfterTiles: 1,
        serverSide: 'auto' as const,
        incomplete: 'withhold' as const,
      },
    });
    await until(
      'a line about each',
      () => /zoom: .*cancelled/.test(text) && /live: 0 of 0 tiles.*still planning/.test(text),
    );
    await redis.kill();
    await until('it says that Redis is away', () => /Redis at .* is unreachable/.test(text));
    const said = text.length;
    await redis.restart();
    await until(
      'it goes on',
      () => text.slice(said).includes('there is no migration') || text.slice(said).includes('live: '),
    );
  } finally {
    child.kill('SIGTERM');
  }
  expect(await ended).toBe(0);
});
