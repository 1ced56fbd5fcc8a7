import { afterEach, expect, it } from 'vitest';
import { mainPid, untilActive, untilMachines } from '../../support/fleet-view.js';
import { until } from '../../support/until.js';
import type { WorldEtcd } from '../../support/world-etcd.js';
import { type FaultKit, openFaultKit } from './kit.js';

let kit: FaultKit;
afterEach(async () => {
  try {
    kit.expectNeverTwo();
  } finally {
    await kit.hosts.close();
  }
}, 60_000);

it('each of three members of etcd killed in turn, their leader first: units start all the same, and none is touched', async () => {
  kit = await openFaultKit({ count: 3, etcd: { members: 3 } });
  const { hosts } = kit;
  const asked = hosts.host(1);
  const [once, keep] = [await kit.untilOnlyOn('once'), await kit.untilOnlyOn('keep')];
  const pids = async () => [await mainPid(once, 'once.service'), await mainPid(keep, 'keep.service')];
  const before = await pids();
  const leading = await Promise.all(hosts.members.map(leads));
  expect(leading.filter(Boolean)).toHaveLength(1);
  const at = leading.indexOf(true);
  const turns = [...hosts.members.slice(at), ...hosts.members.slice(0, at)];
  for (const [index, member] of turns.entries()) {
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

/** Whether an etcd member says that it leads the others. */
async function leads({ outside }: WorldEtcd): Promise<boolean> {
  const metrics = await (await fetch(`http://127.0.0.1:${outside.port}/metrics`)).text();
  return /^etcd_server_is_leader 1$/m.test(metrics);
}
