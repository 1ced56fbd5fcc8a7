import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { findAccount } from '../../../agent/supervisor/account.js';
import { alive, killHard, supervisorPid } from '../../support/supervisor.js';
import { until } from '../../support/until.js';
import { sh, useSupervisor } from './supervisor-kit.js';

const kit = useSupervisor('supervisor-options');

async function log(unit: string): Promise<string[]> {
  const got: string[] = [];
  const options = { lines: 50, follow: false, output: 'cat' as const, since: null };
  for await (const line of kit.manager.log(unit, options, new AbortController().signal)) got.push(line);
  return got;
}

test('where no perl is, what needs messages of units is refused', async () => {
  const { PATH } = process.env;
  await kit.manager.list();
  await kit.manager.close();
  await killHard(supervisorPid(kit.dir));
  process.env.PATH = kit.file('empty');
  try {
    await kit.reopen();
    const refusal = { kind: 'permanent', code: 'refused', message: expect.stringContaining('needs perl') };
    await expect(kit.load('web.service', 'Type=notify\nExecStart=/bin/true')).rejects.toMatchObject(refusal);
    await expect(kit.load('web.service', 'NotifyAccess=all\nExecStart=/x')).rejects.toMatchObject(refusal);
    await kit.load('web.service', 'ExecStart=/bin/true');
  } finally {
    process.env.PATH = PATH;
  }
});

test('who is not root runs units as itself, and as nobody else', () => {
  const [uid, gid] = [vi.spyOn(process, 'geteuid'), vi.spyOn(process, 'getegid')];
  try {
    uid.mockReturnValue(1);
    gid.mockReturnValue(1);
    const none = { user: null, group: null, supplementaryGroups: [] };
    expect(findAccount(none)).toBeNull();
    expect(findAccount({ ...none, user: 'daemon' })).toMatchObject({
      differs: false,
      user: { name: 'daemon' },
    });
    for (const other of [{ user: 'nobody' }, { group: 'adm' }, { supplementaryGroups: ['adm'] }])
      expect(() => findAccount({ ...none, ...other })).toThrow('does not run as root');
  } finally {
    uid.mockRestore();
    gid.mockRestore();
  }
});

describe('other users', () => {
  // The grounds of tests are their owner's alone.
  beforeEach(() => chmodSync(dirname(kit.dir), 0o711));

  test.each([
    ['User=no-such-user', 'there is no such user'],
    ['Group=no-such-group', 'there is no such group'],
    ['SupplementaryGroups=daemon no-such-group', 'SupplementaryGroups=no-such-group'],
  ])('%s is refused', async (line, what) => {
    const refusal = { kind: 'permanent', code: 'refused', message: expect.stringContaining(what) };
    await expect(kit.load('web.service', `${line}\nExecStart=/bin/true`)).rejects.toMatchObject(refusal);
    expect(await kit.manager.list()).toEqual([]);
  });

  test('a group alone changes the group, and leaves no other', async () => {
    await kit.load(
      'job.service',
      'Type=oneshot\nGroup=daemon\nExecStart=/usr/bin/id -un\nExecStart=/usr/bin/id -Gn',
    );
    await kit.start('job.service');
    expect(await log('job.service')).toEqual(['root', 'daemon']);
  });

  test('the groups of a user are those that list it', async () => {
    await kit.load('job.service', 'Type=oneshot\nUser=daemon\nExecStart=/usr/bin/id -Gn');
    await kit.start('job.service');
    expect(await log('job.service')).toEqual(['daemon']);
  });

  test('credentials are theirs alone', async () => {
    writeFileSync(kit.file('secret'), 'hush');
    await kit.load(
      'job.service',
      `Type=oneshot\nUser=nobody\nLoadCredential=key:${kit.file('secret')}\nExecStart=${sh('cat $CREDENTIALS_DIRECTORY/key; echo; stat -c "%%U %%a" $CREDENTIALS_DIRECTORY $CREDENTIALS_DIRECTORY/key')}`,
    );
    await kit.start('job.service');
    expect(await log('job.service')).toEqual(['hush', 'nobody 700', 'nobody 400']);
  });

  test('WorkingDirectory=~ is their home', async () => {
    await kit.load('job.service', 'Type=oneshot\nUser=daemon\nWorkingDirectory=~\nExecStart=/bin/pwd');
    await kit.start('job.service');
    expect(await log('job.service')).toEqual(['/usr/sbin']);
  });

  test('they can say that they are ready', async () => {
    const script =
      'socket(S, AF_UNIX, SOCK_DGRAM, 0); send(S, "READY=1", 0, pack_sockaddr_un($$ENV{NOTIFY_SOCKET})) or die $$!; sleep 1000';
    await kit.load(
      'web.service',
      `Type=notify\nUser=nobody\nExecStart=/usr/bin/perl -MSocket -e '${script}'`,
    );
    await kit.start('web.service');
    expect(await kit.find('web.service')).toMatchObject({ active: 'active' });
  });

  test('a program that is not there fails the start with 203, as for ourselves', async () => {
    await kit.load('web.service', 'User=nobody\nExecStart=/no/such/program');
    await expect(kit.start('web.service')).rejects.toMatchObject({ code: 'failed' });
    expect(await kit.find('web.service')).toMatchObject({ active: 'failed', exit: '203' });
  });
});

