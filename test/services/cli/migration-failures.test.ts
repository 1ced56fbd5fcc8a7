import { spawn } from 'node:child_process';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ListedFailure } from '../../../cli/migration-output.js';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import { claim, definition, failure, point } from '../../contracts/queue-cases.js';
import { commandRunner } from '../../support/commands.js';
import { program } from '../../support/programs.js';
import { type TestServer, testRedis, useGround } from '../../support/services.js';

/** Failures as they are filtered, exported and retried. */

/** Levels of 1, 1, 1 and 4 tiles: 0_0 of level 3 is number 3. */
const IMAGE = { width: 8, height: 8, tileSize: 4, overlap: 0, format: 'jpg' };
const ODD = 'a,b "c"/d';
const ground = useGround('cli-migration-failures');
let redis: TestServer;
let queue: RedisQueue;
let made = 0;

beforeAll(async () => {
  redis = await testRedis(ground);
  queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 10_000 });
});
afterAll(() => queue.close());

const inProcess = commandRunner(() => 'unix:///nowhere');
const run = (args: string) => inProcess(args.split(' '), { env: { REDIS_URL: redis.url } });
const json = async (args: string): Promise<ListedFailure[]> =>
  (await run(`migration failures ${args} -o ndjson`)).stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => v.parse(ListedFailure, JSON.parse(line)))
    .sort((a, b) => (a.image + a.first < b.image + b.first ? -1 : 1));

/** Of `one` tiles 2 to 4 and 6 failed, of ODD its descriptor, and two ids were refused. */
async function migration(): Promise<string> {
  const name = `m${++made}`;
  await queue.createMigration(definition({ name }));
  await queue.beginPlan(name, 'ids.txt');
  await queue.addImages(name, [
    { id: 'one', geometry: IMAGE },
    { id: ODD, geometry: IMAGE },
    { id: 'gone', reason: 'http-404', status: 404 },
    { id: 'strange', reason: 'not-a-descriptor', status: 0 },
  ]);
  await queue.closePlan(name, 'ids.txt');
  for (const failed of [[failure(2, 3), failure(6, 1, { reason: 'truncated', status: 0, attempt: 5 })], []]) {
    const { token, end } = await claim(queue, { migration: name });
    const done = end - failed.reduce((sum, { count }) => sum + count, 0);
    await queue.checkpoint(token, name, point(1, end, { done, failed }));
  }
  const { token } = await claim(queue, { migration: name, lane: 'descriptors' });
  await queue.checkpoint(
    token,
    name,
    point(1, 1, { failed: [failure(0, 1, { reason: 'http-503', status: 503 })] }),
  );
  return name;
}

const MANY = {
  ...{ lane: 'tiles', image: 'one', first: 2, count: 3, reason: 'http-404', status: 404, attempt: 1 },
  ...{ key: 'one_files/2/0_0.jpg', lastKey: 'one_files/3/1_0.jpg' },
};
const LAST = {
  ...{ lane: 'tiles', image: 'one', first: 6, count: 1, reason: 'truncated', status: 0, attempt: 5 },
  ...{ key: 'one_files/3/1_1.jpg', lastKey: 'one_files/3/1_1.jpg' },
};
const DESCRIPTOR = {
  ...{ lane: 'descriptors', image: ODD, first: 0, count: 1, reason: 'http-503', status: 503, attempt: 1 },
  ...{ key: `${ODD}.dzi`, lastKey: `${ODD}.dzi` },
};
const GONE = {
  ...{ lane: 'images', image: 'gone', first: 0, count: 1, reason: 'http-404', status: 404, attempt: 1 },
  ...{ key: 'gone.dzi', lastKey: 'gone.dzi' },
};
const STRANGE = {
  ...{ ...GONE, image: 'strange', reason: 'not-a-descriptor', status: 0 },
  ...{ key: 'strange.dzi', lastKey: 'strange.dzi' },
};

