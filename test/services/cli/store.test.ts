import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../../../runtime/log.js';
import { openDestination } from '../../../stores/open.js';
import { type CliResult, convoyctl } from '../../support/convoyctl.js';
import { program } from '../../support/programs.js';
import { useGround } from '../../support/services.js';
import { startSwift } from '../../support/stores/swift.js';
import { startTileSource, type TileSource } from '../../support/tile-source.js';

const ground = useGround('cli-store');
const NAMES = ['a/b c+%#?.txt', 'a/ü\u200b.txt', 'top.txt'];
const MD5 = '5d41402abc4b2a76b9719d911017c592';
let env: Record<string, string>;
let http: TileSource;
let disk: string;

beforeAll(async () => {
  const swift = await startSwift(ground);
  env = { ST_AUTH: swift.authUrl, ST_USER: swift.user, ST_KEY: swift.key };
  const store = await openDestination('swift://box', { log: silentLog, env });
  await store.createContainer();
  const properties = { contentType: 'text/x-test', headers: {}, metadata: { 'made-by': 'a test' }, md5: MD5 };
  for (const key of NAMES) await store.write(key, Buffer.from('hello'), properties);
  await store.close();
  http = await startTileSource();
  http.put('there.txt', 'hello');
  disk = join(ground.dir, 'disk');
  mkdirSync(join(disk, 'a'), { recursive: true });
  writeFileSync(join(disk, 'plain file'), 'hello');
  writeFileSync(join(disk, 'a', 'evil\u001b[31m\n.txt'), 'hello');
}, 60_000);
afterAll(() => http.close());

const run = (args: readonly string[], more: Record<string, string> = env): Promise<CliResult> =>
  convoyctl(['store', ...args], { cwd: ground.dir, env: more });
const rows = ({ stdout }: CliResult): unknown[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

describe('store ls', () => {
  test('lists everything below a location: size, time and name', async () => {
    const { stdout, stderr, exit } = await run(['ls', 'swift://box']);
    expect([exit, stderr]).toEqual([0, '']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.slice(34))).toEqual(NAMES);
    for (const line of lines) expect(line).toMatch(/^ {11}5 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ /);
    expect((await run(['ls', 'swift://box/a'])).stdout.trimEnd().split('\n')).toHaveLength(2);
  });

  test('as JSON, an object a line, and of an object itself', async () => {
    const listed = rows(await run(['ls', 'swift://box', '-o', 'json']));
    expect(listed).toEqual(
      NAMES.map((key) => ({ key, size: 5, modified: expect.stringMatching(/^\d{4}-.*Z$/) })),
    );
    expect(rows(await run(['ls', 'swift://box/top.txt', '-o', 'json']))).toMatchObject([
      { key: 'top.txt', size: 5 },
    ]);
    expect(rows(await run(['ls', `file://${disk}/plain%20file`, '-o', 'json']))).toHaveLength(1);
  });

  test('writes on a terminal nothing that it would obey', async () => {
    const command = `${process.execPath} ${program('cli/main.js')} store ls file://${disk}`;
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { PATH: process.env.PATH },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await new Promise((resolve) => child.once('close', resolve));
    expect(text).toContain('a/evil\\x1b[31m\\x0a.txt\r\n');
    expect(text).not.toContain('\u001b');
  });

  test('ends without a word when its reader does', async () => {
    const many = join(ground.dir, 'many');
    mkdirSync(many);
    for (let at = 0; at < 5000; at++) writeFileSync(join(many, `file-with-a-long-name-${at}`), '');
    const command = `${process.execPath} ${program('cli/main.js')} store ls file://${many}`;
    const child = spawn('bash', ['-c', `set -o pipefail; ${command} | head -1`], {
      env: { PATH: process.env.PATH },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect([code, text.trimEnd().split('\n').length]).toEqual([0, 1]);
  });

  test.each([
    ['swift://nobox', 1, 'nobox'],
    ['file:///nonexistent/of/convoy', 1, 'there is no directory /nonexistent/of/convoy'],
    ['https://example.org/x', 1, 'HTTP has no listing'],
    ['ftp://host/x', 2, 'unknown scheme'],
  ])('of %s exits %i with one sentence', async (location, code, words) => {
    const { stdout, stderr, exit } = await run(['ls', location]);
    expect([exit, stdout, stderr.trimEnd().split('\n')]).toEqual([
      code,
      '',
      [expect.stringContaining(words)],
    ]);
  });
});

describe('store stat', () => {
  test('tells all of an object', async () => {
    const shown = rows(await run(['stat', 'swift://box/top.txt', '-o', 'json']));
    expect(shown).toEqual([
      {
        ...{ location: 'swift://box/top.txt', kind: 'object', size: 5, md5: MD5 },
        ...{ contentType: 'text/x-test', modified: expect.stringMatching(/Z$/), headers: {} },
        ...{ metadata: { 'made-by': 'a test' }, writable: true, listable: true, checksWrites: true },
        ...{ reportsMd5: true, keeps: 'all' },
      },
    ]);
    const { stdout } = await run(['stat', 'swift://box/top.txt']);
    expect(stdout).toMatch(/^swift:\/\/box\/top\.txt: object\n/);
    for (const line of ['  Size:           5 bytes', `  MD5:            ${MD5}`, '  metadata made-by:a test'])
      expect(stdout.split('\n')).toContain(line);
    expect(rows(await run(['stat', `${http.url}/there.txt`, '-o', 'json']))).toMatchObject([
      { kind: 'object', size: 5, writable: false, listable: false },
    ]);
  });

  test('tells of a container, a prefix and a directory that they can be used, and how they behave', async () => {
    expect(rows(await run(['stat', 'swift://box', '-o', 'json']))).toMatchObject([
      { kind: 'container', size: null, metadata: null, checksWrites: true, keeps: 'all' },
    ]);
    expect(rows(await run(['stat', 'swift://box/a', '-o', 'json']))).toMatchObject([{ kind: 'prefix' }]);
    expect((await run(['stat', `file://${disk}`])).stdout).toMatch(
      /: container\n {2}State: {10}can be used\n(.*\n)* {2}Checks writes: {2}no\n(.*\n)* {2}Keeps: {10}bytes only\n$/,
    );
  });

  test.each([
    ['swift://box/none', 'swift://box/none: there is no such object, and none below it'],
    ['swift://nobox', 'nobox'],
    ['file:///nonexistent/of/convoy', 'there is no directory'],
    ['http://127.0.0.1:1/x', '127.0.0.1:1'],
  ])('of %s exits 1 with one sentence', async (location, words) => {
    const { stdout, stderr, exit } = await run(['stat', location]);
    expect([exit, stdout, stderr.trimEnd().split('\n')]).toEqual([1, '', [expect.stringContaining(words)]]);
  });

  test('names the variable of a wrong credential, and not what it holds', async () => {
    const { stderr, exit } = await run(['stat', 'swift://box'], { ...env, ST_KEY: 'geheim' });
    expect(exit).toBe(1);
    expect(stderr).toContain('ST_KEY');
    expect(stderr).not.toContain('geheim');
  });
});
