import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort, startRedis } from '../../../agent/ground.js';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import type { MigrationStatus } from '../../../jobs/work-queue.js';
import { type JobProgram, type Running, startJob } from '../../support/migration-processes.js';
import { program } from '../../support/programs.js';
import { type TestServer, testRedis, useGround } from '../../support/services.js';
import { startTileSource, type TileSource } from '../../support/tile-source.js';
import { until } from '../../support/until.js';

const IMAGE = { width: 1000, height: 700, tileSize: 50, overlap: 1, format: 'jpg' };
const ground = useGround('programs');
let redis: TestServer;
let source: TileSource;
let queue: RedisQueue;
let migrations = 0;

beforeAll(async () => {
  redis = await testRedis(ground);
  source = await startTileSource();
  queue = new RedisQueue({ locate: () => Promise.resolve(redis.url), timeoutMs: 5_000 });
});
afterAll(async () => {
  await queue.close();
  await source.close();
});

async function migration(): Promise<string> {
  const name = `m${++migrations}`;
  mkdirSync(join(ground.dir, name));
  await queue.createMigration({
    ...{ name, source: source.url, destination: `file://${join(ground.dir, name)}` },
    ...{
      rangeSize: 100,
      maxAttempts: 3,
      stopAfterFailures: 0.01,
      stopAfterTiles: 10_000,
      serverSide: 'auto' as const,
      incomplete: 'withhold' as const,
    },
  });
  return name;
}

const start = (job: JobProgram, name: string, ...args: string[]): Running =>
  startJob(ground, job, ['--migration', name, ...args], { REDIS_URL: redis.url });
const status = async (name: string): Promise<MigrationStatus> => (await queue.status(name))!;
const untilAllTiles = (name: string): Promise<unknown> =>
  until(
    'all tiles',
    async () => {
      const { tiles } = await status(name);
      return tiles.done === tiles.total;
    },
    30_000,
  );
const exit = (running: Running, ms = 10_000) => {
  let code: number | NodeJS.Signals | undefined;
  void running.ended.then((answer) => {
    code = answer;
  });
  return until('the program to exit', () => (code === undefined ? null : { code }), ms);
};
const tilesAsked = (): number => source.requests.filter((key) => key.endsWith('.jpg')).length;
const logOf = (job: string): string => readFileSync(join(ground.dir, `${job}.log`), 'utf8');

