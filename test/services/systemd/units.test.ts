import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ManagedUnit, UnitManager } from '../../../agent/unit-manager.js';
import { systemClock } from '../../../runtime/clock.js';
import { openSystemdHost, type SystemdHost, unitFrom } from '../../support/systemd-host.js';
import { until } from '../../support/until.js';

let host: SystemdHost;
let manager: UnitManager;
let runDir: string;
beforeAll(async () => {
  host = await openSystemdHost();
});
afterAll(() => host?.close());
beforeEach(async () => {
  runDir = host.runDir();
  manager = await host.manager(runDir, systemClock());
});
afterEach(async () => {
  await Promise.all((await manager.list()).map(({ name }) => manager.unload(name)));
  await manager.close();
});

const load = (name: string, text: string) => manager.load(unitFrom(name, text));
const start = (name: string) => manager.start(name, { environment: {}, restarts: 0 });
const find = async (name: string): Promise<ManagedUnit | undefined> =>
  (await manager.list()).find((unit) => unit.name === name);
const untilUnit = (name: string, what: string, holds: (unit: ManagedUnit) => boolean) =>
  until(`${name} ${what}`, async () => {
    const unit = await find(name);
    return unit !== undefined && holds(unit) ? unit : undefined;
  });
const service = (lines: string) => `[Service]\n${lines}\n`;
/** What a unit says with `echo TEXT >> FILE`, read back. */
const read = (file: string) => host.exec('cat', file).then(({ stdout }) => stdout);

describe('types other than service', () => {
  test('a socket starts its service when somebody connects', async () => {
    await Promise.all([
      load('greet.socket', '[Socket]\nListenStream=/run/greet.sock\nAccept=no\n'),
      load('greet.service', service('ExecStart=/bin/sleep 1000\nStandardInput=socket')),
    ]);
    await start('greet.socket');
    expect(await find('greet.socket')).toMatchObject({ active: 'active', sub: 'listening', launched: true });
    expect(await find('greet.service')).toMatchObject({ active: 'inactive', launched: false });
    await host.ask('perl', '-MIO::Socket::UNIX', '-e', 'IO::Socket::UNIX->new("/run/greet.sock") or die');
    await untilUnit('greet.service', 'runs', ({ active }) => active === 'active');
    await manager.stop('greet.service');
    await manager.stop('greet.socket');
    expect(await find('greet.socket')).toMatchObject({ active: 'inactive', launched: false });
  });

  test('a timer starts its service at its time', async () => {
    await Promise.all([
      load('tick.timer', '[Timer]\nOnActiveSec=100ms\nAccuracySec=1ms\n'),
      load('tick.service', service('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true')),
    ]);
    await start('tick.timer');
    await untilUnit('tick.service', 'has run', ({ sub }) => sub === 'exited');
    expect(await find('tick.timer')).toMatchObject({ active: 'active' });
  });

  test('a path starts its service when the file is there', async () => {
    await Promise.all([
      load('look.path', '[Path]\nPathExists=/run/look-here\n'),
      load('look.service', service('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true')),
    ]);
    await start('look.path');
    expect(await find('look.path')).toMatchObject({ active: 'active', sub: 'waiting' });
    await host.ask('touch', '/run/look-here');
    await untilUnit('look.service', 'has run', ({ sub }) => sub === 'exited');
  });

  test('a mount is mounted and unmounted', async () => {
    await load('run-over\\x2dthere.mount', '[Mount]\nWhat=tmpfs\nWhere=/run/over-there\nType=tmpfs\n');
    await start('run-over\\x2dthere.mount');
    expect(await find('run-over\\x2dthere.mount')).toMatchObject({ active: 'active', sub: 'mounted' });
    expect((await host.exec('mountpoint', '-q', '/run/over-there')).code).toBe(0);
    await manager.unload('run-over\\x2dthere.mount');
    expect((await host.exec('mountpoint', '-q', '/run/over-there')).code).not.toBe(0);
  });

  test('a mount that fails says why', async () => {
    await load('run-bad.mount', '[Mount]\nWhat=/dev/no-such-disk\nWhere=/run/bad\nType=ext4\nOptions=loop\n');
    const error = await start('run-bad.mount').catch((e) => e);
    expect(error).toMatchObject({ kind: 'permanent', code: 'failed' });
    expect(error.message).toContain('exited with code');
    expect(await find('run-bad.mount')).toMatchObject({ active: 'failed', launched: true });
  });

  test('a target starts what it wants; a slice holds what is in it', async () => {
    await Promise.all([
      load('all.target', '[Unit]\nWants=member.service\nAfter=member.service\n'),
      load('pen.slice', '[Slice]\nTasksMax=10\n'),
      load('member.service', service('Slice=pen.slice\nExecStart=/bin/sleep 1000')),
    ]);
    await start('all.target');
    expect(await find('all.target')).toMatchObject({ active: 'active', sub: 'active' });
    expect(await find('member.service')).toMatchObject({ active: 'active', launched: false });
    expect(await find('pen.slice')).toMatchObject({ active: 'active' });
    expect((await host.ask('systemctl', 'show', '-P', 'TasksMax', 'pen.slice')).trim()).toBe('10');
  });

  test('an automount and a swap run where the host can, and say why where it cannot', async () => {
    await load('run-auto.mount', '[Mount]\nWhat=tmpfs\nWhere=/run/auto\nType=tmpfs\n');
    await load('run-auto.automount', '[Automount]\nWhere=/run/auto\n');
    await load('run-swapfile.swap', '[Swap]\nWhat=/run/swapfile\n');
    for (const name of ['run-auto.automount', 'run-swapfile.swap']) {
      const error = await start(name).then(
        () => null,
        (e) => e,
      );
      const unit = await find(name);
      if (error === null) expect(unit).toMatchObject({ active: 'active', reason: '' });
      else {
        expect(error).toMatchObject({ kind: 'permanent', code: 'failed' });
        expect(unit?.reason).not.toBe('');
      }
    }
  });

  test.each(['sda.device', 'session.scope', 'copy@.service', 'convoy-lease.service'])(
    '%s is refused with the reason, and is not there',
    async (name) => {
      const error = await load(name, service('ExecStart=/bin/true')).catch((e) => e);
      expect(error).toMatchObject({ kind: 'permanent', code: 'refused' });
      expect(error.message).toMatch(/ cannot be loaded: \S/);
      expect(await manager.list()).toEqual([]);
    },
  );
});

