import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../runtime/clock.js';
import { openSystemdHost, type SystemdHost, unitFrom } from '../../support/systemd-host.js';

const COUNT = 300;
let host: SystemdHost;
beforeAll(async () => {
  host = await openSystemdHost();
});
afterAll(() => host?.close());

async function reloads(): Promise<number> {
  const said = await host.ask('journalctl', '_PID=1', '-o', 'cat');
  return said.split('\n').filter((line) => line === 'Reloading.').length;
}

/** Each phase within a minute; how long it took is printed, for people. */
test(`${COUNT} units are loaded, started, looked at and destroyed side by side`, {
  timeout: 240_000,
}, async () => {
  const runDir = host.runDir();
  let manager = await host.manager(runDir, systemClock());
  const units = Array.from({ length: COUNT }, (_, index) =>
    unitFrom(`crowd@${index}.service`, '[Service]\nExecStart=/bin/sleep 100000\n'),
  );
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

test('a unit that systemd does not know is loaded without a daemon-reload, and run as its text is now', async () => {
  const manager = await host.manager(host.runDir(), systemClock());
  const [early, late] = ['early.service', 'late.service'];
  const sleeper = (about: string): string =>
    `[Unit]\nDescription=${about}\n[Service]\nExecStart=/bin/sleep 1000\n`;
  const run = async (name: string, text: string): Promise<void> => {
    await manager.load(unitFrom(name, text));
    await manager.daemonReload();
    await manager.start(name, { environment: {}, restarts: 0 });
  };
  const about = async (name: string): Promise<string> =>
    (await host.ask('systemctl', 'show', '-P', 'ActiveState,Description', name)).trim();
  const before = await reloads();

  await run(
    early,
    sleeper('names the late one').replace('[Service]', `Wants=${late}\nAfter=${late}\n[Service]`),
  );
  expect(await host.ask('systemctl', 'show', '-P', 'LoadState', late)).toBe('not-found\n');
  await run(late, sleeper('first'));
  expect((await manager.list()).map(({ name, active }) => [name, active])).toEqual([
    [early, 'active'],
    [late, 'active'],
  ]);
  expect(await reloads()).toBe(before);

  await manager.unload(late);
  await run(late, sleeper('second'));
  expect(await about(late)).toContain('second');
  for (const name of [early, late]) await manager.unload(name);
  await manager.close();
});