describe('zh-import-blobs', () => {
  test('told to stop (SIGTERM) finishes, gives back and exits 0 within 10 s', async () => {
    const name = await migration();
    source.addImage('stop', IMAGE);
    await queue.addImages(name, [{ id: 'stop', geometry: IMAGE }]);
    source.fault = () => ({ kind: 'slow', ms: 1_000 });
    const first = tilesAsked();
    const worker = start('import-blobs', name);
    await until('tiles in flight', () => tilesAsked() > first + 5);
    worker.child.kill('SIGTERM');
    expect(await exit(worker)).toEqual({ code: 0 });
    source.fault = () => null;
    const { tiles, reclaimed } = await status(name);
    expect(tiles).toMatchObject({ claimed: 0, delayed: 0, failed: 0, done: tilesAsked() - first });
    expect(reclaimed).toBe(0);
  });

  test('told to stop while a source never answers exits within 10 s as well', async () => {
    const name = await migration();
    source.addImage('silent', IMAGE);
    await queue.addImages(name, [{ id: 'silent', geometry: IMAGE }]);
    source.fault = (key) => (key.endsWith('.jpg') ? { kind: 'silence' } : null);
    const first = tilesAsked();
    const worker = start('import-blobs', name);
    await until('tiles in flight', () => tilesAsked() > first + 5);
    worker.child.kill('SIGTERM');
    expect(await exit(worker)).toEqual({ code: 0 });
    source.fault = () => null;
    expect((await status(name)).tiles).toMatchObject({ claimed: 0, done: 0 });
  });

  test('told to stop while Redis is frozen and claims are open exits within 10 s as well', async () => {
    const name = await migration();
    source.addImage('frozen', IMAGE);
    await queue.addImages(name, [{ id: 'frozen', geometry: IMAGE }]);
    source.fault = () => ({ kind: 'slow', ms: 50 });
    const worker = start('import-blobs', name);
    await until('tiles to be copied', async () => (await status(name)).tiles.done > 0);
    await redis.freeze();
    worker.child.kill('SIGTERM');
    try {
      expect(await exit(worker)).toEqual({ code: 0 });
    } finally {
      redis.thaw();
      source.fault = () => null;
    }
    const { tiles } = await status(name);
    expect(tiles).toMatchObject({ failed: 0, delayed: 0 });
    expect(tiles.done + tiles.ready + tiles.claimed).toBe(tiles.total);
    await queue.cancel(name, 'the test');
  });

  test('says what it does to whoever asks the queue', async () => {
    const name = await migration();
    const worker = startJob(ground, 'import-blobs', ['--migration', name], {
      ...{ REDIS_URL: redis.url, CONVOY_UNIT: 'zh-import-blobs@1.service', CONVOY_MACHINE: 'a' },
    });
    const report = await until('its report', async () =>
      (await queue.workers()).find(({ unit }) => unit === 'zh-import-blobs@1.service'),
    );
    expect(report).toMatchObject({ lane: 'tiles', machine: 'a', state: 'idle' });
    await worker.kill();
  });

  test('hears a pause within a second, and goes on when resumed', async () => {
    const name = await migration();
    source.addImage('pause', { ...IMAGE, width: 4000 });
    await queue.addImages(name, [{ id: 'pause', geometry: { ...IMAGE, width: 4000 } }]);
    const times: number[] = [];
    source.fault = () => {
      times.push(performance.now());
      return { kind: 'slow', ms: 20 };
    };
    const worker = start('import-blobs', name);
    await until('tiles to be copied', async () => (await status(name)).tiles.done > 20);
    await queue.pause(name, 'the test');
    const paused = performance.now();
    await until('claims to come back', async () => (await status(name)).tiles.claimed === 0, 5_000);
    expect(Math.max(...times) - paused).toBeLessThan(1_000);
    const { tiles } = await status(name);
    expect(tiles.done).toBeLessThan(tiles.total);
    await queue.addImages(name, [{ id: 'other', geometry: IMAGE }]);
    source.addImage('other', IMAGE);
    await queue.resume(name);
    await until('work to go on', async () => (await status(name)).tiles.done > tiles.done, 10_000);
    await worker.kill();
    source.fault = () => null;
  });

  test('says that Redis is unreachable, keeps trying, and works once it is there', async () => {
    const port = await freePort();
    const env = { REDIS_URL: `redis://127.0.0.1:${port}` };
    const worker = startJob(ground, 'import-blobs', [], env);
    const stopped = startJob(ground, 'import-blobs', [], env);
    const said = await until('the log to say so', () =>
      /Redis at redis:\/\/127\.0\.0\.1:\d+ is unreachable/.exec(logOf(worker.name)),
    );
    expect(said[0]).toContain(String(port));
    await until('the other to say so', () => logOf(stopped.name).includes('unreachable'));
    stopped.child.kill('SIGTERM');
    expect(await exit(stopped)).toEqual({ code: 0 });

    await startRedis(ground, { name: 'late-redis', port });
    const late = new RedisQueue({ locate: () => Promise.resolve(env.REDIS_URL), timeoutMs: 5_000 });
    mkdirSync(join(ground.dir, 'late'));
    await late.createMigration({
      ...{ name: 'late', source: source.url, destination: `file://${join(ground.dir, 'late')}` },
      ...{
        rangeSize: 100,
        maxAttempts: 3,
        stopAfterFailures: 0.01,
        stopAfterTiles: 10_000,
        serverSide: 'auto' as const,
        incomplete: 'withhold' as const,
      },
    });
    source.addImage('late', IMAGE);
    await late.addImages('late', [{ id: 'late', geometry: IMAGE }]);
    await until(
      'all tiles',
      async () => {
        const now = await late.status('late');
        return now?.tiles.done === now?.tiles.total;
      },
      30_000,
    );
    await late.close();
    await worker.kill();
    expect(logOf(worker.name)).not.toContain('Warning');
  });

  test.each([
    [[], {}, 'set REDIS_URL, or CONVOY_API'],
    [[], { CONVOY_API: 'ftp://x' }, 'expected unix:///PATH or http://HOST:PORT'],
    [['--max-rps', 'many'], { REDIS_URL: 'redis://127.0.0.1:1' }, 'expected a number'],
    [['--log-level', 'error'], { REDIS_URL: 'localhost' }, 'write it as redis://host:port'],
    [['--nonsense'], { REDIS_URL: 'redis://127.0.0.1:1' }, 'unknown option'],
  ])('with %j and %j exits 2 with one sentence', async (args, env, words) => {
    const worker = startJob(ground, 'import-blobs', args, env);
    expect(await exit(worker)).toEqual({ code: 2 });
    const lines = logOf(worker.name).trim().split('\n');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(words);
  });
});

