import { readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import {
  activeOn,
  ctl,
  get,
  mainPid,
  readStates,
  untilActive,
  untilMachines,
} from '../../support/fleet-view.js';
import type { Host } from '../../support/hosts.js';
import { until } from '../../support/until.js';
import { type FaultKit, openFaultKit } from './kit.js';

/** What happens to convoyds on machines that stay. */
let kit: FaultKit;
beforeAll(async () => {
  kit = await openFaultKit({ count: 3, settings: () => ({ CONVOY_TTL: '8s', CONVOY_GRACE: '1s' }) });
}, 120_000);
afterAll(() => kit.hosts.close());
afterEach(() => kit.expectNeverTwo());

const other = (...but: readonly Host[]): Host => kit.hosts.all.find((host) => !but.includes(host)) as Host;

it('convoyd killed over and over: no unit is touched', async () => {
  const [once, keep] = [await kit.untilOnlyOn('once'), await kit.untilOnlyOn('keep')];
  const pids = async () => [await mainPid(once, 'once.service'), await mainPid(keep, 'keep.service')];
  const before = await pids();
  for (const host of [once, keep, once, keep]) {
    const pid = await host.convoydPid();
    await host.killConvoyd();
    await until('convoyd is back', async () => ![0, pid].includes(await host.convoydPid()));
    await untilMachines(host, 3);
  }
  expect(await pids()).toEqual(before);
}, 120_000);

it('the leader killed in the middle of placing: each unit runs once, somewhere', async () => {
  const units = Array.from({ length: 300 }, (_, n) => `filler@${n + 1}.service`);
  kit.hosts.unit('filler@.service', '[Service]\nExecStart=/bin/sleep infinity\n');
  const leader = await leadingHost();
  const asked = other(leader);
  await ctl(asked, 'submit', ...units);
  const kill = await armedKill(leader);
  // One command starts all so quickly that none may be left to place: the second half comes while the leader is killed.
  await ctl(asked, 'start', '--no-block', ...units.slice(0, 150));
  await until('some are placed', async () => (await readStates(asked)).length > 60);
  const starting = asked.convoyctl('start', ...units);
  await kill();
  expect((await readStates(asked)).length).toBeLessThan(300);
  expect(await starting).toMatchObject({ code: 0 });
  await untilActive(asked, units, 60_000);
  for (const host of kit.hosts.all) await untilMachines(host, 3);
  const running = await Promise.all(
    kit.hosts.all.map((host) =>
      host.ask('systemctl', 'list-units', '--plain', '--no-legend', '--state=active', 'filler@*'),
    ),
  );
  expect(
    running
      .join('')
      .match(/^filler@\d+\.service/gm)
      ?.sort(),
  ).toEqual([...units].sort());
  await ctl(asked, 'destroy', ...units);
  expect((await activeOn(asked)).size).toBe(2);
}, 180_000);

it('rolling upgrade: one convoyd after another is of the next version, and no unit notices', async () => {
  const [once, keep] = [await kit.untilOnlyOn('once'), await kit.untilOnlyOn('keep')];
  const pids = async () => [await mainPid(once, 'once.service'), await mainPid(keep, 'keep.service')];
  const before = await pids();
  const file = join(kit.hosts.world.dir, 'convoy/package.json');
  const next = '99.0.0';
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), version: next }));
  for (const host of kit.hosts.all) {
    await host.ask('/opt/convoy/package/install');
    await untilMachines(host, 3);
  }
  const versions = await until('all have said their version', async () => {
    const { machines } = await get(kit.hosts.host(1), '/v1/machines');
    const found = (machines as { version: string }[]).map(({ version }) => version);
    return found.every((version) => version === next) ? found : undefined;
  });
  expect(versions).toHaveLength(3);
  expect(await pids()).toEqual(before);
}, 120_000);

/** Kills convoyd at once when it is called: a program that has to be started first may come when all is over. */
async function armedKill(host: Host): Promise<() => Promise<void>> {
  const trigger = join(kit.hosts.shared, 'kill');
  const pid = await host.convoydPid();
  await host.ask('mkfifo', '/shared/kill');
  const killed = host.ask('sh', '-c', `read -r _ </shared/kill; kill -KILL ${pid}`);
  // Opens once the other side is there.
  const armed = await open(trigger, 'w');
  return async () => {
    await armed.write('now\n');
    await armed.close();
    await killed;
  };
}

async function leadingHost(): Promise<Host> {
  const { machines } = await get(kit.hosts.host(1), '/v1/machines');
  const leader = (machines as { id: string; leader: boolean }[]).find((machine) => machine.leader);
  return kit.host(leader?.id);
}
