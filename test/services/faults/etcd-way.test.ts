import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import {
  activeOn,
  ctl,
  mainPid,
  readMachines,
  untilActive,
  untilMachines,
} from '../../support/fleet-view.js';
import { until } from '../../support/until.js';
import { type FaultKit, openFaultKit } from './kit.js';

/** What happens on the way to etcd, on three hosts with the default lease of 10 s. */
let kit: FaultKit;
beforeAll(async () => {
  kit = await openFaultKit({ count: 3 });
}, 120_000);
afterAll(() => kit.hosts.close());
afterEach(() => kit.expectNeverTwo());

it('20 % of all packets lost: units start, and what runs stays where it is', async () => {
  const keep = await kit.untilOnlyOn('keep');
  const before = await mainPid(keep, 'keep.service');
  const units = Array.from({ length: 10 }, (_, n) => `lossy@${n + 1}.service`);
  kit.hosts.unit('lossy@.service', '[Service]\nExecStart=/bin/sleep infinity\n');
  await kit.hosts.lossy(20);
  try {
    await until(
      'ten units run',
      async () => {
        await kit.hosts.host(1).convoyctl('start', '--no-block', ...units);
        const active = await activeOn(kit.hosts.host(1)).catch(() => new Map());
        return units.every((unit) => active.has(unit));
      },
      90_000,
    );
  } finally {
    await kit.hosts.lossy(0);
  }
  await untilMachines(kit.hosts.host(1), 3);
  await untilActive(kit.hosts.host(1), units);
  expect(await kit.untilOnlyOn('keep')).toBe(keep);
  expect(await mainPid(keep, 'keep.service')).toBe(before);
  await kit.untilOnlyOn('once');
  await ctl(kit.hosts.host(1), 'destroy', ...units);
}, 180_000);

it('a slow way to etcd does; one that swallows everything without breaking: the machine is given up, and comes back', async () => {
  const slow = await kit.untilOnlyOn('once');
  const { hosts } = kit;
  const { url, proxy } = await hosts.slowEtcd();
  await slow.configure({ CONVOY_ETCD: url });
  await untilMachines(slow, 3);
  expect(await kit.untilOnlyOn('once')).toBe(slow);
  proxy.delay(300);
  hosts.unit(
    'slow.service',
    `[Service]\nExecStart=/bin/sleep infinity\n\n[X-Fleet]\nMachineID=${slow.machineId}\n`,
  );
  await ctl(slow, 'start', 'slow.service');
  // Longer than a lease: it was renewed over that way.
  await new Promise((resolve) => setTimeout(resolve, 12_000));
  expect(await readMachines(slow)).toHaveLength(3);
  expect(await kit.untilOnlyOn('once')).toBe(slow);
  proxy.blackHole();
  const next = await kit.untilOnlyOn('once', [slow], 60_000);
  expect(next).not.toBe(slow);
  proxy.restore();
  await untilMachines(slow, 3);
  proxy.delay(0);
  await slow.configure({ CONVOY_ETCD: hosts.etcd.url });
  await untilMachines(slow, 3);
  expect(await kit.untilOnlyOn('once')).toBe(next);
  await ctl(slow, 'destroy', 'slow.service');
}, 180_000);
