import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ManagedUnit, UnitManager } from '../../../agent/unit-manager.js';
import { unitOf } from '../../contracts/unit-manager.js';
import { useGround } from '../../support/services.js';
import { alive, killHard, openSupervisor, supervisorPid } from '../../support/supervisor.js';
import { until } from '../../support/until.js';

const ground = useGround('supervisor');
let dir: string;
let manager: UnitManager;

beforeEach(async () => {
  dir = mkdtempSync(join(ground.dir, 'run-'));
  mkdirSync(join(dir, 'root'));
  manager = await openSupervisor(ground, dir);
});
afterEach(async () => {
  for (const { name } of await manager.list()) await manager.unload(name);
  await manager.close();
});

const load = (name: string, service: string, unit = '') => manager.load(unitOf(name, service, unit));
const start = (name: string, environment: Record<string, string> = {}) =>
  manager.start(name, { environment, restarts: 0 });
const find = async (name: string): Promise<ManagedUnit> =>
  (await manager.list()).find((unit) => unit.name === name) as ManagedUnit;
const untilUnit = (name: string, what: string, holds: (state: ManagedUnit) => boolean) =>
  until(`${name} ${what}`, async () => {
    const state = await find(name);
    return holds(state) ? state : undefined;
  });
const file = (name: string): string => join(dir, name);
const linesOf = (name: string): string[] =>
  existsSync(file(name)) ? readFileSync(file(name), 'utf8').split('\n').slice(0, -1) : [];
async function log(name: string): Promise<string[]> {
  const got: string[] = [];
  for await (const line of manager.log(
    name,
    { lines: 100, follow: false, output: 'cat', since: null },
    new AbortController().signal,
  ))
    got.push(line);
  return got;
}
const pidIn = (name: string): Promise<number> =>
  until(`a pid in ${name}`, () => (linesOf(name).length > 0 ? Number(linesOf(name).at(-1)) : undefined));
const sh = (script: string): string => `/bin/sh -c '${script}'`;