describe('finding Redis', () => {
  test.each(['tcp', 'unix'])('by asking convoyd over %s: waits until a unit announces it', async (kind) => {
    const name = await migration();
    const image = `found-${kind}`;
    source.addImage(image, IMAGE);
    await queue.addImages(name, [{ id: image, geometry: IMAGE }]);
    let services: object[] = [];
    const asked: (string | undefined)[] = [];
    const convoyd = createServer((request, response) => {
      asked.push(request.url);
      response.end(JSON.stringify({ services }));
    });
    const path = join(ground.dir, `api-${kind}.sock`);
    await new Promise<void>((resolve) =>
      kind === 'unix' ? convoyd.listen(path, resolve) : convoyd.listen(0, '127.0.0.1', resolve),
    );
    const address = convoyd.address() as { port: number };
    const env = { CONVOY_API: kind === 'unix' ? `unix://${path}` : `http://127.0.0.1:${address.port}` };
    const worker = startJob(ground, 'import-blobs', ['--migration', name], env);
    await until('it to wait', () => logOf(worker.name).includes('waiting for Redis: no unit announces'));
    services = [
      { service: 'redis', unit: 'zh-redis.service', machine: 'a', host: '127.0.0.1', port: redis.port },
    ];
    await untilAllTiles(name);
    expect(new Set(asked)).toEqual(new Set(['/v1/services/redis']));
    // A live connection is kept: convoyd may go.
    convoyd.closeAllConnections();
    await new Promise((resolve) => convoyd.close(resolve));
    source.addImage(`more-${kind}`, IMAGE);
    await queue.addImages(name, [{ id: `more-${kind}`, geometry: IMAGE }]);
    await untilAllTiles(name);
    await worker.kill();
  });
});

describe('a Redis with a password', () => {
  const SECRET = 'a b"c%d';
  let guarded: TestServer;
  beforeAll(async () => {
    guarded = await testRedis(ground, { name: 'guarded', flags: ['--requirepass', SECRET] });
  });

  async function announcing(): Promise<string> {
    const services = [{ service: 'redis', unit: 'r', machine: 'a', host: '127.0.0.1', port: guarded.port }];
    const convoyd = createServer((_, response) => response.end(JSON.stringify({ services })));
    await new Promise<void>((resolve) => convoyd.listen(0, '127.0.0.1', resolve));
    convoyd.unref();
    return `http://127.0.0.1:${(convoyd.address() as { port: number }).port}`;
  }

  test.each([
    ['REDIS_PASSWORD', () => ({ REDIS_PASSWORD: SECRET })],
    [
      'the credential redis-password',
      () => {
        writeFileSync(join(ground.dir, 'redis-password'), `${SECRET}\n`);
        return { CREDENTIALS_DIRECTORY: ground.dir };
      },
    ],
  ])('is opened with %s, which is never told', async (_, secret) => {
    const worker = startJob(ground, 'import-blobs', [], {
      CONVOY_API: await announcing(),
      ...secret(),
      ZH_LOG_LEVEL: 'debug',
    });
    await until('it to be served', async () => {
      const url = `redis://:${encodeURIComponent(SECRET)}@127.0.0.1:${guarded.port}`;
      const guardedQueue = new RedisQueue({ locate: () => Promise.resolve(url), timeoutMs: 5_000 });
      const known = (await guardedQueue.workers()).length > 0;
      await guardedQueue.close();
      return known;
    });
    expect(readFileSync(`/proc/${worker.child.pid}/cmdline`, 'utf8')).not.toContain(SECRET);
    await worker.kill();
    expect(logOf(worker.name)).not.toContain(SECRET);
    expect(logOf(worker.name)).not.toContain(encodeURIComponent(SECRET));
  });

  test('without one says that a password is needed', async () => {
    const worker = startJob(ground, 'import-blobs', [], { CONVOY_API: await announcing() });
    await until('it to say so', () => /password/i.test(logOf(worker.name)));
    await worker.kill();
  });
});

