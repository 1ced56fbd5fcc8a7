import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { tileCount } from '../../../jobs/pyramid.js';
import { convoyctl } from '../../support/convoyctl.js';
import { type FakeFleet, startFakeFleet } from '../../support/fake-fleet.js';
import { exitOf, useMigrations } from '../../support/migration-ground.js';
import { program } from '../../support/programs.js';
import { until } from '../../support/until.js';

const IMAGE = { width: 1000, height: 700, tileSize: 50, overlap: 1, format: 'jpg' };
const TILES = tileCount(IMAGE);
const [A, B] = ['a'.repeat(32), 'b'.repeat(32)] as const;
const NOWHERE = 'redis://127.0.0.1:1';
const ground = useMigrations('top');
const children: ChildProcess[] = [];
let fleet: FakeFleet;

beforeAll(async () => {
  fleet = await startFakeFleet([A, B].map((id) => ({ id, ip: '10.0.0.1', metadata: {} })));
});
afterAll(() => fleet.stop());
afterEach(() => {
  ground.redis.thaw();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

type Env = Readonly<Record<string, string>>;
const there = (): Env => ({ REDIS_URL: ground.redis.url, CONVOY_ENDPOINT: `unix://${fleet.socket}` });

/** One of the two as a process in a pipe: what it has printed so far. */
function start(path: 'cli/stats-main.js' | 'cli/main.js', args: readonly string[], env: Env) {
  const child = spawn(process.execPath, [program(path), ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? signal ?? -1)),
  );
  return { child, ended, out: () => out, err: () => err, lines: () => out.split('\n').slice(0, -1) };
}

const statsOnce = (env: Env) => start('cli/stats-main.js', ['--once'], env);
const topOnce = (env: Env) => start('cli/main.js', ['top', '--once'], env);

function unit(name: string): string {
  const path = join(mkdtempSync(join(ground.dir, 'unit-')), name);
  writeFileSync(path, '[Service]\nExecStart=/bin/true\n');
  return path;
}

async function ctl(...args: string[]): Promise<void> {
  const { exit, stderr } = await convoyctl(args, { cwd: ground.dir, env: there() });
  expect({ exit, stderr }).toMatchObject({ exit: 0 });
}

/** No escapes, no line wider than the screen, no more lines than it has. */
function expectFrame(text: string, columns: number, rows: number): void {
  const lines = text.split('\n');
  expect(lines.pop()).toBe('');
  expect(lines.length).toBeLessThanOrEqual(rows);
  expect(lines.every((line) => line.length <= columns && !/\p{Cc}/u.test(line))).toBe(true);
}

test('zh-stats --once prints the migration page as text, with what Redis has', async () => {
  const name = await ground.plan({ once: IMAGE });
  const missing = 3;
  ground.source.fault = (key) =>
    /_files\/\d+\/[012]_0\.jpg$/.test(key) && key.includes('/10/') ? { kind: 'status', status: 404 } : null;
  const worker = ground.start('import-blobs', ['--migration', name, '--until-empty']);
  await exitOf(worker, 60_000);
  ground.source.fault = () => null;
  const { tiles } = await ground.status(name);
  expect(tiles).toMatchObject({ done: TILES - missing, failed: missing });
  const shown = statsOnce(there());
  expect(await shown.ended).toBe(0);
  expectFrame(shown.out(), 100, 30);
  const words = shown.out().replaceAll(/[^\w,./%-]+/g, ' ');
  expect(words).toContain(name);
  for (const text of [`done ${tiles.done}`, `failed ${missing}`, 'http-404']) expect(words).toContain(text);
  const wide = statsOnce({ ...there(), COLUMNS: '160', LINES: '50' });
  expect(await wide.ended).toBe(0);
  expectFrame(wide.out(), 160, 50);
  expect(Math.max(...wide.lines().map((line) => line.length))).toBeGreaterThan(100);
  expect(wide.lines().length).toBeGreaterThan(30);
});

test('convoyctl top --once prints the fleet page as text, with what convoyd knows, also where Redis is away', async () => {
  await ctl('start', unit('web.service'), unit('job.service'));
  fleet.behaviours.set('stuck.service', { refusal: 'no machine has az=eu' });
  await ctl('start', '--no-block', unit('stuck.service'));
  await fleet.rest();
  for (const env of [there(), { ...there(), REDIS_URL: NOWHERE }]) {
    const shown = topOnce(env);
    expect({ code: await shown.ended, err: shown.err() }).toEqual({ code: 0, err: '' });
    expectFrame(shown.out(), 100, 30);
    for (const text of ['aaaaaaaa...', 'bbbbbbbb...', 'web.service', 'stuck.service', 'no machine has az=eu'])
      expect(shown.out()).toContain(text);
    expect(shown.out()).toMatch(/2 of 3 units active.*aaaaaaaa\.\.\. leads/);
    // The one that can be asked has told its load.
    expect(shown.out().match(/0\.50/g)).toHaveLength(1);
  }
});

test('--once fails with one sentence where what its page is of cannot be read', async () => {
  await ground.redis.freeze();
  const cases = [
    [statsOnce({ REDIS_URL: NOWHERE }), /^zh-stats: Redis at redis:\/\/127\.0\.0\.1:1 is unreachable: .*\n$/],
    [statsOnce(there()), /^zh-stats: Redis at \S+ is unreachable: .*\n$/],
    [
      statsOnce({ CONVOY_API: `unix://${fleet.socket}` }),
      /^zh-stats: no unit announces the service redis yet\n$/,
    ],
    [
      statsOnce({ CONVOY_API: `unix://${fleet.dir}/none` }),
      /^zh-stats: convoyd at \S+ does not answer: .*\n$/,
    ],
    [topOnce({ CONVOY_ENDPOINT: 'unix:///nowhere/api.sock' }), /^convoyctl: no convoyd answers at .*\n$/],
  ] as const;
  for (const [shown, sentence] of cases) {
    expect(await shown.ended).toBe(1);
    expect(shown.err()).toMatch(sentence);
    expect(shown.out()).toBe('');
  }
});

test('what means nothing is refused', async () => {
  const both = start('cli/stats-main.js', ['--once', '--json'], there());
  expect([await both.ended, both.err()]).toEqual([
    2,
    'zh-stats: --once prints a picture, and --json lines: leave one of them out\n',
  ]);
  const often = start('cli/main.js', ['top', '--interval', '10ms'], there());
  expect(await often.ended).toBe(2);
  expect(often.err()).toContain('--interval: expected at least 100ms');
});

test('in a pipe top prints a line of the cluster when its counts change, and the lines of the migrations', async () => {
  const name = await ground.plan({ lines: IMAGE });
  const top = start('cli/main.js', ['top', '--interval', '100ms'], there());
  const cluster = (): string[] => top.lines().filter((line) => line.startsWith('cluster: '));
  const own = (): string[] => top.lines().filter((line) => line.startsWith(`${name}: `));
  await until('the first lines', () => cluster().length > 0 && own().length > 2);
  expect(cluster()).toHaveLength(1);
  const term = fleet.leader.fence;
  expect(cluster()[0]).toMatch(
    new RegExp(`^cluster: 2 machines, \\d+ units \\(.*\\), aaaaaaaa\\.\\.\\. leads, term ${term}$`),
  );
  expect(own()[0]).toBe(`${name}: 0 of ${TILES} tiles (0.0 %), 0 failed, time left not known yet`);
  await ctl('cordon', B);
  await until('the change', () => cluster().at(-1)?.startsWith('cluster: 2 machines (1 cordoned), '));
  await ctl('uncordon', B);
  await until('the change', () => cluster().length === 3);
  top.child.kill('SIGTERM');
  expect(await top.ended).toBe(0);
  expect(top.err()).toBe('');
});

test('in a pipe top says once what is away, and goes on with the rest, and with all when it is back', async () => {
  const api = await fleet.serve({ sockets: [{ path: join(fleet.dir, 'other.sock'), role: 'admin' }] });
  const name = await ground.plan({ away: IMAGE });
  const env = { ...there(), CONVOY_ENDPOINT: `unix://${fleet.dir}/other.sock` };
  const top = start('cli/main.js', ['top', '--interval', '100ms'], env);
  const own = (): number => top.lines().filter((line) => line.startsWith(`${name}: `)).length;
  await until('the first lines', () => own() > 0 && top.out().includes('cluster: 2 machines'));
  await api.stop();
  await until('it to say so', () => /^cluster: .*other\.sock/m.test(top.out()), 30_000);
  const before = own();
  await until('the migration to go on', () => own() > before + 2);
  await ground.redis.freeze();
  await until('it to say so', () => top.lines().at(-1)?.startsWith('Redis at '), 30_000);
  ground.redis.thaw();
  const again = own();
  await until('the migration to go on', () => own() > again + 2);
  expect(top.lines().filter((line) => line.startsWith('Redis at '))).toHaveLength(1);
  top.child.kill('SIGINT');
  expect(await top.ended).toBe(0);
});

test('in a pipe top waits for a Redis that is not there yet', async () => {
  const top = start('cli/main.js', ['top', '--interval', '100ms'], { ...there(), REDIS_URL: '' });
  await until('both to be said', () => top.lines().length === 2);
  expect(top.lines().toSorted()).toEqual([
    expect.stringMatching(/^cluster: 2 machines, /),
    expect.stringMatching(/^no service "redis" is announced at .*: start zh-redis, or set REDIS_URL/),
  ]);
  top.child.kill('SIGHUP');
  expect(await top.ended).toBe(0);
});

/** On a terminal that can do nothing but print. */
function onDumbTerminal(command: string) {
  const child = spawn('/usr/bin/script', ['-qec', `exec ${process.execPath} ${command}`, '/dev/null'], {
    env: { PATH: process.env.PATH, TERM: 'dumb', ...there() },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { text: () => text, ended, type: (keys: string) => child.stdin.write(keys) };
}

test.each([
  ['zh-stats', `${program('cli/stats-main.js')} --interval 100ms`],
  ['convoyctl top', `${program('cli/main.js')} top --interval 100ms`],
])('on a dumb terminal %s prints lines, until Ctrl-C', async (_name, command) => {
  const name = await ground.plan({ dumb: IMAGE });
  const shown = onDumbTerminal(command);
  await until('lines', () => shown.text().split(`${name}: 0 of ${TILES} tiles`).length > 3);
  expect(shown.text()).not.toContain('\u001b');
  shown.type('\u0003');
  expect(await shown.ended).toBe(0);
});

test.each([
  ['zh-stats', program('cli/stats-main.js')],
  ['convoyctl top', `${program('cli/main.js')} top`],
])('%s ends well when its terminal has hung up', async (name, command) => {
  const told = join(ground.dir, `${name} ended`);
  const child = spawn(
    '/usr/bin/script',
    ['-qec', `trap "" HUP; ${process.execPath} ${command}; echo $? >'${told}'`, '/dev/null'],
    {
      env: { PATH: process.env.PATH, TERM: 'xterm-256color', ...there() },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  children.push(child);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await until('the dashboard', () => /Workers|Machines/.test(text), 30_000);
  child.kill('SIGKILL');
  await until('it to end', () => existsSync(told) && readFileSync(told, 'utf8') !== '');
  expect(readFileSync(told, 'utf8')).toBe('0\n');
});