describe('the supervisor killed', () => {
  test('its units go on and are adopted by the next', async () => {
    await load(
      'web.service',
      `ExecStart=${sh(`echo $$$$ >${file('pid')}; while :; do echo tick; sleep 0.05; done`)}`,
    );
    await start('web.service', { PORT: '1' });
    const pid = await pidIn('pid');
    const before = await find('web.service');
    await killHard(supervisorPid(dir));
    const ticks = (await log('web.service')).length;
    expect(await find('web.service')).toEqual(before);
    expect(alive(pid)).toBe(true);
    await until('the log goes on', async () => (await log('web.service')).length > ticks);
    await manager.stop('web.service');
    expect(alive(pid)).toBe(false);
    expect(await find('web.service')).toMatchObject({ active: 'inactive', exit: 'unknown' });
    expect(linesOf('pid')).toHaveLength(1);
  });

  test('an end nobody saw is unknown; Restart= acts on it', async () => {
    await load(
      'web.service',
      `Restart=on-failure\nExecStart=${sh(`echo $$$$ >>${file('pid')}; exec sleep 1000`)}`,
    );
    await load('job.service', `ExecStart=${sh(`echo $$$$ >${file('job')}; exec sleep 1000`)}`);
    await start('web.service');
    await start('job.service');
    const pids = [await pidIn('pid'), await pidIn('job')];
    await killHard(supervisorPid(dir));
    for (const pid of pids) await killHard(pid);
    await untilUnit(
      'web.service',
      'came back',
      ({ active, autoRestarts }) => active === 'active' && autoRestarts === 1,
    );
    expect(await find('job.service')).toMatchObject({ active: 'failed', exit: 'unknown', launched: true });
    expect((await find('job.service')).reason).toContain('no supervisor');
    expect(await pidIn('pid')).not.toBe(pids[0]);
  });

  test('an end after the adoption is seen, and its exit unknown', async () => {
    await load('web.service', `ExecStart=${sh(`echo $$$$ >${file('pid')}; exec sleep 1000`)}`);
    await start('web.service');
    const pid = await pidIn('pid');
    await killHard(supervisorPid(dir));
    expect(await find('web.service')).toMatchObject({ active: 'active' });
    await killHard(pid);
    await untilUnit(
      'web.service',
      'has failed',
      ({ active, exit }) => active === 'failed' && exit === 'unknown',
    );
  });

  test('a stop under way is done to its end', async () => {
    await load(
      'web.service',
      `ExecStart=/bin/sleep 1000\nExecStop=${sh(`echo >>${file('stop')}; while [ ! -e ${file('go')} ]; do sleep 0.02; done`)}\nExecStopPost=${sh(`echo >${file('post')}`)}`,
    );
    await start('web.service');
    const stopped = manager.stop('web.service').catch((error) => error.code);
    await until('ExecStop runs', () => linesOf('stop').length === 1);
    await killHard(supervisorPid(dir));
    expect(await stopped).toBe('unreachable');
    writeFileSync(file('go'), '');
    await untilUnit('web.service', 'is down', ({ active }) => active === 'inactive');
    expect(existsSync(file('post'))).toBe(true);
  });

  test('a start under way is done again from its first command', async () => {
    await load(
      'web.service',
      `ExecStartPre=${sh(`echo $$$$ >>${file('pre')}; [ -e ${file('go')} ] || sleep 1000`)}\nExecStart=/bin/sleep 1000`,
    );
    const started = start('web.service').catch((error) => error.code);
    const pre = await pidIn('pre');
    await killHard(supervisorPid(dir));
    expect(await started).toBe('unreachable');
    writeFileSync(file('go'), '');
    await untilUnit('web.service', 'is up', ({ active }) => active === 'active');
    expect(alive(pre)).toBe(false);
    expect(linesOf('pre')).toHaveLength(2);
  });

  test('a restart that was due still comes', async () => {
    await load(
      'web.service',
      `Restart=always\nRestartSec=1s\nExecStart=${sh(`echo >>${file('runs')}; [ -e ${file('go')} ] && exec sleep 1000`)}`,
    );
    await start('web.service');
    await untilUnit('web.service', 'waits for its restart', ({ sub }) => sub === 'auto-restart');
    writeFileSync(file('go'), '');
    await killHard(supervisorPid(dir));
    await untilUnit('web.service', 'is up', ({ active, sub }) => active === 'active' && sub === 'running');
    expect(linesOf('runs')).toHaveLength(2);
  });

  test('a oneshot that remains stays as it is', async () => {
    await load('job.service', `Type=oneshot\nRemainAfterExit=yes\nExecStart=${sh(`echo >>${file('runs')}`)}`);
    await start('job.service');
    const before = await find('job.service');
    await killHard(supervisorPid(dir));
    expect(await find('job.service')).toEqual(before);
    await manager.stop('job.service');
    expect(await find('job.service')).toMatchObject({ active: 'inactive' });
    expect(linesOf('runs')).toHaveLength(1);
  });

  test('changes says that it came back', async () => {
    await manager.list();
    const done = new AbortController();
    const changes = manager.changes(done.signal)[Symbol.asyncIterator]();
    await killHard(supervisorPid(dir));
    await changes.next();
    expect(await manager.list()).toEqual([]);
    done.abort();
  });

  test('another process with the pid of a unit is not taken for it', async () => {
    await load('web.service', 'ExecStart=/bin/sleep 1000');
    await start('web.service');
    await killHard(supervisorPid(dir));
    const path = join(dir, 'units', 'web.service.json');
    const stored = JSON.parse(readFileSync(path, 'utf8'));
    const real = stored.entry.main.pid;
    stored.entry.main = { pid: process.pid, startTime: '1' };
    writeFileSync(path, JSON.stringify(stored));
    await untilUnit('web.service', 'counts as ended', ({ exit }) => exit === 'unknown');
    // Its own process still carries its INVOCATION_ID, and is not left behind.
    expect(alive(real)).toBe(false);
    expect(alive(process.pid)).toBe(true);
  });

  test('a process started just before the end is found by its mark', async () => {
    await load('web.service', `ExecStart=${sh(`echo $$$$ >>${file('pid')}; exec sleep 1000`)}`);
    await start('web.service');
    const pid = await pidIn('pid');
    await killHard(supervisorPid(dir));
    const path = join(dir, 'units', 'web.service.json');
    const stored = JSON.parse(readFileSync(path, 'utf8'));
    Object.assign(stored.entry, { main: null, leaders: [], active: 'activating', sub: 'start' });
    writeFileSync(path, JSON.stringify(stored));
    await untilUnit('web.service', 'is adopted', ({ active }) => active === 'active');
    expect(alive(pid)).toBe(true);
    expect(linesOf('pid')).toHaveLength(1);
  });
});