describe('filters', () => {
  test.each([
    ['', [DESCRIPTOR, GONE, MANY, LAST, STRANGE]],
    ['--reason http-404', [GONE, MANY]],
    ['--status 0', [LAST, STRANGE]],
    ['--status 503', [DESCRIPTOR]],
    ['--image one', [MANY, LAST]],
    ['--image gone', [GONE]],
    ['--lane tiles', [MANY, LAST]],
    ['--lane descriptors', [DESCRIPTOR]],
    ['--lane images', [GONE, STRANGE]],
    ['--lane checks', []],
    ['--tiles 6', [LAST]],
    ['--tiles 0-1', []],
    ['--tiles 4-6', [{ ...MANY, first: 4, count: 1, key: 'one_files/3/1_0.jpg' }, LAST]],
    [
      '--reason http-404 --lane tiles --status 404 --image one --tiles 0-2',
      [{ ...MANY, count: 1, lastKey: MANY.key }],
    ],
    ['--reason http-404 --status 503', []],
  ])('%j', async (filter, expected) => {
    const name = await migration();
    expect(await json(`${name} ${filter}`.trim())).toEqual(expected);
  });

  test.each([
    ['--tiles 5-2', '--tiles: expected numbers of tiles, such as 0-999 or 17, got "5-2"'],
    ['--tiles -1', '--tiles: expected numbers of tiles, such as 0-999 or 17, got "-1"'],
    ['--tiles 3 --lane images', '--tiles numbers tiles, and --lane images has none: leave one of them out'],
    ['--lane tile', '--lane: expected one of tiles, descriptors, checks, images, got "tile"'],
    ['--status nine', '--status: expected a whole number from 0 to 999, got "nine"'],
    ['-o xml', '-o: expected one of text, json, ndjson, csv, got "xml"'],
  ])('%s is wrong usage', async (filter, message) => {
    expect(await run(`migration failures m ${filter}`)).toEqual({
      ...{ stdout: '', stderr: `convoyctl: ${message}\n`, exit: 2 },
    });
  });
});