describe('main processes of Type=forking', () => {
  test('one that a supervisor before had found is kept, and its end is seen', async () => {
    await kit.load(
      'web.service',
      `Type=forking\nPIDFile=${kit.file('pid')}\nExecStart=${sh(`setsid sleep 1000 & echo $! >${kit.file('pid')}`)}`,
    );
    await kit.start('web.service');
    const pid = await kit.pidIn('pid');
    await killHard(supervisorPid(kit.dir));
    expect(await kit.find('web.service')).toMatchObject({ active: 'active', sub: 'running' });
    expect(alive(pid)).toBe(true);
    await killHard(pid);
    await kit.untilUnit(
      'web.service',
      'has failed',
      ({ active, exit }) => active === 'failed' && exit === 'unknown',
    );
  });

  test('one of several that nobody can tell apart is up until all have ended', async () => {
    await kit.load(
      'web.service',
      `Type=forking\nExecStart=${sh(`sleep 1000 & echo $! >${kit.file('one')}; sleep 1000 & echo $! >${kit.file('two')}`)}`,
    );
    await kit.start('web.service');
    const pids = [await kit.pidIn('one'), await kit.pidIn('two')];
    await killHard(pids[0] as number);
    await killHard(supervisorPid(kit.dir));
    expect(await kit.find('web.service')).toMatchObject({ active: 'active', sub: 'running' });
    await killHard(pids[1] as number);
    await kit.untilUnit(
      'web.service',
      'is down',
      ({ active }) => active === 'inactive' || active === 'failed',
    );
  });

  test('a PID file of another user that names a process of nobody of the unit is not believed', async () => {
    chmodSync(dirname(kit.dir), 0o711);
    chmodSync(kit.dir, 0o711);
    mkdirSync(kit.file('open'), { mode: 0o777 });
    chmodSync(kit.file('open'), 0o777);
    const stranger = spawn('/bin/sleep', ['1000'], { stdio: 'ignore', detached: true });
    const path = join(kit.file('open'), 'pid');
    await kit.load(
      'web.service',
      `Type=forking\nUser=nobody\nTimeoutStartSec=500ms\nPIDFile=${path}\nExecStart=${sh(`echo ${stranger.pid} >${path}`)}`,
    );
    await expect(kit.start('web.service')).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('not of this unit'),
    });
    expect(alive(stranger.pid as number)).toBe(true);
    stranger.kill('SIGKILL');
  });

  test('one that forked away from its session and its environment is stopped', async () => {
    writeFileSync(kit.file('daemon'), `echo $$ >${kit.file('pid')}\nsleep 1000 & sleep 1000\n`);
    await kit.load(
      'web.service',
      `Type=forking\nPIDFile=${kit.file('pid')}\nExecStart=${sh(`env -i setsid sh ${kit.file('daemon')} &`)}`,
    );
    await kit.start('web.service');
    const pid = await kit.pidIn('pid');
    const children = await until('it has children', () => {
      const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ');
      return pids.length === 2 ? pids.map(Number) : undefined;
    });
    await kit.manager.stop('web.service');
    expect([pid, ...children].filter(alive)).toEqual([]);
  });
});

