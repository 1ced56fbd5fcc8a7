import { afterEach, expect, it } from 'vitest';
import { mainPid, untilActive, untilMachines } from '../../support/fleet-view.js';
import { until } from '../../support/until.js';
import { type FaultKit, openFaultKit } from './kit.js';

let kit: FaultKit;
afterEach(async () => {
  try {
    kit.expectNeverTwo();
  } finally {
    await kit.hosts.close();
  }
}, 60_000);

it('each of three members of etcd killed in turn: units start all the same, and none is touched', async () => {
  kit = await openFaultKit({ count: 3, etcd: { members: 3 } });
  const { hosts } = kit;
  const asked = hosts.host(1);
  const [once, keep] = [await kit.untilOnlyOn('once'), await kit.untilOnlyOn('keep')];
  const pids = async () => [await mainPid(once, 'once.service'), await mainPid(keep, 'keep.service')];
  const before = await pids();
  for (const [index, member] of hosts.members.entries()) {
    await member.kill();
    const unit = `without-${index + 1}.service`;
    hosts.unit(unit, '[Service]\nExecStart=/bin/sleep infinity\n');
    await until('a unit is started', async () => (await asked.convoyctl('start', unit)).code === 0, 40_000);
    await untilActive(asked, [unit]);
    await member.restart();
    await untilMachines(asked, 3);
  }
  expect(await pids()).toEqual(before);
}, 240_000);