test('a unit the machine has from elsewhere is refused and left alone', async () => {
  await host.ask(
    'sh',
    '-c',
    'printf "[Service]\\nExecStart=/bin/sleep 1000\\n" >/etc/systemd/system/theirs.service; systemctl daemon-reload; systemctl start theirs',
  );
  const [refused] = await Promise.allSettled([
    load('theirs.service', service('ExecStart=/bin/true')),
    load('ours.service', service('ExecStart=/bin/true')),
  ]);
  expect(refused).toMatchObject({ status: 'rejected', reason: { kind: 'permanent', code: 'refused' } });
  expect(String(refused.status === 'rejected' && refused.reason)).toContain(
    '/etc/systemd/system/theirs.service',
  );
  await manager.unload('theirs.service');
  expect(await manager.list()).toMatchObject([{ name: 'ours.service' }]);
  expect((await host.ask('systemctl', 'is-active', 'theirs')).trim()).toBe('active');
});

test('[Install] is honoured, and undone', async () => {
  await load('web.service', service('ExecStart=/bin/sleep 1000'));
  await load(
    'side.service',
    '[Unit]\nPartOf=web.service\n\n[Service]\nExecStart=/bin/sleep 1000\n\n[Install]\nWantedBy=web.service\n',
  );
  await manager.daemonReload();
  await start('web.service');
  await untilUnit('side.service', 'came along', ({ active }) => active === 'active');
  await manager.unload('side.service');
  await manager.stop('web.service');
  await start('web.service');
  expect(await host.ask('systemctl', 'show', '-P', 'Wants', 'web.service')).toBe('\n');
  expect(await host.ask('sh', '-c', 'ls /run/systemd/system')).not.toContain('side.service');
});

