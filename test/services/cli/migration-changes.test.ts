import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import { claim, definition, failure, point } from '../../contracts/queue-cases.js';
import { commandRunner } from '../../support/commands.js';
import { onTerminal } from '../../support/on-terminal.js';
import { type TestServer, testRedis, useGround } from '../../support/services.js';

/** What an operator does to a migration: limit, accept, close, cancel. */

/** 7 tiles. */
const IMAGE = { width: 8, height: 8, tileSize: 4, overlap: 0, format: 'jpg' };
const ground = useGround('cli-migration-changes');
let redis: TestServer;
let queue: RedisQueue;
let made = 0;

beforeAll(async () => {
  redis = await testRedis(ground);
  queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 2_000 });
});
afterAll(() => queue.close());

const inProcess = commandRunner(() => 'unix:///nowhere');
const run = (args: string) => inProcess(args.split(' '), { env: { REDIS_URL: redis.url, USER: 'ann' } });
const status = async (name: string) => (await queue.status(name))!;

/** A migration whose list `ids.txt` is being read: `holed` misses its last tile, `whole` none, `new` is untouched. */
async function migration(): Promise<string> {
  const name = `m${++made}`;
  await queue.createMigration(definition({ name }));
  await queue.beginPlan(name, 'ids.txt');
  await queue.addImages(
    name,
    ['holed', 'whole', 'new'].map((id) => ({ id, geometry: IMAGE })),
  );
  for (const failed of [[failure(6, 1)], []]) {
    const { token, end } = await claim(queue, { migration: name });
    await queue.checkpoint(token, name, point(1, end, { done: end - failed.length, failed }));
  }
  return name;
}

describe('limit', () => {
  test('sets what is given and keeps the other; off takes it away; without options it tells', async () => {
    const name = await migration();
    const steps = [
      ['', 'none', null, null],
      [' --rps 500', 'at most 500 requests/s', 500, null],
      [' --bandwidth 10M', 'at most 500 requests/s and 10.0 MB/s', 500, 10_000_000],
      ['', 'at most 500 requests/s and 10.0 MB/s', 500, 10_000_000],
      [' --rps off', 'at most 10.0 MB/s', null, 10_000_000],
      [' --rps 7 --bandwidth off', 'at most 7 requests/s', 7, null],
    ] as const;
    for (const [options, words, requestsPerSecond, bytesPerSecond] of steps) {
      expect(await run(`migration limit ${name}${options}`)).toEqual({
        ...{ stdout: `Limit of migration ${name}: ${words}\n`, stderr: '', exit: 0 },
      });
      expect((await status(name)).limit).toEqual({ requestsPerSecond, bytesPerSecond });
    }
    expect((await run(`migration status ${name}`)).stdout).toContain(
      '  Limit:        at most 7 requests/s\n',
    );
  });

  test('reaches the workers as their share', async () => {
    const name = await migration();
    await run(`migration limit ${name} --rps 500 --bandwidth 1.5M`);
    const share = { requestsPerSecond: 500, bytesPerSecond: 1_500_000 };
    expect((await claim(queue, { migration: name })).share).toEqual(share);
  });

  test.each([
    ['--rps 0', '--rps: expected a whole number from 1 to 1000000, or off, got "0"'],
    ['--rps none', '--rps: expected a whole number from 1 to 1000000, or off, got "none"'],
    [
      '--bandwidth 10',
      '--bandwidth: expected bytes a second with K, M or G, such as 500K, 10M or 1.5G, or off, got "10"',
    ],
  ])('%s is wrong usage and changes nothing', async (options, message) => {
    const name = await migration();
    await run(`migration limit ${name} --rps 3`);
    expect(await run(`migration limit ${name} ${options}`)).toEqual({
      ...{ stdout: '', stderr: `convoyctl: ${message}\n`, exit: 2 },
    });
    expect((await status(name)).limit).toEqual({ requestsPerSecond: 3, bytesPerSecond: null });
  });
});

describe('accept', () => {
  test('says of each image what became of it, and fails if one could not be accepted', async () => {
    const name = await migration();
    expect(await run(`migration accept ${name} new holed nix whole`)).toEqual({
      stdout: 'holed: accepted\n',
      stderr: [
        'new: not accepted (unsettled): tiles of it are still to come: accept it when they are done or failed',
        'nix: not accepted (unknown): the migration has no such image',
        'whole: not accepted (whole): none of its tiles is missing',
        '',
      ].join('\n'),
      exit: 1,
    });
    expect(await run(`migration accept ${name} holed`)).toMatchObject({ stderr: '', exit: 0 });
    expect((await status(name)).images).toMatchObject({ withheld: 0, incomplete: 1 });
  });
});