describe('stops as KillMode= has them', () => {
  test('process: the command of a start under way is ended too', async () => {
    await kit.load(
      'web.service',
      `KillMode=process\nExecStartPre=${sh(`echo $$$$ >${kit.file('pre')}; exec sleep 1000`)}\nExecStart=/bin/true`,
    );
    const started = kit.start('web.service').catch((error) => error.code);
    const pid = await kit.pidIn('pre');
    await kit.manager.stop('web.service');
    expect(await started).toBe('failed');
    expect(alive(pid)).toBe(false);
  });

  test('none: nothing but ExecStop= is done', async () => {
    await kit.load(
      'web.service',
      `KillMode=none\nExecStart=${sh(`echo $$$$ >${kit.file('pid')}; exec sleep 1000`)}\nExecStop=${sh(`echo >${kit.file('stop')}`)}`,
    );
    await kit.start('web.service');
    const pid = await kit.pidIn('pid');
    await kit.manager.stop('web.service');
    expect(await kit.find('web.service')).toMatchObject({ active: 'inactive', exit: null });
    expect(kit.linesOf('stop')).toHaveLength(1);
    expect(alive(pid)).toBe(true);
    await killHard(pid);
  });

  test('FinalKillSignal= is what follows the time of a stop', async () => {
    await kit.load(
      'web.service',
      `TimeoutStopSec=200ms\nFinalKillSignal=SIGUSR1\nExecStart=${sh(`trap "" TERM; echo up >${kit.file('up')}; while :; do sleep 0.05; done`)}`,
    );
    await kit.start('web.service');
    await until('it is up', () => kit.linesOf('up').length === 1);
    await kit.manager.stop('web.service');
    expect(await kit.find('web.service')).toMatchObject({ active: 'failed', exit: 'SIGUSR1' });
  });
});

describe('reloads', () => {
  test('one that takes too long fails, and the unit goes on', async () => {
    await kit.load(
      'web.service',
      'TimeoutStartSec=300ms\nExecStart=/bin/sleep 1000\nExecReload=/bin/sleep 1000',
    );
    await kit.start('web.service');
    await expect(kit.manager.reload('web.service')).rejects.toMatchObject({
      code: 'failed',
      message: expect.stringContaining('within 300 ms'),
    });
    expect(await kit.find('web.service')).toMatchObject({ active: 'active', sub: 'running' });
  });

  test('a stop ends one that is under way', async () => {
    await kit.load('web.service', 'ExecStart=/bin/sleep 1000\nExecReload=/bin/sleep 1000');
    await kit.start('web.service');
    const reloading = kit.manager.reload('web.service').catch((error) => error.code);
    await kit.untilUnit('web.service', 'is reloading', ({ sub }) => sub === 'reload');
    await kit.manager.stop('web.service');
    expect(await reloading).toBe('failed');
    expect(await kit.find('web.service')).toMatchObject({ active: 'inactive' });
  });

  test('one that a supervisor did not bring to its end leaves the unit up', async () => {
    await kit.load('web.service', 'ExecStart=/bin/sleep 1000\nExecReload=/bin/sleep 1000');
    await kit.start('web.service');
    const reloading = kit.manager.reload('web.service').catch((error) => error.code);
    await kit.untilUnit('web.service', 'is reloading', ({ sub }) => sub === 'reload');
    await killHard(supervisorPid(kit.dir));
    expect(await reloading).toBe('unreachable');
    expect(await kit.find('web.service')).toMatchObject({
      active: 'active',
      sub: 'running',
      autoRestarts: 0,
    });
  });
});

test('units of a supervisor that knew less are adopted, and brought back', async () => {
  await kit.load(
    'web.service',
    `Restart=always\nRestartSec=1ms\nExecStart=${sh(`echo $$$$ >>${kit.file('pid')}; exec sleep 1000`)}`,
  );
  await kit.start('web.service');
  const pid = await kit.pidIn('pid');
  const before = await kit.find('web.service');
  await killHard(supervisorPid(kit.dir));
  const path = join(kit.dir, 'units', 'web.service.json');
  const stored = JSON.parse(readFileSync(path, 'utf8'));
  for (const added of ['leaseBound', 'startWindow', 'logFrom']) delete stored.entry[added];
  writeFileSync(path, JSON.stringify(stored));
  expect(await kit.find('web.service')).toEqual(before);
  await killHard(pid);
  await kit.untilUnit(
    'web.service',
    'is back',
    ({ active, autoRestarts }) => active === 'active' && autoRestarts === 1,
  );
});

test('a reason has the lines of the last run only', async () => {
  await kit.load(
    'job.service',
    `Type=oneshot\nExecStart=${sh(`[ -e ${kit.file('again')} ] || echo once; exit 1`)}`,
  );
  await kit.start('job.service').catch(() => undefined);
  expect((await kit.find('job.service')).reason.split('\n')).toHaveLength(2);
  writeFileSync(kit.file('again'), '');
  await kit.start('job.service').catch(() => undefined);
  expect((await kit.find('job.service')).reason.split('\n')).toHaveLength(1);
});