test('an [Install] that cannot be honoured is refused, and nothing is left', async () => {
  const error = await load(
    'web.service',
    '[Service]\nExecStart=/bin/true\n\n[Install]\nAlias=web.timer\n',
  ).catch((e) => e);
  expect(error).toMatchObject({ kind: 'permanent', code: 'refused' });
  expect(error.message).toContain('web.timer');
  expect(await manager.list()).toEqual([]);
  expect(await host.ask('sh', '-c', 'ls /run/systemd/system')).not.toContain('web.service');
});

test('a failed start says what failed, and with which lines', async () => {
  await load(
    'job.service',
    service(
      "Type=oneshot\nExecStartPre=/bin/sh -c 'echo checking; echo no disk >&2; exit 7'\nExecStart=/bin/true",
    ),
  );
  const error = await start('job.service').catch((e) => e);
  expect(error).toMatchObject({ kind: 'permanent', code: 'failed' });
  const reason = 'a control process exited with code 7 (exit-code)\nchecking\nno disk';
  expect(error.message).toContain(reason);
  expect(await find('job.service')).toMatchObject({ active: 'failed', exit: '7', reason });
});

test('a start whose requirement fails, or whose program is missing, says so', async () => {
  await load('bad.service', service('Type=oneshot\nExecStart=/bin/false'));
  await load(
    'needs.service',
    `[Unit]\nRequires=bad.service\nAfter=bad.service\n\n${service('ExecStart=/bin/true')}`,
  );
  await expect(start('needs.service')).rejects.toThrow('(dependency)');
  expect((await find('needs.service'))?.reason).toContain('(dependency)');
  await load('gone.service', service('Type=exec\nExecStart=/no/such/program'));
  await expect(start('gone.service')).rejects.toThrow(/code 203.*No such file/s);
});

test('ExecStop and ExecStopPost run to their end before the unit and its files go', async () => {
  const slowly = (text: string) =>
    `/bin/sh -c 'sleep 0.5; ls ${runDir}/units >>/run/order; echo ${text} >>/run/order'`;
  await load(
    'slow.service',
    service(`ExecStart=/bin/sleep 1000\nExecStop=${slowly('stop')}\nExecStopPost=${slowly('post')}`),
  );
  await start('slow.service');
  await manager.unload('slow.service');
  expect(await read('/run/order')).toBe('slow.service\nstop\nslow.service\npost\n');
  expect(await host.ask('ls', `${runDir}/units`)).toBe('');
});

test('the environment is laid under the unit’s own, by Environment= and EnvironmentFile=', async () => {
  mkdirSync(join(runDir, 'extra'));
  writeFileSync(join(runDir, 'extra/env'), 'FROM_FILE=file\n');
  await load(
    'job.service',
    service(
      `Type=oneshot\nEnvironment="OWN=own one" OTHER=x\nEnvironmentFile=${runDir}/extra/env\n` +
        "ExecStart=/bin/sh -c 'echo $$OWN,$$FROM_FILE,$$GIVEN'",
    ),
  );
  const given = 'a "quoted" $value\\ with `all`, 100%';
  await manager.start('job.service', {
    environment: { OWN: 'given', FROM_FILE: 'given', GIVEN: given },
    restarts: 0,
  });
  const lines = manager.log(
    'job.service',
    { lines: 1, follow: false, output: 'cat', since: null },
    new AbortController().signal,
  );
  for await (const line of lines) expect(line).toBe(`own one,file,${given}`);
});

test('a unit that ends while nobody manages it is seen to have ended', async () => {
  await load('short.service', service('ExecStart=/bin/sleep 1'));
  await load('job.service', service('Type=oneshot\nExecStart=/bin/true'));
  await start('job.service');
  await start('short.service');
  const done = await untilUnit('job.service', 'has ended', ({ exit }) => exit === '0');
  await manager.close();
  await until('it has ended', async () => (await host.exec('systemctl', 'is-active', 'short')).code !== 0);
  manager = await host.manager(runDir, systemClock());
  expect(await find('short.service')).toMatchObject({ active: 'inactive', launched: true, exit: 'unknown' });
  expect(await find('job.service')).toEqual(done);
});
