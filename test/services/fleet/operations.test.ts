import { afterEach, beforeAll, expect, it } from 'vitest';
import { activeOn, ctl, destroyAll, mainPid, untilActive, untilMachines } from '../../support/fleet-view.js';
import { type Host, type Hosts, useHosts } from '../../support/hosts.js';
import { until } from '../../support/until.js';

/** What fleet's users asked for most, on three hosts: two of them in zone a, one in zone b. */
const openHosts = useHosts();
let hosts: Hosts;
beforeAll(async () => {
  hosts = await openHosts({
    count: 3,
    settings: (index) => ({ CONVOY_METADATA: `host=host${index},az=${index === 3 ? 'b' : 'a'}` }),
  });
  await untilMachines(first(), 3);
}, 120_000);
afterEach(async () => {
  await destroyAll(first());
  for (const host of hosts.all) await ctl(first(), 'uncordon', host.machineId);
});

const first = () => hosts.host(1);
const byId = (machine: string | undefined): Host =>
  hosts.all.find(({ machineId }) => machineId === machine) as Host;
const SLEEP = 'ExecStart=/bin/sleep infinity\n';
const write = (name: string, convoy = '', service = SLEEP) =>
  hosts.unit(name, `[Service]\n${service}${convoy === '' ? '' : `\n[X-Convoy]\n${convoy}\n`}`);
const instances = (name: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${name}@${n + 1}.service`);
const onEach = (at: ReadonlyMap<string, string>) =>
  hosts.all.map(({ machineId }) => [...at.values()].filter((machine) => machine === machineId).length);

it('Spread=az puts as many into the zone of one machine as into that of two', async () => {
  write('spread@.service', 'Spread=az');
  const units = instances('spread', 4);
  await ctl(first(), 'start', ...units);
  expect(onEach(await untilActive(first(), units))).toEqual([1, 1, 2]);
}, 60_000);

it('Prefer= is followed where it can be; Require= has to be', async () => {
  write('likes.service', 'Prefer=az=b');
  write('likes-nothing.service', 'Prefer=az=nowhere');
  write('needs@.service', 'Require=az!=b\nRequire=host in (host2,host3)\nRequire=az');
  write('needs-more.service', 'Require=disk');
  await ctl(first(), 'start', 'likes.service', 'likes-nothing.service', 'needs@1.service');
  const at = await untilActive(first(), ['likes.service', 'likes-nothing.service', 'needs@1.service']);
  expect(byId(at.get('likes.service')).name).toBe('host3');
  expect(byId(at.get('needs@1.service')).name).toBe('host2');
  await ctl(first(), 'start', '--no-block', 'needs-more.service');
  await until('it says why it waits', async () => {
    const { stdout } = await ctl(first(), 'list-unit-files', '--no-legend', '--fields=unit,reason');
    return /needs-more\.service\s.*0 of 3 machines: 3 .*disk/.test(stdout);
  });
}, 60_000);

it('MoveAfterFailures=2: a unit that fails on one machine comes to run on another', async () => {
  write(
    'picky.service',
    'MoveAfterFailures=2\nPrefer=host=host1',
    'ExecStart=/bin/sh -c "[ $(uname -n) != host1 ] && exec sleep infinity"\nRestart=on-failure\nRestartSec=100ms\n',
  );
  await ctl(first(), 'start', '--no-block', 'picky.service');
  // On host1 it is active too, for the moment until it fails.
  const host = await until('it runs elsewhere', async () => {
    const [machine] = (await activeOn(first())).get('picky.service') ?? [];
    return machine === first().machineId ? undefined : byId(machine);
  });
  expect(await mainPid(host, 'picky.service')).toBeGreaterThan(0);
  expect((await first().exec('systemctl', 'cat', 'picky.service')).code).not.toBe(0);
}, 60_000);

it('cordon keeps new units away; drain empties a machine, one process ending before the next begins', async () => {
  write('worker@.service', '', `${SLEEP}ExecStopPost=/bin/sh -c "sleep 1; rm -f /shared/lock-%i"\n`);
  const units = instances('worker', 6);
  await ctl(first(), 'start', ...units);
  const before = await untilActive(first(), units);
  expect(onEach(before)).toEqual([2, 2, 2]);
  const host = hosts.host(2);
  await ctl(first(), 'drain', host.machineId.slice(0, 8));
  const after = await untilActive(first(), units);
  expect(onEach(after)).toEqual([3, 0, 3]);
  for (const [unit, machine] of before)
    if (machine !== host.machineId) expect(after.get(unit), unit).toBe(machine);
  expect(await host.ask('systemctl', 'list-units', '--plain', '--no-legend', 'worker@*')).toBe('');

  await ctl(first(), 'uncordon', host.machineId);
  await ctl(first(), 'cordon', hosts.host(1).machineId, hosts.host(3).machineId);
  const more = instances('more', 2);
  write('more@.service');
  await ctl(first(), 'start', ...more);
  expect(onEach(await untilActive(first(), more))).toEqual([0, 2, 0]);
}, 90_000);

it('move takes a unit to the machine that is named; rebalance evens out what is left uneven', async () => {
  write('worker@.service');
  const units = instances('worker', 6);
  await ctl(first(), 'start', ...units);
  await untilActive(first(), units);
  const crowded = hosts.host(3);
  const at = await untilActive(first(), units);
  const elsewhere = units.filter((unit) => at.get(unit) !== crowded.machineId);
  await ctl(first(), 'move', ...elsewhere, '--to', crowded.machineId);
  expect(onEach(await untilActive(first(), units))).toEqual([0, 0, 6]);

  const plan = await ctl(first(), 'rebalance', '--dry-run');
  expect(plan.stdout.match(/worker@\d\.service/g)).toHaveLength(4);
  expect(onEach(await untilActive(first(), units))).toEqual([0, 0, 6]);
  await ctl(first(), 'rebalance', '--yes');
  expect(onEach(await untilActive(first(), units))).toEqual([2, 2, 2]);
  expect((await activeOn(first())).size).toBe(6);
}, 120_000);

it('a start that never ends is ended by a stop', async () => {
  write('stuck.service', '', 'TimeoutStartSec=infinity\nType=oneshot\nExecStart=/bin/sleep infinity\n');
  await ctl(first(), 'start', '--no-block', 'stuck.service');
  const host = await until('it is starting', async () => {
    for (const each of hosts.all)
      if ((await each.exec('systemctl', 'is-active', 'stuck.service')).stdout === 'activating\n') return each;
    return undefined;
  });
  await ctl(first(), 'stop', 'stuck.service');
  expect((await host.exec('systemctl', 'is-active', 'stuck.service')).stdout).not.toBe('activating\n');
}, 60_000);

it('a unit that fails to start is told with the reason of systemd and its last lines; start starts it again', async () => {
  write(
    'broken.service',
    '',
    'ExecStart=/bin/sh -c "echo no such luck; test -e /shared/luck || exit 7"\nType=oneshot\n',
  );
  const failed = await first().convoyctl('start', 'broken.service');
  expect(failed.code).toBe(1);
  expect(failed.stderr).toMatch(/exited with code 7 \(exit-code\)\n\s+no such luck/);
  await first().ask('touch', '/shared/luck');
  await ctl(first(), 'start', 'broken.service');
}, 60_000);
