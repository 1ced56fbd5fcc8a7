import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { beforeAll, expect, test } from 'vitest';
import { run, type TestMachine, testMachine } from '../../support/fleet.js';
import { untilMachines } from '../../support/fleet-view.js';
import { program, ROOT } from '../../support/programs.js';
import { testEtcd, useGround } from '../../support/services.js';
import { until } from '../../support/until.js';

const ground = useGround('shipped');
let machine: TestMachine;

beforeAll(async () => {
  machine = await testMachine(ground, 'a', (await testEtcd(ground)).url);
  await untilMachines(machine, 1);
});

const shipped = (name: string): string => join(ROOT, 'units/shipped', name);

function settings(text: string): void {
  const folder = join(machine.dir, 'root/etc/convoy');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'zh-redis.env'), text);
}

test('zh-redis open to other machines without a password is refused, with the way out', async () => {
  settings('ZH_REDIS_BIND=10.9.8.7\n');
  const started = await machine.ctl('start', shipped('zh-redis.service'));
  expect(started.code).toBe(1);
  const log = await machine.ctl('journal', 'zh-redis.service');
  expect(log.stdout).toContain('ZH_REDIS_BIND=10.9.8.7 needs ZH_REDIS_PASSWORD in ');
  await machine.ctl('destroy', 'zh-redis.service');
});

test('zh-redis with a password: found through discovery, closed to those without, on no command line', async () => {
  // Of this run alone: other tests run beside it.
  const password = `geheim ${randomUUID()}`;
  settings(`ZH_REDIS_PASSWORD=${password}\n`);
  expect(await machine.ctl('start', shipped('zh-redis.service'))).toMatchObject({ code: 0 });
  const line = await until('the service', async () =>
    /redis\s+zh-redis\.service\s+\S+\s+127\.0\.0\.1:(\d+)/.exec((await machine.ctl('services')).stdout),
  );
  const port = Number(line[1]);
  const stranger = new Redis(port, '127.0.0.1', { lazyConnect: true, retryStrategy: () => null });
  stranger.on('error', () => undefined);
  await expect(stranger.ping()).rejects.toThrow(/NOAUTH/);
  stranger.disconnect();
  const friend = new Redis(port, '127.0.0.1', { password });
  expect(await friend.config('GET', 'appendonly')).toEqual(['appendonly', 'yes']);
  expect(await friend.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
  friend.disconnect();
  const told = readdirSync('/proc').filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(password);
    } catch {
      return false;
    }
  });
  expect(told).toEqual([]);
  expect((await machine.ctl('destroy', 'zh-redis.service')).code).toBe(0);
});

test('every shipped unit is accepted without a warning', async () => {
  const files = readdirSync(join(ROOT, 'units/shipped'));
  expect(files.length).toBe(6);
  expect(await machine.ctl('submit', ...files.map(shipped))).toMatchObject({ code: 0, stderr: '' });
  expect((await machine.ctl('destroy', ...files)).code).toBe(0);
});

test.each([
  'agent/daemon-main.js',
  'cli/main.js',
  'jobs/populate-main.js',
  'jobs/import-blobs-main.js',
  'jobs/upload-dzis-main.js',
  'jobs/verify-main.js',
  'cli/stats-main.js',
  'cli/demo/main.js',
])('%s --help', async (file) => {
  const help = await run(file, ['--help']);
  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toMatch(/^Usage: /);
  expect(help.stdout).toMatch(/[Ee]xit codes?:/);
});

test('zh-stats refuses an interval that would only load Redis', async () => {
  expect(await run('cli/stats-main.js', ['--interval', '0'])).toEqual({
    code: 2,
    stdout: '',
    stderr: 'zh-stats: --interval: expected at least 100ms, got "0"\n',
  });
});

test('convoyd --dev: the lines it prints are all one needs, and nothing is left when it ends', async () => {
  const child = spawn(process.execPath, [program('agent/daemon-main.js'), '--dev'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  const exported = await until(
    'the lines',
    () => {
      const lines = [...output.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name, value]) => [
        name ?? '',
        value ?? '',
      ]);
      return lines.length === 3 && Object.fromEntries(lines);
    },
    30_000,
  );
  const env = { ...exported, PATH: exported.PATH.replace('$PATH', process.env.PATH) };
  await until(
    'the machine',
    async () => (await run('cli/main.js', ['list-machines', '--no-legend'], env)).stdout !== '',
    30_000,
  );
  const dir = join(exported.CONVOY_ENDPOINT.replace('unix://', ''), '../..');
  writeFileSync(join(dir, 'hello.service'), '[Service]\nExecStart=/bin/sleep 1000\n');
  expect((await run('cli/main.js', ['start', 'hello.service'], env, dir)).code).toBe(0);
  expect(await run('cli/main.js', ['migration', 'list'], env)).toMatchObject({ code: 0 });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
  expect(existsSync(dir)).toBe(false);
});