describe('close', () => {
  test('closes a plan of which a list was not read to its end, and says which', async () => {
    const name = await migration();
    expect((await run(`migration status ${name}`)).stdout).toMatch(
      /open: not read to the end yet\n +ids\.txt\n/,
    );
    expect(await run(`migration close ${name}`)).toEqual({
      ...{
        stdout: `Not read to its end: ids.txt\nClosed the plan of migration ${name}\n`,
        stderr: '',
        exit: 0,
      },
    });
    expect(await status(name)).toMatchObject({ planClosed: true, planOpen: [] });
    expect(await run(`migration close ${name}`)).toMatchObject({
      ...{ stdout: `The plan of migration ${name} is closed already\n`, exit: 0 },
    });
  });

  test('closes one for which no list was begun', async () => {
    await queue.createMigration(definition({ name: 'bare' }));
    expect(await run('migration close bare')).toMatchObject({
      stdout: 'No list of images was read\nClosed the plan of migration bare\n',
    });
    expect(await status('bare')).toMatchObject({ planClosed: true, finished: true });
  });
});

describe('on a terminal', () => {
  const typed = (args: string, answer: string | null) => onTerminal(args, answer, { REDIS_URL: redis.url });

  test('cancel and close ask first, with what it is about; no is no', async () => {
    const name = await migration();
    const cancel = await typed(`migration cancel ${name}`, 'n');
    expect(cancel).toMatchObject({ exit: 1, text: expect.stringContaining('Nothing was changed') });
    expect(cancel.text).toContain('7 of 21 tiles will never be migrated');
    expect(cancel.text).toContain(`Cancel migration ${name} for good? [y/N]`);
    const close = await typed(`migration close ${name}`, null);
    expect(close).toMatchObject({ exit: 1, text: expect.stringContaining('Nothing was changed') });
    expect(close.text).toContain('Not read to its end: ids.txt');
    expect(close.text).toContain(`Close the plan of migration ${name} with 3 images? [y/N]`);
    expect(await status(name)).toMatchObject({ state: 'running', planClosed: false });
  });

  test('y is yes, and --yes is not asked', async () => {
    const name = await migration();
    expect(await typed(`migration close ${name}`, 'y')).toMatchObject({ exit: 0 });
    expect((await status(name)).planClosed).toBe(true);
    const { text, exit } = await typed(`migration cancel --yes ${name}`, null);
    expect([text.includes('[y/N]'), exit]).toEqual([false, 0]);
    expect((await status(name)).state).toBe('cancelled');
  });
});

test('cancelled without a terminal: the record and the failures stay, and nothing else can be done to it', async () => {
  const name = await migration();
  expect(await run(`migration cancel ${name}`)).toEqual({
    ...{ stdout: `Cancelled migration ${name}\n`, stderr: '', exit: 0 },
  });
  const { stdout } = await run(`migration status ${name}`);
  expect(stdout).toMatch(new RegExp(`^${name}: cancelled \\(by ann with convoyctl\\)\n`));
  expect(stdout).toContain('3 images, 14 tiles, the rest given up');
  expect(stdout).toMatch(/13 of 14 done, 0 skipped, 1 failed, 0 claimed, 0 delayed,\n +0 ready\n/);
  expect((await run(`migration failures ${name} -o csv`)).stdout.split('\r\n')).toHaveLength(3);
  for (const args of ['resume X', 'retry X', 'limit X --rps 3', 'accept X holed'])
    expect(await run(`migration ${args.replace('X', name)}`)).toEqual({
      ...{ stdout: '', stderr: `convoyctl: migration ${name} is cancelled\n`, exit: 1 },
    });
});

test.each(['limit', 'accept', 'close', 'cancel', 'pause', 'failures', 'retry', 'images', 'status'])(
  'migration %s of one that never was',
  async (verb) => {
    const answer = await run(`migration ${verb} nosuch${verb === 'accept' ? ' a' : ''}`);
    expect(answer).toMatchObject({ stderr: 'convoyctl: there is no migration nosuch\n', exit: 1 });
  },
);
