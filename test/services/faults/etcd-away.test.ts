import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { mainPid, untilMachines } from '../../support/fleet-view.js';
import { until } from '../../support/until.js';
import { type FaultKit, openFaultKit } from './kit.js';

/** An etcd that does not answer, on three hosts with the default lease of 10 s. */
let kit: FaultKit;
beforeAll(async () => {
  kit = await openFaultKit({ count: 3 });
}, 120_000);
afterAll(() => kit.hosts.close());
afterEach(() => kit.expectNeverTwo());

it('etcd away for a minute: all goes on and what dies is restarted; OnPartition=stop pauses', async () => {
  const keep = await kit.untilOnlyOn('keep');
  await kit.hosts.etcd.freeze();
  const frozenAt = performance.now();
  await until('once has stopped', () => kit.witness.running('once').length === 0, 20_000);
  const pid = await mainPid(keep, 'keep.service');
  await keep.ask('kill', '-9', String(pid));
  await until(
    'systemd has restarted keep',
    async () => ![0, pid].includes(await mainPid(keep, 'keep.service')),
  );
  await new Promise((resolve) => setTimeout(resolve, 60_000 - (performance.now() - frozenAt)));
  expect(await kit.untilOnlyOn('keep')).toBe(keep);
  kit.hosts.etcd.thaw();
  await untilMachines(kit.hosts.host(1), 3);
  await kit.untilOnlyOn('once');
  expect(await kit.untilOnlyOn('keep')).toBe(keep);
}, 180_000);
