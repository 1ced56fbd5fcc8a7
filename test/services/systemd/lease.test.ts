import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { UnitManager } from '../../../agent/unit-manager.js';
import { systemClock } from '../../../runtime/clock.js';
import { freeze } from '../../support/freeze.js';
import { ROOT } from '../../support/programs.js';
import { useGround } from '../../support/services.js';
import { openSystemdHost, type SystemdHost, unitFrom } from '../../support/systemd-host.js';
import { until } from '../../support/until.js';

const ground = useGround('systemd-lease');
let host: SystemdHost;
let runDir: string;
let manager: UnitManager;
const clock = systemClock();
beforeAll(async () => {
  host = await openSystemdHost();
});
afterAll(() => host?.close());
beforeEach(async () => {
  runDir = host.runDir();
  manager = await host.manager(runDir, clock);
});
afterEach(async () => {
  for (const { name } of await manager.list()) await manager.unload(name);
  await manager.close();
});

const loadBound = (name: string, text: string) => manager.load({ ...unitFrom(name, text), leaseBound: true });
const start = (name: string) => manager.start(name, { environment: {}, restarts: 0 });
const states = async () =>
  Object.fromEntries(
    (await manager.list()).map(({ name, active, launched }) => [name, { active, launched }]),
  );
/** Time since boot in ms, for systemd and for us. */
const uptime = () => Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000;
test('whatever lease-bound units are doing, they are stopped when the lease is over, and not brought back', async () => {
  await loadBound('always.service', '[Service]\nRestart=always\nExecStart=/bin/sleep 1000\n');
  await loadBound('long-job.service', '[Service]\nType=oneshot\nExecStart=/bin/sleep 1000\n');
  await loadBound('flap.service', '[Service]\nRestart=always\nRestartSec=1h\nExecStart=/bin/false\n');
  await loadBound('tick.timer', '[Timer]\nOnActiveSec=1h\n');
  await manager.load(unitFrom('tick.service', '[Service]\nExecStart=/bin/true\n'));
  await manager.load(unitFrom('free.service', '[Service]\nExecStart=/bin/sleep 1000\n'));
  await manager.holdLease(clock.steady() + 3000);
  const job = start('long-job.service').catch((error) => error);
  await Promise.all(['always.service', 'flap.service', 'tick.timer', 'free.service'].map(start));
  const running = { active: 'active', launched: true };
  const starting = { active: 'activating', launched: true };
  await until('all are up', async () => (await states())['flap.service']?.active === 'activating');
  expect(await states()).toMatchObject({
    'always.service': running,
    'long-job.service': starting,
    'flap.service': starting,
    'tick.timer': running,
  });
  expect(await job).toMatchObject({ kind: 'transient', code: 'lease-over' });
  const down = await until('all are down', async () => {
    const now = await states();
    const bound = ['always.service', 'long-job.service', 'flap.service', 'tick.timer'];
    return bound.every((name) => ['inactive', 'failed'].includes(now[name]?.active ?? '')) && now;
  });
  for (const name of ['always.service', 'long-job.service', 'flap.service', 'tick.timer'])
    expect(down[name]?.launched).toBe(false);
  expect(down['free.service']).toEqual(running);
});

test('the units of a convoyd that is frozen stop by themselves, in time', async () => {
  const writes = 'while read up rest </proc/uptime; do echo $$up >>/run/writes; sleep 0.02; done';
  await loadBound('web.service', `[Service]\nRestart=always\nExecStart=/bin/sh -c '${writes}'\n`);
  // Another convoyd of this machine, which renews until it is frozen.
  const holder = ground.spawn('holder', process.execPath, [
    ...['--import', 'tsx', '--input-type=module', '-e'],
    `import { openSystemdManager } from ${JSON.stringify(join(ROOT, 'agent/systemd/systemd-manager.ts'))};
     import { systemClock } from ${JSON.stringify(join(ROOT, 'runtime/clock.ts'))};
     const quiet = () => undefined;
     const log = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => log };
     const clock = systemClock();
     const manager = await openSystemdManager({ runDir: ${JSON.stringify(runDir)}, clock, log, address: ${JSON.stringify(host.address)} });
     let until = 0;
     setInterval(() => manager.holdLease((until = clock.steady() + 2000)), 20);
     await new Promise((resolve) => setTimeout(resolve, 200));
     for (;;) await manager.start('web.service', { environment: {}, restarts: 0 }).catch(() => undefined).then(() => new Promise((resolve) => setTimeout(resolve, 5)));`,
  ]);
  await until('it runs', async () => (await states())['web.service']?.active === 'active');
  await freeze(holder.pid ?? 0);
  await until('it is down', async () => (await states())['web.service']?.active === 'inactive');
  const over = Number(readFileSync(join(runDir, 'lease'), 'utf8')) * 10;
  const last = Number((await host.ask('tail', '-n', '1', '/run/writes')).trim()) * 1000;
  expect(uptime()).toBeGreaterThan(over);
  // Whoever takes over waits that long.
  expect(last).toBeLessThan(over + 2000);
  await expect(start('web.service')).rejects.toMatchObject({ kind: 'transient', code: 'lease-over' });
  const gone = new Promise((resolve) => holder.once('exit', resolve));
  holder.kill('SIGKILL');
  await gone;
});

test('a manager that is frozen while it says until when says less, not more', async () => {
  const frozen = {
    ...clock,
    steady() {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      return clock.steady();
    },
  };
  const other = await host.manager(runDir, frozen);
  const end = clock.steady() + 5000;
  await other.holdLease(end);
  const said = Number(readFileSync(join(runDir, 'lease'), 'utf8')) * 10;
  expect(said).toBeLessThanOrEqual(uptime() + (end - clock.steady()));
  await other.close();
});

test('systemd itself refuses a start that arrives when the lease is over', async () => {
  await loadBound('web.service', '[Service]\nExecStart=/bin/sleep 1000\n');
  const end = clock.steady() + 500;
  await manager.holdLease(end);
  await until('it is over', () => clock.steady() > end + 20);
  const { code, stderr } = await host.exec('systemctl', 'start', 'web.service');
  expect([code, stderr]).toEqual([1, expect.stringContaining('dependency')]);
  await manager.holdLease(clock.steady() + 2000);
  await start('web.service');
  expect(await states()).toEqual({ 'web.service': { active: 'active', launched: true } });
});

test('a lease unit that is killed ends the lease: its units are stopped, and can be started again', async () => {
  await loadBound('web.service', '[Service]\nExecStart=/bin/sleep 1000\n');
  await manager.holdLease(clock.steady() + 60_000);
  await start('web.service');
  await host.ask('systemctl', 'kill', '--signal=KILL', 'convoy-lease.service');
  await until('it is down', async () => (await states())['web.service']?.active === 'inactive');
  expect((await states())['web.service']?.launched).toBe(false);
  await start('web.service');
  expect(await states()).toEqual({ 'web.service': { active: 'active', launched: true } });
});