test('a wrong base URL of the tiles pauses the migration within 20,000 tiles, with the reason', async () => {
  const name = await migration();
  const image = { ...IMAGE, width: 10_000, height: 10_000 };
  await queue.addImages(name, [{ id: 'nowhere', geometry: image }]);
  const worker = start('import-blobs', name);
  const paused = await until(
    'the pause',
    async () => {
      const now = await status(name);
      return now.state === 'paused' ? now : null;
    },
    60_000,
  );
  expect(paused.tiles.total).toBeGreaterThan(20_000);
  expect(paused.tiles.failed).toBeLessThanOrEqual(20_000);
  expect(paused.reason).toMatch(/tiles failed \(more than 1 %\), the last with http-404/);
  expect(paused.failures).toEqual({ 'http-404': paused.tiles.failed });
  await worker.kill();
});

describe('zh-populate', () => {
  const good = (i: number): string => `p${i}`;

  test('captures every bad line with its reason and stops at none', async () => {
    const name = await migration();
    for (let i = 0; i < 3; i++) source.addImage(good(i), IMAGE);
    source.put('html.dzi', '<!DOCTYPE html><html>Sorry</html>');
    source.put(
      'zero.dzi',
      '<Image TileSize="254" Overlap="1" Format="jpg"><Size Width="0" Height="1"/></Image>',
    );
    source.put('huge.dzi', Buffer.alloc(100_000, 32));
    const lines = [
      ...['\ufeffp0:100', 'p1:50\r', '', 'p0:3', 'missing:1', 'html', 'zero', 'huge:2', 'p2'],
      ...['../../etc/passwd', 'a/b', 'a\u0007b', '..', 'x'.repeat(300), 'p1'],
    ];
    const list = join(ground.dir, 'ids.txt');
    writeFileSync(list, lines.join('\n'));
    const populate = start('populate', name, '--ids', list);
    expect(await exit(populate, 30_000)).toEqual({ code: 0 });
    const now = await status(name);
    expect(now).toMatchObject({ planClosed: true, images: { total: 3, refused: 9 } });
    const reasons: Record<string, string> = {};
    for await (const { image, reason, lane } of queue.failures(name, {})) {
      expect(lane).toBe('images');
      reasons[image.slice(0, 20)] = reason;
    }
    expect(reasons).toEqual({
      ...{ missing: 'http-404', html: 'not-a-descriptor', zero: 'bad-geometry', huge: 'too-large' },
      ...{ '../../etc/passwd': 'bad-id', 'a/b': 'bad-id', 'a\\x07b': 'bad-id', '..': 'bad-id' },
      ['x'.repeat(20)]: 'bad-id',
    });
    expect(logOf(populate.name)).toContain('"added":3,"duplicates":2,"refused":9');
    expect(await exit(start('populate', name, '--ids', list))).toEqual({ code: 0 });
  });

  test('takes the list from a pipe with --ids -', async () => {
    const name = await migration();
    source.addImage('piped', IMAGE);
    const child = spawn(
      process.execPath,
      [program('jobs/populate-main.js'), '--migration', name, '--ids', '-'],
      {
        env: { PATH: process.env.PATH, REDIS_URL: redis.url },
        stdio: ['pipe', 'ignore', 'ignore'],
      },
    );
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.stdin.end('piped:7\n');
    expect(await ended).toBe(0);
    expect(await status(name)).toMatchObject({ planClosed: true, images: { total: 1, refused: 0 } });
  });

  test('pauses the migration when nothing in the list can be added, and goes on when resumed', async () => {
    const name = await migration();
    const list = join(ground.dir, 'wrong.txt');
    writeFileSync(list, Array.from({ length: 300 }, (_, at) => `absent${at}\n`).join(''));
    const populate = start('populate', name, '--ids', list);
    const paused = await until('the pause', async () => {
      const now = await status(name);
      return now.state === 'paused' ? now : null;
    });
    expect(paused.reason).toMatch(/^none of the first \d+ ids could be added, the last was http-404: /);
    expect(paused.planClosed).toBe(false);
    await queue.resume(name);
    expect(await exit(populate, 30_000)).toEqual({ code: 0 });
    expect(await status(name)).toMatchObject({
      state: 'running',
      planClosed: true,
      images: { refused: 300 },
    });
  });

  test('killed and started again continues where it was', async () => {
    const name = await migration();
    const count = 400;
    for (let i = 0; i < count; i++) source.addImage(good(i), { ...IMAGE, width: 100, height: 100 });
    source.put('total.txt', Array.from({ length: count }, (_, i) => `${good(i)}:${count - i}\n`).join(''));
    source.fault = (key) => (key.endsWith('.dzi') ? { kind: 'slow', ms: 150 } : null);
    const first = start('populate', name);
    const added = await until('some images', async () => (await status(name)).images.total || null);
    await first.kill();
    expect(added).toBeLessThan(count);
    const before = source.requests.length;
    const second = start('populate', name);
    expect(await exit(second, 30_000)).toEqual({ code: 0 });
    expect(source.requests.slice(before)).not.toContain('p0.dzi');
    expect(await status(name)).toMatchObject({ planClosed: true, images: { total: count, refused: 0 } });
    source.fault = () => null;
  });

  test('waits for its migration, and for a source that is away', async () => {
    const name = `m${migrations + 1}`;
    source.addImage('only', IMAGE);
    source.put('few.txt', 'only\n');
    source.fault = () => ({ kind: 'reset' });
    const populate = start('populate', name, '--ids', 'few.txt');
    await until('it to wait', () => logOf(populate.name).includes(`waiting: migration ${name}`));
    await migration();
    await until('it to say so', () => logOf(populate.name).includes('no answer, asking again'), 20_000);
    source.fault = () => null;
    expect(await exit(populate, 30_000)).toEqual({ code: 0 });
    expect(await status(name)).toMatchObject({ planClosed: true, images: { total: 1 } });
  });

  test.each([
    ['no-such-key.txt', 1, 'a file of this machine is written ./no-such-key.txt'],
    ['./no/such/file', 1, 'no such file'],
    ['file:///', 2, 'names a folder'],
  ])('with --ids %s exits %i with one sentence', async (ids, code, words) => {
    const populate = start('populate', await migration(), '--ids', ids, '--log-level', 'error');
    expect(await exit(populate)).toEqual({ code });
    const lines = logOf(populate.name).trim().split('\n');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(words);
  });

  test('ends with one sentence if a store cannot be used, and continues once it can', async () => {
    const name = `m${migrations + 1}`;
    const directory = join(ground.dir, name);
    await migration();
    rmdirSync(directory);
    source.addImage('later', IMAGE);
    source.put('later.txt', 'later\n');
    const populate = start('populate', name, '--ids', 'later.txt', '--log-level', 'error');
    expect(await exit(populate)).toEqual({ code: 1 });
    expect(logOf(populate.name).trim().split('\n')).toEqual([
      expect.stringMatching(/^zh-populate: the destination cannot be used: .*--create-container makes it\)$/),
    ]);
    expect((await status(name)).planClosed).toBe(false);
    mkdirSync(directory);
    expect(await exit(start('populate', name, '--ids', 'later.txt'))).toEqual({ code: 0 });
    expect(await status(name)).toMatchObject({ planClosed: true, images: { total: 1 } });
  });

  test('with several open plans asks for --migration by name', async () => {
    await migration();
    await migration();
    const populate = startJob(ground, 'populate', [], { REDIS_URL: redis.url });
    expect(await exit(populate)).toEqual({ code: 2 });
    expect(logOf(populate.name)).toContain('--migration is needed: ');
  });
});
