import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../runtime/clock.js';
import { openSystemdHost, type SystemdHost, unitFrom } from '../../support/systemd-host.js';

const COUNT = 300;
let host: SystemdHost;
beforeAll(async () => {
  host = await openSystemdHost();
});
afterAll(() => host?.close());

/** Each phase within a minute; how long it took is printed, for people. */
test(`${COUNT} units are loaded, started, looked at and destroyed side by side`, {
  timeout: 240_000,
}, async () => {
  const runDir = host.runDir();
  let manager = await host.manager(runDir, systemClock());
  const units = Array.from({ length: COUNT }, (_, index) =>
    unitFrom(`crowd@${index}.service`, '[Service]\nExecStart=/bin/sleep 100000\n'),
  );
  const reloads = async () =>
    (await host.ask('journalctl', '_PID=1', '-o', 'cat')).split('\n').filter((line) => line === 'Reloading.')
      .length;

  async function phase(what: string, work: () => Promise<unknown>): Promise<void> {
    const began = performance.now();
    const reloadsBefore = await reloads();
    const late = new Promise((_, reject) =>
      setTimeout(reject, 60_000, new Error(`${what} takes over 60 s`)).unref(),
    );
    await Promise.race([work(), late]);
    const took = Math.round(performance.now() - began);
    console.log(`${what} ${COUNT} units: ${took} ms, ${(await reloads()) - reloadsBefore} daemon-reloads`);
  }

  await phase('load', async () => {
    await Promise.all(units.map((unit) => manager.load(unit)));
    await manager.daemonReload();
  });
  await phase('start', () =>
    Promise.all(units.map(({ name }) => manager.start(name, { environment: {}, restarts: 0 }))),
  );
  const listed = await manager.list();
  expect(listed.filter(({ active, sub }) => active === 'active' && sub === 'running')).toHaveLength(COUNT);
  await phase('adopt', async () => {
    await manager.close();
    manager = await host.manager(runDir, systemClock());
    expect(await manager.list()).toEqual(listed);
  });
  await phase('destroy', () => Promise.all(units.map(({ name }) => manager.unload(name))));
  expect(await manager.list()).toEqual([]);
  expect(await host.ask('systemctl', 'list-units', '--all', '--no-legend', 'crowd@*')).toBe('');
  await manager.close();
});
