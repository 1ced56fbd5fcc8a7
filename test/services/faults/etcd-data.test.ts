import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { ctl, mainPid, readStates, untilActive, untilMachines } from '../../support/fleet-view.js';
import { until } from '../../support/until.js';
import type { WorldEtcd } from '../../support/world-etcd.js';
import { type FaultKit, openFaultKit } from './kit.js';

/** An etcd that comes back: with what it had, with nothing, or with something else. On three hosts. */
let kit: FaultKit;
beforeAll(async () => {
  kit = await openFaultKit({ count: 3 });
}, 120_000);
afterAll(() => kit.hosts.close());
afterEach(() => kit.expectNeverTwo());

const SLEEPERS = Array.from({ length: 300 }, (_, n) => `sleeper@${n + 1}.service`);

/** The main processes of all units on all hosts, a line each. */
async function processes(): Promise<string[]> {
  const lines = await Promise.all(
    kit.hosts.all.map(async (host) => {
      const units = (
        await host.ask('systemctl', 'list-units', '--plain', '--no-legend', 'sleeper@*', 'keep.service')
      )
        .split('\n')
        .flatMap((line) => line.split(' ')[0] || []);
      if (units.length === 0) return [];
      const shown = await host.ask(
        'systemctl',
        'show',
        '-p',
        'Id',
        '-p',
        'MainPID',
        '-p',
        'NRestarts',
        ...units,
      );
      return shown
        .trim()
        .split('\n\n')
        .map((block) => `${host.name} ${block.replaceAll('\n', ' ')}`);
    }),
  );
  return lines.flat().sort();
}

it('etcd restarted under 300 units: none of them restarts', async () => {
  kit.hosts.unit('sleeper@.service', '[Service]\nExecStart=/bin/sleep infinity\n');
  const asked = kit.hosts.host(1);
  await ctl(asked, 'start', ...SLEEPERS);
  const at = await untilActive(asked, SLEEPERS);
  const before = await processes();
  expect(before).toHaveLength(301);
  await kit.hosts.etcd.kill();
  await kit.hosts.etcd.restart();
  await untilMachines(asked, 3);
  expect(await untilActive(asked, SLEEPERS)).toEqual(at);
  // Whoever acts on what it sees now has to have seen this unit too.
  kit.hosts.unit('after.service', '[Service]\nExecStart=/bin/sleep infinity\n');
  await ctl(asked, 'start', 'after.service');
  expect(await processes()).toEqual(before);
  await ctl(asked, 'destroy', 'after.service', ...SLEEPERS);
}, 180_000);

it('etcd emptied, another, or restored from an old copy: all hold, nothing stops, until the operator accepts', async () => {
  const asked = kit.hosts.host(1);
  await kit.hosts.etcd.snapshot();
  await untilMachines(asked, 3);
  kit.hosts.unit('late.service', '[Service]\nExecStart=/bin/sleep infinity\n');
  await ctl(asked, 'start', 'late.service');
  const late = kit.host((await untilActive(asked, ['late.service'])).get('late.service'));
  const keep = await kit.untilOnlyOn('keep');
  const pids = async () => [await mainPid(keep, 'keep.service'), await mainPid(late, 'late.service')];
  const before = await pids();

  await untilAllKnow(await kit.hosts.etcd.metric('etcd_debugging_mvcc_current_revision'));
  await kit.hosts.etcd.wipe();
  await untilAllHold(/etcd has no cluster record/);
  expect(await pids()).toEqual(before);

  const [foreign] = (await kit.hosts.startEtcd({ name: 'foreign', port: 3379 })) as [WorldEtcd];
  await put(foreign, '/convoy/cluster', JSON.stringify({ id: 'somebody-else', format: 1 }));
  for (const host of kit.hosts.all) await host.configure({ CONVOY_ETCD: foreign.url });
  await untilAllHold(/etcd holds cluster somebody-else/);
  expect(await pids()).toEqual(before);

  await kit.hosts.etcd.restore();
  for (const host of kit.hosts.all) await host.configure({ CONVOY_ETCD: kit.hosts.etcd.url });
  await untilAllHold(/went back from revision/);
  expect(await pids()).toEqual(before);
  for (const host of kit.hosts.all) await ctl(host, 'rejoin', '--accept');
  await untilMachines(asked, 3);
  await until(
    'the unit the restored registry does not know is gone',
    async () => (await late.exec('systemctl', 'is-active', 'late.service')).stdout !== 'active\n',
  );
  expect(await mainPid(keep, 'keep.service')).toBe(before[0]);
  await kit.untilOnlyOn('once');
  await until('nothing is reported but what the restored registry knows', async () => {
    const units = (await readStates(asked)).map(({ unit }) => unit).sort();
    return units.join(' ') === 'keep.service once.service';
  });

  // Once more, under convoyds that run on.
  await kit.hosts.etcd.snapshot();
  await ctl(asked, 'start', 'late.service');
  await untilAllKnow(await kit.hosts.etcd.metric('etcd_debugging_mvcc_current_revision'));
  await kit.hosts.etcd.restore();
  await untilAllHold(/went back from revision/);
  const again = kit.hosts.all.map((host) => host.exec('systemctl', 'is-active', 'late.service'));
  expect((await Promise.all(again)).filter(({ stdout }) => stdout === 'active\n')).toHaveLength(1);
}, 240_000);

/** Each machine has written down that the registry has come so far: it learns that with each renewal of its lease. */
async function untilAllKnow(revision: number): Promise<void> {
  for (const host of kit.hosts.all)
    await until(
      `${host.name} knows of revision ${revision}`,
      async () => {
        const seen = JSON.parse(await host.ask('cat', '/var/lib/convoy/registry.json')) as {
          revision: number;
        };
        return seen.revision >= revision;
      },
      30_000,
    );
}

async function put({ outside }: WorldEtcd, key: string, value: string): Promise<void> {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const body = JSON.stringify({ key: base64(key), value: base64(value) });
  const answer = await fetch(`http://127.0.0.1:${outside.port}/v3/kv/put`, { method: 'POST', body });
  expect(answer.status).toBe(200);
}

/** Each convoyd has said why it holds. */
async function untilAllHold(why: RegExp): Promise<void> {
  for (const host of kit.hosts.all)
    await until(`${host.name} holds`, async () => why.test((await host.convoyctl('rejoin')).stderr), 40_000);
}