test('nonsense on the socket ends that connection and nothing else', async () => {
  await load('web.service', 'ExecStart=/bin/sleep 1000');
  const pid = supervisorPid(dir);
  const socket = connect(join(dir, 'supervisor.sock'), () => socket.write('nonsense\n'));
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
  expect(await find('web.service')).toMatchObject({ active: 'inactive' });
  expect(supervisorPid(dir)).toBe(pid);
});

test('two managers of one folder share one supervisor', async () => {
  const other = await openSupervisor(ground, dir);
  await load('web.service', 'ExecStart=/bin/sleep 1000');
  expect(await other.list()).toMatchObject([{ name: 'web.service' }]);
  await other.close();
});

test('a supervisor of another version makes room, and the next adopts its units', async () => {
  await manager.list();
  await manager.close();
  await killHard(supervisorPid(dir));
  let retired = false;
  const old = createServer((socket) => {
    socket.write(`${JSON.stringify({ type: 'hello', protocol: 0, pid: 1 })}\n`);
    socket.on('data', (data) => {
      retired = data.toString().includes('"retire"');
      old.close();
      socket.destroy();
    });
  });
  execFileSync('rm', ['-f', join(dir, 'supervisor.sock')]);
  await new Promise<void>((resolve) => old.listen(join(dir, 'supervisor.sock'), resolve));
  manager = await openSupervisor(ground, dir);
  expect(await manager.list()).toEqual([]);
  expect(retired).toBe(true);
});

describe('stopping', () => {
  test('ExecStop= and ExecStopPost= run to their end and know what they are about', async () => {
    await load(
      'web.service',
      `ExecStart=${sh(`echo $$$$ >${file('pid')}; exec sleep 1000`)}\n` +
        `ExecStop=${sh(`sleep 0.2; echo stop $MAINPID >>${file('order')}`)}\n` +
        `ExecStopPost=${sh(`sleep 0.2; echo post $SERVICE_RESULT >>${file('order')}`)}`,
    );
    await start('web.service');
    const pid = await pidIn('pid');
    await manager.stop('web.service');
    expect(linesOf('order')).toEqual([`stop ${pid}`, 'post success']);
    expect(alive(pid)).toBe(false);
  });

  test('ExecStopPost= runs after a failed start, ExecStop= does not', async () => {
    await load(
      'web.service',
      `ExecStartPre=/bin/false\nExecStart=/bin/sleep 1000\nExecStop=${sh(`echo stop >>${file('order')}`)}\n` +
        `ExecStopPost=${sh(`echo post $SERVICE_RESULT $EXIT_STATUS >>${file('order')}`)}`,
    );
    await expect(start('web.service')).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('ExecStartPre='),
    });
    expect(linesOf('order')).toEqual(['post exit-code 1']);
    expect(await find('web.service')).toMatchObject({ active: 'failed', launched: true });
  });

  test('what ignores SIGTERM is killed after TimeoutStopSec=, with all it started', async () => {
    await load(
      'web.service',
      `TimeoutStopSec=200ms\nExecStart=${sh(`trap "" TERM; setsid sleep 1000 & echo $! >${file('child')}; echo $$$$ >${file('pid')}; while :; do sleep 1; done`)}`,
    );
    await start('web.service');
    const pids = [await pidIn('pid'), await pidIn('child')];
    await manager.stop('web.service');
    expect(pids.filter(alive)).toEqual([]);
    expect(await find('web.service')).toMatchObject({ active: 'failed', exit: 'SIGKILL', launched: false });
    expect((await find('web.service')).reason).toContain('did not stop within 200 ms');
  });

  test('what is left when the main process ends is stopped too', async () => {
    await load('web.service', `ExecStart=${sh(`sleep 1000 & echo $! >${file('child')}; exit 3`)}`);
    await start('web.service').catch(() => undefined);
    const child = await pidIn('child');
    await untilUnit('web.service', 'has failed', ({ active, exit }) => active === 'failed' && exit === '3');
    expect(alive(child)).toBe(false);
  });

  test('a zombie counts as gone', async () => {
    // The child ends and is never reaped: its parent has become sleep.
    await load(
      'web.service',
      `ExecStart=${sh(`(exec sleep 0.1) & echo $! >${file('child')}; exec sleep 1000`)}`,
    );
    await start('web.service');
    const child = await pidIn('child');
    await until('it is a zombie', () => readFileSync(`/proc/${child}/stat`, 'utf8').includes(') Z '));
    await manager.stop('web.service');
    expect(await find('web.service')).toMatchObject({ active: 'inactive', exit: 'SIGTERM' });
  });

  test('a program that overwrote its environment is stopped by its session', async () => {
    await load('web.service', `ExecStart=${sh(`env -i sleep 1000 & echo $! >${file('child')}; wait`)}`);
    await start('web.service');
    const child = await pidIn('child');
    await manager.stop('web.service');
    expect(alive(child)).toBe(false);
  });

  test('a unit that is just starting can be stopped', async () => {
    await load(
      'web.service',
      `ExecStartPre=${sh(`echo $$$$ >${file('pid')}; exec sleep 1000`)}\nExecStart=/bin/true`,
    );
    const started = start('web.service').catch((error) => error);
    const pid = await pidIn('pid');
    await manager.stop('web.service');
    expect(await started).toMatchObject({ code: 'failed' });
    expect(alive(pid)).toBe(false);
    expect(await find('web.service')).toMatchObject({ active: 'inactive' });
  });
});

