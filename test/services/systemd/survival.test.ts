import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { UnitManager } from '../../../agent/unit-manager.js';
import { systemClock } from '../../../runtime/clock.js';
import { openSystemdHost, type SystemdHost, unitFrom } from '../../support/systemd-host.js';
import { until } from '../../support/until.js';

let host: SystemdHost;
let runDir: string;
let manager: UnitManager;
beforeAll(async () => {
  host = await openSystemdHost();
});
afterAll(() => host?.close());
beforeEach(async () => {
  runDir = host.runDir();
  manager = await host.manager(runDir, systemClock());
});
afterEach(async () => {
  for (const { name } of await manager.list()) await manager.unload(name);
  await manager.close();
});

const SLEEP = '[Service]\nExecStart=/bin/sleep 100000\n';
const mainPid = async (name: string) => (await host.ask('systemctl', 'show', '-P', 'MainPID', name)).trim();
const start = (name: string) => manager.start(name, { environment: { A: 'b' }, restarts: 3 });

test('what runs is adopted, and not touched', async () => {
  await manager.load(unitFrom('web.service', SLEEP));
  await start('web.service');
  const before = await manager.list();
  const pid = await mainPid('web.service');
  await manager.close();
  manager = await host.manager(runDir, systemClock());
  expect(await manager.list()).toEqual(before);
  expect(before).toMatchObject([{ launched: true, restarts: 3, environment: { A: 'b' }, active: 'active' }]);
  await start('web.service');
  expect(await mainPid('web.service')).toBe(pid);
});

test('what somebody took away behind its back is loaded again by the agent', async () => {
  await manager.load(unitFrom('web.service', SLEEP));
  await manager.close();
  await host.ask('systemctl', 'disable', '--runtime', 'web.service');
  await host.ask('systemctl', 'daemon-reload');
  manager = await host.manager(runDir, systemClock());
  expect(await manager.list()).toEqual([]);
  await manager.load(unitFrom('web.service', SLEEP));
  await start('web.service');
});

test('a lost bus is said, is found again, and what happened meanwhile is seen', async () => {
  await manager.load(unitFrom('web.service', SLEEP));
  await manager.load(unitFrom('brief.service', '[Service]\nExecStart=/bin/sleep 2\n'));
  await start('web.service');
  await start('brief.service');
  const pid = await mainPid('web.service');
  const done = new AbortController();
  let changes = 0;
  const listening = (async () => {
    for await (const _change of manager.changes(done.signal)) changes++;
  })();

  await host.ask('systemctl', 'stop', 'dbus.socket', 'dbus.service');
  const away = await until('calls are rejected', () =>
    manager.list().then(
      () => null,
      (error) => error,
    ),
  );
  expect(away).toMatchObject({ kind: 'transient', code: 'unreachable' });
  for (const call of [
    () => manager.load(unitFrom('new.service', SLEEP)),
    () => manager.start('web.service', { environment: {}, restarts: 4 }),
    () => manager.stop('web.service'),
    () => manager.unload('web.service'),
  ])
    await expect(call()).rejects.toMatchObject({ kind: 'transient', code: 'unreachable' });
  await until(
    'the brief one has ended',
    async () => (await host.exec('pgrep', '-f', '^/bin/sleep 2$')).code !== 0,
  );

  const before = changes;
  await host.ask('systemctl', 'start', 'dbus.socket');
  await host.exec('systemctl', 'start', 'dbus.service');
  await until('it is back', () => manager.list().catch(() => null), 30_000);
  await until('the return is announced', () => changes > before);
  const units = new Map((await manager.list()).map((unit) => [unit.name, unit]));
  expect(units.get('web.service')).toMatchObject({ active: 'active', launched: true, restarts: 3 });
  expect(units.get('brief.service')).toMatchObject({ active: 'inactive', launched: true });
  expect(await mainPid('web.service')).toBe(pid);
  // It hears of changes again.
  const heard = changes;
  await host.ask('systemctl', 'kill', '--signal=KILL', 'web.service');
  await until('the end of a unit is announced', () => changes > heard);
  await until('it is seen', async () =>
    (await manager.list()).some(({ name, exit }) => name === 'web.service' && exit === 'SIGKILL'),
  );
  done.abort();
  await listening;
});

test('a dbus-daemon that is killed is found again by what systemd starts in its place', async () => {
  await manager.load(unitFrom('web.service', SLEEP));
  await start('web.service');
  const pid = await mainPid('web.service');
  const daemon = await mainPid('dbus.service');
  await host.ask('systemctl', 'kill', '--signal=KILL', 'dbus.service');
  await until('there is another', async () => !['0', daemon].includes(await mainPid('dbus.service')), 30_000);
  const unit = await until('it is asked again', () => manager.list().catch(() => null), 30_000);
  expect(unit).toMatchObject([{ active: 'active', launched: true, restarts: 3 }]);
  expect(await mainPid('web.service')).toBe(pid);
  await manager.stop('web.service');
  expect(await manager.list()).toMatchObject([{ active: 'inactive', exit: 'SIGTERM' }]);
});

test('systemd that was executed anew knows us again', async () => {
  await manager.load(unitFrom('web.service', SLEEP));
  await start('web.service');
  await host.exec('systemctl', 'daemon-reexec');
  const state = () =>
    manager.list().then(
      ([unit]) => unit?.active,
      () => undefined,
    );
  for (const [verb, active] of [
    ['stop', 'inactive'],
    ['start', 'active'],
  ] as const) {
    await until(`systemd can ${verb}`, async () => (await host.exec('systemctl', verb, 'web')).code === 0);
    await until(`it is seen to be ${active}`, async () => (await state()) === active, 30_000);
  }
});
