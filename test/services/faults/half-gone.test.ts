import { afterAll, beforeAll, expect, it } from 'vitest';
import { activeOn, ctl, untilActive, untilMachines } from '../../support/fleet-view.js';
import { until } from '../../support/until.js';
import { type FaultKit, openFaultKit } from './kit.js';

let kit: FaultKit;
beforeAll(async () => {
  // Their leases end up to a second apart, and on a busy machine they are cut off one after another.
  kit = await openFaultKit({ count: 6, settings: () => ({ CONVOY_TTL: '3s', CONVOY_GRACE: '4s' }) });
}, 120_000);
afterAll(() => kit.hosts.close());

it('half of the machines gone at once: nothing moves until the operator gives them up; they return to nothing', async () => {
  const { hosts } = kit;
  const units = Array.from({ length: 12 }, (_, n) => `spread@${n + 1}.service`);
  hosts.unit('spread@.service', '[Service]\nExecStart=/bin/sleep infinity\n');
  await ctl(hosts.host(1), 'start', ...units);
  const before = await untilActive(hosts.host(1), units);
  const lost = [hosts.host(4), hosts.host(5), hosts.host(6)];
  const asked = hosts.host(1);
  const gone = new Set(lost.map(({ machineId }) => machineId));
  const stranded = units.filter((unit) => gone.has(before.get(unit) ?? ''));
  expect(stranded.length).toBeGreaterThan(3);

  await Promise.all(lost.map((host) => host.cutPower()));
  await until(
    'the freeze is told',
    async () => {
      const { stdout } = await ctl(asked, 'list-unit-files', '--fields=unit,reason');
      return stdout.includes('convoyctl evict');
    },
    30_000,
  );
  const frozen = await activeOn(asked);
  for (const unit of stranded) expect(frozen.get(unit), unit).toBeUndefined();

  await ctl(asked, 'evict', ...lost.map(({ machineId }) => machineId));
  const after = await untilActive(asked, units);
  for (const unit of units)
    if (!stranded.includes(unit)) expect(after.get(unit), unit).toBe(before.get(unit));
  await kit.untilOnlyOn('once', lost);

  await Promise.all(lost.map((host) => host.boot()));
  await untilMachines(asked, 6);
  const running = await Promise.all(
    hosts.all.map((host) =>
      host.ask('systemctl', 'list-units', '--plain', '--no-legend', '--state=active', 'spread@*'),
    ),
  );
  expect(
    running
      .join('')
      .match(/^spread@\d+\.service/gm)
      ?.sort(),
  ).toEqual([...units].sort());
  expect(await untilActive(asked, units)).toEqual(after);
  kit.expectNeverTwo();
}, 180_000);