describe('starting', () => {
  test('a start that takes longer than TimeoutStartSec= fails', async () => {
    await load(
      'web.service',
      `TimeoutStartSec=100ms\nExecStartPre=${sh(`echo $$$$ >${file('pid')}; exec sleep 1000`)}\nExecStart=/bin/true`,
    );
    await expect(start('web.service')).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('within 100 ms'),
    });
    expect(alive(await pidIn('pid'))).toBe(false);
  });

  test('a program that is not there fails the start with 203', async () => {
    await load('web.service', 'Type=exec\nExecStart=/no/such/program');
    await expect(start('web.service')).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('/no/such/program'),
    });
    expect(await find('web.service')).toMatchObject({ active: 'failed', exit: '203' });
  });

  test('prefixes: - forgives, @ names, : leaves variables alone', async () => {
    await load(
      'job.service',
      'Type=oneshot\nEnvironment=WHO=world\nExecStartPre=-/bin/false\nExecStart=-/bin/false\n' +
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the unit's
        'ExecStart=@/bin/sh other -c "echo $0 $$0 ${WHO}"\nExecStart=:/bin/echo ${WHO}',
    );
    await start('job.service');
    expect(await log('job.service')).toEqual([
      'other other world',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the unit's
      '${WHO}',
    ]);
  });

  test("the environment is that of the unit, in systemd's order, and nothing else", async () => {
    writeFileSync(file('env'), '# comment\nFILE=from file\nOVER="from file"\n');
    process.env.SECRET_OF_CONVOYD = 'x';
    await load(
      'job.service',
      `Type=oneshot\nEnvironment=OVER=unit GIVEN=unit "SPACED=a b"\nEnvironmentFile=${file('env')}\nEnvironmentFile=-${file('none')}\nExecStart=/usr/bin/env`,
    );
    await start('job.service', { GIVEN: 'start', CONVOY_UNIT: 'job.service' });
    delete process.env.SECRET_OF_CONVOYD;
    const names = Object.fromEntries((await log('job.service')).map((line) => line.split(/=(.*)/s)));
    expect(names).toMatchObject({
      OVER: 'from file',
      FILE: 'from file',
      GIVEN: 'unit',
      SPACED: 'a b',
      CONVOY_UNIT: 'job.service',
    });
    expect(names.INVOCATION_ID).toMatch(/^[0-9a-f]{32}$/);
    expect(Object.keys(names).filter((name) => /SECRET|HOME|NODE/.test(name))).toEqual([]);
  });

  test('a missing EnvironmentFile= fails the start and names the file', async () => {
    await load('job.service', `Type=oneshot\nEnvironmentFile=${file('none')}\nExecStart=/bin/true`);
    await expect(start('job.service')).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining(file('none')),
    });
  });

  test('credentials are there for the unit alone, and gone with it', async () => {
    writeFileSync(file('secret'), 'hush');
    await load(
      'web.service',
      `LoadCredential=key:${file('secret')}\nExecStart=${sh(`cat $CREDENTIALS_DIRECTORY/key; echo; echo $CREDENTIALS_DIRECTORY; exec sleep 1000`)}`,
    );
    await start('web.service');
    const [text, path] = await until('the output', async () => {
      const lines = await log('web.service');
      return lines.length === 2 ? lines : undefined;
    });
    expect(text).toBe('hush');
    expect(statSync(path as string).mode & 0o777).toBe(0o700);
    expect(statSync(join(path as string, 'key')).mode & 0o777).toBe(0o400);
    await manager.stop('web.service');
    expect(existsSync(path as string)).toBe(false);
  });

  test('a missing credential fails the start with 243', async () => {
    await load('web.service', `LoadCredential=key:${file('none')}\nExecStart=/bin/sleep 1000`);
    await expect(start('web.service')).rejects.toMatchObject({
      message: expect.stringContaining('LoadCredential=key'),
    });
    expect(await find('web.service')).toMatchObject({ active: 'failed', exit: '243' });
  });

  test('WorkingDirectory=, StandardOutput= and StandardError= are obeyed', async () => {
    writeFileSync(file('append'), 'old\n');
    await load(
      'job.service',
      `Type=oneshot\nWorkingDirectory=${dir}\nStandardOutput=append:${file('append')}\nStandardError=journal\nExecStart=${sh('pwd; echo error >&2')}`,
    );
    await start('job.service');
    expect(linesOf('append')).toEqual(['old', dir]);
    expect(await log('job.service')).toEqual(['error']);
    await load('null.service', 'Type=oneshot\nStandardOutput=null\nExecStart=/bin/echo nothing');
    await start('null.service');
    expect(await log('null.service')).toEqual([]);
  });

  test('a working directory that is not there fails the start; with - it does not matter', async () => {
    await load('job.service', `Type=oneshot\nWorkingDirectory=${file('none')}\nExecStart=/bin/pwd`);
    await expect(start('job.service')).rejects.toMatchObject({
      message: expect.stringContaining('WorkingDirectory='),
    });
    await load('root.service', `Type=oneshot\nWorkingDirectory=-${file('none')}\nExecStart=/bin/pwd`);
    await start('root.service');
    expect(await log('root.service')).toEqual(['/']);
  });

  test("specifiers are below the supervisor's root", async () => {
    await load('job@a-b.service', 'Type=oneshot\nExecStart=/bin/echo %n %p %i %I %t %E %% ');
    await start('job@a-b.service');
    expect(await log('job@a-b.service')).toEqual([
      `job@a-b.service job a-b a/b ${dir}/root/run ${dir}/root/etc %`,
    ]);
  });

  test('a log that has grown is put aside at the next start', async () => {
    await load('job.service', 'Type=oneshot\nExecStart=/bin/echo new');
    await start('job.service');
    const path = join(dir, 'log', 'job.service.log');
    appendFileSync(path, `${'x'.repeat(1023)}\n`.repeat(9 * 1024));
    await start('job.service');
    expect(readFileSync(path, 'utf8')).toBe('new\n');
    expect((await log('job.service')).at(-2)).toBe('x'.repeat(1023));
    expect(existsSync(`${path}.1`)).toBe(true);
  });
});

describe('restarts', () => {
  test('a unit that is killed comes back as Restart= says', async () => {
    await load(
      'web.service',
      `Restart=on-abnormal\nRestartSec=10ms\nExecStart=${sh(`echo $$$$ >>${file('pid')}; exec sleep 1000`)}`,
    );
    await start('web.service');
    const pid = await pidIn('pid');
    process.kill(pid, 'SIGKILL');
    await untilUnit(
      'web.service',
      'is back',
      ({ active, autoRestarts }) => active === 'active' && autoRestarts === 1,
    );
    expect(await pidIn('pid')).not.toBe(pid);
  });

  test('a stop while it waits for its restart is the end', async () => {
    await load('web.service', 'Restart=always\nRestartSec=1h\nExecStart=/bin/false');
    await start('web.service').catch(() => undefined);
    await untilUnit('web.service', 'waits', ({ sub }) => sub === 'auto-restart');
    await manager.stop('web.service');
    expect(await find('web.service')).toMatchObject({ active: 'inactive', sub: 'dead', exit: '1' });
  });
});