describe('exports', () => {
  test('CSV as RFC 4180 has it; json is ndjson; text is a table', async () => {
    const name = await migration();
    const csv = (await run(`migration failures ${name} -o csv`)).stdout.split('\r\n');
    expect(csv[0]).toBe('lane,image,first,count,reason,status,attempt,key,lastKey');
    const odd = '"a,b ""c""/d';
    expect(csv).toContain(`descriptors,${odd}",0,1,http-503,503,1,${odd}.dzi",${odd}.dzi"`);
    expect(csv).toContain('tiles,one,2,3,http-404,404,1,one_files/2/0_0.jpg,one_files/3/1_0.jpg');
    expect(csv).toHaveLength(7);
    expect((await run(`migration failures ${name} -o json`)).stdout).toBe(
      (await run(`migration failures ${name} -o ndjson`)).stdout,
    );
    expect((await run(`migration failures ${name} --image one`)).stdout.split('\n')).toEqual([
      'LANE\tIMAGE\tFIRST\tCOUNT\tREASON\t\tSTATUS\tATTEMPTS\tKEY',
      ...[expect.stringMatching(/^tiles\tone\t/), expect.stringMatching(/^tiles\tone\t/), ''],
    ]);
    const images = (await run(`migration images ${name} -o csv`)).stdout.split('\r\n');
    expect(images[2]).toBe(`${odd}",1,8,8,4,0,jpg,7,7,0,0,0,${'0'.repeat(32)},released`);
    expect(images).toHaveLength(4);
  });

  /** 60,000 failures that no neighbour shares: more than the heap if they were held. */
  const MANY_FAILURES = 60_000;
  const EACH = 4_000;
  const exporting = (pipe: string, env: Record<string, string> = {}) => {
    const command = `"$0" "$1" migration failures big ${pipe}`;
    const child = spawn('bash', ['-o', 'pipefail', '-c', command, process.execPath, program('cli/main.js')], {
      env: { PATH: process.env.PATH, REDIS_URL: redis.url, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    return new Promise((resolve) => child.once('close', (exit) => resolve({ stdout, stderr, exit })));
  };
  beforeAll(async () => {
    await queue.createMigration(definition({ name: 'big', rangeSize: 100_000, stopAfterFailures: 1 }));
    const geometry = { width: 800, height: 800, tileSize: 10, overlap: 0, format: 'jpg' };
    await queue.addImages(
      'big',
      Array.from({ length: MANY_FAILURES / EACH }, (_, at) => ({ id: `image-${at}`, geometry })),
    );
    for (let told = 0; told < MANY_FAILURES; told += EACH) {
      const { token, end } = await claim(queue, { migration: 'big' });
      const failed = Array.from({ length: EACH }, (_, at) =>
        failure(at, 1, at % 2 === 0 ? {} : { reason: 'truncated', status: 0 }),
      );
      await queue.checkpoint(token, 'big', point(1, end, { failed, done: end - EACH }));
    }
  }, 120_000);

  test.each(['csv', 'text'])('many as %s, in a heap of 28 MB', async (format) => {
    const env = { NODE_OPTIONS: '--max-old-space-size=28' };
    const lines = MANY_FAILURES + 1;
    expect(await exporting(`-o ${format} | wc -l`, env)).toEqual({
      stdout: `${lines}\n`,
      stderr: '',
      exit: 0,
    });
  });

  test('who reads no more ends it, without a word', async () => {
    const { stdout, ...rest } = (await exporting('-o csv | head -n 2')) as { stdout: string };
    expect(stdout).toMatch(/^lane,image,.*\r\ntiles,image-\d+,.*\r\n$/);
    expect(rest).toEqual({ stderr: '', exit: 0 });
  });
});

describe('retry', () => {
  const failed = async (name: string) => {
    const { tiles, descriptors } = (await queue.status(name))!;
    return [tiles.failed, descriptors.failed];
  };

  test('puts back what the filters choose, of a failure only the tiles asked for, and says how many', async () => {
    const name = await migration();
    const said = (count: number) =>
      `Put ${count} failed tiles and descriptors of migration ${name} back to work\n`;
    expect(await run(`migration retry ${name} --tiles 3-4`)).toEqual({
      stdout: said(2),
      stderr: '',
      exit: 0,
    });
    expect(await failed(name)).toEqual([2, 1]);
    expect(await run(`migration retry ${name} --status 503`)).toEqual({
      stdout: said(1),
      stderr: '',
      exit: 0,
    });
    expect(await failed(name)).toEqual([2, 0]);
    expect(await run(`migration retry ${name} --reason nonsense`)).toEqual({
      stdout: said(0),
      stderr: '',
      exit: 0,
    });
    expect(await json(`${name} --lane tiles`)).toEqual([{ ...MANY, count: 1, lastKey: MANY.key }, LAST]);
  });

  test('says that refused images are tried again by zh-populate alone', async () => {
    const name = await migration();
    const { stdout, stderr } = await run(`migration retry ${name}`);
    expect(stdout).toContain('Put 5 failed tiles and descriptors');
    expect(stderr).toBe(
      'note: 2 ids could not be planned at all: to try them again, run zh-populate again\n',
    );
    expect((await run(`migration retry ${name} --image gone`)).stderr).toContain(
      'to try it again, run zh-populate',
    );
    expect((await run(`migration retry ${name} --lane tiles`)).stderr).toBe('');
    expect((await queue.status(name))?.images.refused).toBe(2);
  });

  test('says that a paused migration is paused, and that failed checks are made again by zh-verify', async () => {
    const name = `m${++made}`;
    await queue.createMigration(definition({ name }));
    await queue.addImages(name, [{ id: 'one', geometry: IMAGE }]);
    await queue.closePlan(name, null);
    for (const lane of ['tiles', 'descriptors'] as const) {
      const { token, end } = await claim(queue, { migration: name, lane });
      await queue.checkpoint(token, name, point(1, end, { done: end }));
    }
    await queue.beginVerification(name, { sample: 1, read: false, unpublish: false });
    const { token, end } = await claim(queue, { migration: name, lane: 'checks' });
    const found = { blind: false, restart: false };
    const missing = [failure(3, 1), failure(end - 1, 1, { reason: 'descriptor-differs', status: 0 })];
    await queue.checkpoint(token, name, point(1, end, { done: end - 2, failed: missing, found }));
    expect(await json(`${name} --lane checks`)).toMatchObject([
      { first: 3, key: 'one_files/3/0_0.jpg' },
      { first: 7, key: 'one.dzi', reason: 'descriptor-differs' },
    ]);
    expect(await run(`migration retry ${name}`)).toMatchObject({
      stdout: expect.stringContaining('Put 0 '),
      stderr: 'note: 2 checks failed: to check again, run zh-verify again\n',
    });
    const paused = await migration();
    await queue.pause(paused, 'too many failures');
    expect((await run(`migration retry ${paused} --lane tiles`)).stderr).toBe(
      `note: it is paused (too many failures): convoyctl migration resume ${paused}\n`,
    );
  });
});
