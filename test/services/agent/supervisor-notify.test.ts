import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { freeze } from '../../support/freeze.js';
import { alive, killHard, supervisorPid } from '../../support/supervisor.js';
import { until } from '../../support/until.js';
import { sh, useSupervisor } from './supervisor-kit.js';

const kit = useSupervisor('supervisor-notify');

/** A program that says each line that is appended to a file, as long as it runs. */
function speaker(path: string): string {
  const script =
    'socket(S, AF_UNIX, SOCK_DGRAM, 0); $$SIG{TERM} = "DEFAULT"; open(F, "<", $$ARGV[0]) or die; ' +
    'while (1) { while (my $$l = readline F) { chomp $$l; ' +
    'send(S, $$l, 0, pack_sockaddr_un($$ENV{NOTIFY_SOCKET})) or print "unheard\\n" } ' +
    'select(undef, undef, undef, 0.02); seek(F, 0, 1) }';
  return `/usr/bin/perl -MSocket -e '$$|=1; ${script}' ${path}`;
}
const say = (text: string): void => writeFileSync(kit.file('say'), `${text}\n`, { flag: 'a' });

async function startReady(extra = ''): Promise<number> {
  say('READY=1');
  await kit.load(
    'web.service',
    `Type=notify\n${extra}ExecStart=${speaker(kit.file('say'))}\nExecReload=${sh(`echo $MAINPID >>${kit.file('main')}`)}`,
  );
  await kit.start('web.service');
  return mainPid();
}
async function mainPid(): Promise<number> {
  const before = kit.linesOf('main').length;
  await kit.manager.reload('web.service');
  await until('ExecReload= has said the pid', () => kit.linesOf('main').length > before);
  return kit.pidIn('main');
}
function helperPid(): number {
  const helper = readdirSync('/proc').find((entry) => {
    try {
      const args = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      return (
        args.some((arg) => arg.endsWith('notify.pl')) && args.includes(`${kit.dir}/n`) && alive(Number(entry))
      );
    } catch {
      return false;
    }
  });
  return Number(helper);
}

test('a unit that was ready stays up, and is heard by the supervisor that takes over', async () => {
  const pid = await startReady();
  await killHard(supervisorPid(kit.dir));
  expect(await kit.find('web.service')).toMatchObject({ active: 'active', sub: 'running', autoRestarts: 0 });
  expect(await mainPid()).toBe(pid);
  await until('it is heard', async () => {
    say('RELOADING=1');
    return (await kit.find('web.service')).sub === 'reload';
  });
});

test('a unit that was not ready yet is started again from its first command', async () => {
  await kit.load(
    'web.service',
    `Type=notify\nExecStartPre=${sh(`echo >>${kit.file('pre')}; touch ${kit.file('say')}`)}\nExecStart=${speaker(kit.file('say'))}`,
  );
  const started = kit.start('web.service').catch((error) => error.code);
  await kit.untilUnit('web.service', 'is starting', ({ sub }) => sub === 'start');
  await killHard(supervisorPid(kit.dir));
  expect(await started).toBe('unreachable');
  say('READY=1');
  await kit.untilUnit('web.service', 'is up', ({ active }) => active === 'active');
  expect(kit.linesOf('pre')).toHaveLength(2);
});

test('a helper that is killed is started again; units are heard again and do not notice', async () => {
  const pid = await startReady();
  const helper = helperPid();
  await killHard(helper);
  await until('another helper runs', () => helperPid() > 0 && helperPid() !== helper);
  await until('the unit is heard', async () => {
    say('RELOADING=1');
    return (await kit.find('web.service')).sub === 'reload';
  });
  say('READY=1');
  await kit.untilUnit('web.service', 'has reloaded', ({ sub }) => sub === 'running');
  expect(await mainPid()).toBe(pid);
});

