import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { freeze } from '../../support/freeze.js';
import { alive, killHard, supervisorPid } from '../../support/supervisor.js';
import { until } from '../../support/until.js';
import { sh, useSupervisor } from './supervisor-kit.js';

const kit = useSupervisor('supervisor-lease');
const over = { kind: 'transient', code: 'lease-over' };
const passed = (time: number) => until('that time has passed', () => kit.clock.steady() > time);

test('units end at the deadline though nobody asks, with all they started', async () => {
  await kit.loadBound(
    'bound.service',
    `ExecStart=${sh(`setsid sleep 1000 & echo $! >${kit.file('child')}; echo $$$$ >${kit.file('pid')}; wait`)}`,
  );
  const deadline = kit.clock.steady() + 1500;
  await kit.manager.holdLease(deadline);
  await kit.start('bound.service');
  const pids = [await kit.pidIn('pid'), await kit.pidIn('child')];
  await kit.manager.close();
  await until('its processes have ended', () => !pids.some(alive), 5000);
  expect(kit.clock.steady()).toBeGreaterThan(deadline - 50);
  await kit.reopen();
});

test('Restart= does not bring back what the lease has ended, and the reason is the lease', async () => {
  await kit.loadBound('bound.service', 'Restart=always\nRestartSec=1ms\nExecStart=/bin/sleep 1000');
  await kit.manager.holdLease(kit.clock.steady() + 1000);
  await kit.start('bound.service');
  const state = await kit.untilUnit('bound.service', 'was stopped', ({ active }) => active === 'inactive');
  expect(state).toMatchObject({ launched: false, autoRestarts: 0 });
  expect(state.reason).toContain('lease');
});

test('a wait for a restart ends with the lease too', async () => {
  await kit.loadBound('bound.service', 'Restart=always\nRestartSec=1h\nExecStart=/bin/true');
  await kit.manager.holdLease(kit.clock.steady() + 1000);
  await kit.start('bound.service').catch(() => undefined);
  await kit.untilUnit('bound.service', 'waits', ({ sub }) => sub === 'auto-restart');
  await kit.untilUnit(
    'bound.service',
    'is down',
    ({ active, launched }) => active === 'inactive' && !launched,
  );
});

test('a start that is under way is refused as the lease ends', async () => {
  await kit.loadBound(
    'bound.service',
    `ExecStartPre=/bin/sleep 1000\nExecStart=${sh(`echo >${kit.file('ran')}`)}`,
  );
  await kit.manager.holdLease(kit.clock.steady() + 1000);
  await expect(kit.start('bound.service')).rejects.toMatchObject(over);
  await kit.untilUnit(
    'bound.service',
    'is down',
    ({ active, launched }) => active === 'inactive' && !launched,
  );
  expect(kit.linesOf('ran')).toEqual([]);
});

test('what is bound waits for nobody to stop', async () => {
  await kit.load(
    'slow.service',
    `ExecStart=/bin/sleep 1000\nExecStop=${sh(`while [ ! -e ${kit.file('go')} ]; do sleep 0.02; done`)}`,
    'After=bound.service',
  );
  await kit.loadBound('bound.service', 'ExecStart=/bin/sleep 1000');
  await kit.manager.holdLease(kit.clock.steady() + 1500);
  await kit.start('bound.service');
  await kit.start('slow.service');
  const stopping = kit.manager.stop('slow.service');
  await kit.untilUnit('bound.service', 'was stopped', ({ active }) => active === 'inactive');
  expect(await kit.find('slow.service')).toMatchObject({ active: 'deactivating' });
  writeFileSync(kit.file('go'), '');
  await stopping;
});

test('a supervisor that takes over goes on counting', async () => {
  await kit.loadBound('bound.service', 'ExecStart=/bin/sleep 1000');
  const deadline = kit.clock.steady() + 2000;
  await kit.manager.holdLease(deadline);
  await kit.start('bound.service');
  await killHard(supervisorPid(kit.dir));
  expect(await kit.find('bound.service')).toMatchObject({ active: 'active', launched: true });
  await kit.untilUnit('bound.service', 'was stopped', ({ active }) => active === 'inactive');
  expect(kit.clock.steady()).toBeGreaterThan(deadline - 50);
  expect(await kit.find('bound.service')).toMatchObject({ launched: false });
});

test.each([
  ['is over', (stored: { until: number }) => ({ ...stored, until: 1 })],
  ['is of another boot', (stored: object) => ({ ...stored, boot: 'other' })],
  ['cannot be read', () => null],
])('a supervisor that takes over a deadline that %s stops at once', async (_, change) => {
  await kit.loadBound('bound.service', 'ExecStart=/bin/sleep 1000');
  await kit.load('web.service', 'ExecStart=/bin/sleep 1000');
  await kit.manager.holdLease(kit.clock.steady() + 60_000);
  await kit.start('bound.service');
  await kit.start('web.service');
  const path = join(kit.dir, 'supervisor-lease.json');
  const changed = JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8'))));
  const pid = supervisorPid(kit.dir);
  await freeze(pid);
  writeFileSync(path, changed);
  await killHard(pid);
  await kit.untilUnit(
    'bound.service',
    'was stopped',
    ({ active, launched }) => active === 'inactive' && !launched,
  );
  expect(await kit.find('web.service')).toMatchObject({ active: 'active', launched: true });
});

test('a lease that arrives too late is none', async () => {
  await kit.loadBound('bound.service', 'ExecStart=/bin/sleep 1000');
  const pid = supervisorPid(kit.dir);
  await freeze(pid);
  const deadline = kit.clock.steady() + 500;
  const held = kit.manager.holdLease(deadline);
  await passed(deadline);
  process.kill(pid, 'SIGCONT');
  await held;
  await expect(kit.start('bound.service')).rejects.toMatchObject(over);
});

test('a supervisor that was frozen past the deadline ends what ran on, and starts nothing', async () => {
  await kit.loadBound('bound.service', 'ExecStart=/bin/sleep 1000');
  await kit.loadBound('late.service', 'ExecStart=/bin/sleep 1000');
  const deadline = kit.clock.steady() + 1000;
  await kit.manager.holdLease(deadline);
  await kit.start('bound.service');
  const pid = supervisorPid(kit.dir);
  await freeze(pid);
  const late = kit.start('late.service').catch((error) => error);
  const extended = kit.manager.holdLease(deadline + 60_000);
  await passed(deadline);
  process.kill(pid, 'SIGCONT');
  await extended;
  // In time or not, it was not heard of in time: what ran is ended, and may be started anew.
  await kit.untilUnit(
    'bound.service',
    'was stopped',
    ({ active, launched }) => active === 'inactive' && !launched,
  );
  expect(await late).toMatchObject(over);
  await kit.start('bound.service');
});