test('the helper ends with its supervisor', async () => {
  await startReady();
  const helper = helperPid();
  await killHard(supervisorPid(kit.dir));
  await until('the helper has ended', () => !alive(helper));
});

test('MAINPID= names another main process, which must be one of the unit', async () => {
  const first = await startReady(`ExecStartPost=${sh(`sleep 1000 & echo $! >${kit.file('second')}`)}\n`);
  const stranger = spawn('/bin/sleep', ['1000'], { stdio: 'ignore', detached: true });
  say(`MAINPID=${stranger.pid}`);
  say('RELOADING=1');
  await kit.untilUnit('web.service', 'heard both', ({ sub }) => sub === 'reload');
  expect(await mainPid()).toBe(first);
  stranger.kill('SIGKILL');
  const second = await kit.pidIn('second');
  say(`MAINPID=${second}`);
  await until('the other is the main process', async () => (await mainPid()) === second);
  await killHard(first);
  expect(await mainPid()).toBe(second);
  await killHard(second);
  await kit.untilUnit(
    'web.service',
    'has ended',
    ({ active, exit }) => active === 'failed' && exit === 'unknown',
  );
});

test('STOPPING=1 gives it the time of a stop to end', async () => {
  const pid = await startReady('TimeoutStopSec=1s\n');
  say('STOPPING=1');
  await kit.untilUnit('web.service', 'is going down', ({ active }) => active === 'deactivating');
  await kit.untilUnit(
    'web.service',
    'has failed',
    ({ active, reason }) => active === 'failed' && reason.includes('STOPPING=1'),
  );
  expect(alive(pid)).toBe(false);
});

test('what waits until its message was taken, as systemd-notify does, need not wait long', async () => {
  // A descriptor comes along with BARRIER=1; its closing by the receiver is the answer.
  const script =
    'pipe(R, W); socket(S, AF_UNIX, SOCK_DGRAM, 0); connect(S, pack_sockaddr_un($$ENV{NOTIFY_SOCKET})); ' +
    'send(S, "READY=1", 0); my $$b = "BARRIER=1"; my $$v = pack("P J", $$b, 9); ' +
    'my $$c = pack("J i i i x4", 20, 1, 1, fileno W); ' +
    'my $$h = pack("J J P J P J J", 0, 0, $$v, 1, $$c, 24, 0); ' +
    'syscall($$ARGV[0], fileno S, $$h, 0) == 9 or die "no barrier: $$!"; close W; ' +
    'vec(my $$bits = "", fileno R, 1) = 1; select($$bits, undef, undef, 20) or die "not taken"; print "taken\\n"; sleep 1000';
  const sendmsg = process.arch === 'x64' ? 46 : 211;
  await kit.load(
    'web.service',
    `Type=notify\nExecStart=/usr/bin/perl -MSocket -e '$$|=1; ${script}' ${sendmsg}`,
  );
  await kit.start('web.service');
  const log = async () => {
    const got: string[] = [];
    const options = { lines: 9, follow: false, output: 'cat' as const, since: null };
    for await (const line of kit.manager.log('web.service', options, new AbortController().signal))
      got.push(line);
    return got;
  };
  await until('it was taken', async () => (await log()).includes('taken'));
});

test('a helper that does not answer fails the start in time, and holds up no stop', async () => {
  await startReady();
  await freeze(helperPid());
  const lines = 'Type=notify\nExecStart=/bin/sleep 1000\n';
  await kit.load('late.service', `TimeoutStartSec=300ms\n${lines}`);
  await expect(kit.start('late.service')).rejects.toMatchObject({
    code: 'failed',
    message: expect.stringContaining('NOTIFY_SOCKET'),
  });
  await kit.load('stopped.service', lines);
  const started = kit.start('stopped.service').catch((error) => error.code);
  await kit.untilUnit('stopped.service', 'is starting', ({ sub }) => sub === 'start-pre');
  await kit.manager.stop('stopped.service');
  expect(await started).toBe('failed');
});
