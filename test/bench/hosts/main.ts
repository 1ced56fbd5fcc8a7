/**
 * The fleet on three real systemd hosts of this machine: how long until units run, what that costs, what an idle minute
 * costs, and how long the way from a power cut to everything running elsewhere is. Beside each figure stands what
 * CoreOS fleet 1.0 needed for the same on such a machine.
 */
import { cpus } from 'node:os';
import { type Host, type Hosts, openHosts } from '../../support/hosts.js';
import { until } from '../../support/until.js';
import { type CpuUse, cpuBetween, cpuUse, pidsNaming } from '../support/processes.js';

/** Measured once with fleet 1.0 and etcd on a machine of this kind (2 cores). */
const FLEET = {
  startSeconds: new Map([
    [1, 2.6],
    [10, 2.5],
    [100, 4.7],
    [300, 9],
  ]),
  startCpuSeconds: 11.7,
  idleCpuSeconds: 6.7,
  idleWrites: 2742,
  powerCutSeconds: 30,
};
const SIZES = [1, 10, 100, 300];
const IDLE_MS = 60_000;
const DAEMONS = ['node', 'systemd', 'systemd-journal', 'dbus-daemon', 'etcd'];

async function measure(fleet: Hosts): Promise<void> {
  console.log(`${cpus().length} cores, Node ${process.version}, 3 hosts; fleet 1.0's figures in brackets`);
  fleet.unit('sleeper@.service', '[Service]\nExecStart=/bin/sleep infinity\n');
  await ctl(fleet.host(1), 'submit', 'sleeper@.service');
  const first = fleet.host(1);

  for (const size of SIZES) {
    const names = namesOf(size);
    const before = await look(fleet);
    const seconds = await timed(() => ctl(first, 'start', ...names));
    const after = await look(fleet);
    console.log(`\nstart ${size}: ${compared(seconds, FLEET.startSeconds.get(size), 's until running')}`);
    report(before, after, size === 300 ? FLEET.startCpuSeconds : undefined);
    if (size === 300) break;
    console.log(`destroy ${size}: ${(await timed(() => ctl(first, 'destroy', ...names))).toFixed(1)} s`);
  }

  const before = await look(fleet);
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const after = await look(fleet);
  console.log(`\nan idle minute with 300 units`);
  report(before, after, FLEET.idleCpuSeconds, FLEET.idleWrites);

  const lost = fleet.host(3);
  const wanted = namesOf(300);
  const seconds = await timed(async () => {
    await lost.cutPower();
    await until(
      'all run elsewhere',
      async () => (await runningOn(first, lost)).size === wanted.length,
      120_000,
    );
  });
  console.log(`\npower cut: ${compared(seconds, FLEET.powerCutSeconds, 's until all 300 run elsewhere')}`);
  console.log(`destroy 300: ${(await timed(() => ctl(first, 'destroy', ...wanted))).toFixed(1)} s`);
}

interface Look {
  readonly cpu: CpuUse;
  readonly reads: number;
  readonly writes: number;
}

async function look({ world, etcd }: Hosts): Promise<Look> {
  const [reads, puts, deletes] = await Promise.all(
    ['range', 'put', 'delete'].map((kind) => etcd.metric(`etcd_mvcc_${kind}_total`)),
  );
  return { cpu: cpuUse(pidsNaming(world.dir)), reads: reads ?? 0, writes: (puts ?? 0) + (deletes ?? 0) };
}

function report(before: Look, after: Look, fleetCpu?: number, fleetWrites?: number): void {
  const { byName, foreign } = cpuBetween(before.cpu, after.cpu);
  const daemons = DAEMONS.map((name) => byName.get(name) ?? 0);
  const sum = daemons.reduce((all, seconds) => all + seconds, 0);
  const parts = DAEMONS.map(
    (name, index) => `${name === 'node' ? 'convoyd' : name} ${daemons[index]?.toFixed(1)}`,
  );
  console.log(`  ${compared(sum, fleetCpu, 'CPU s of all daemons')}: ${parts.join(', ')}`);
  console.log(
    `  etcd: ${after.reads - before.reads} reads, ${compared(after.writes - before.writes, fleetWrites, 'writes')}`,
  );
  console.log(`  not ours: ${foreign.toFixed(1)} CPU s`);
}

function compared(ours: number, fleet: number | undefined, unit: string): string {
  const own = `${Number.isInteger(ours) ? ours : ours.toFixed(1)} ${unit}`;
  return fleet === undefined ? own : `${own} [${fleet}; ours is ${(ours / fleet).toFixed(2)} of it]`;
}

const namesOf = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `sleeper@${i + 1}.service`);

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

async function ctl(host: Host, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await host.convoyctl(...args);
  if (code !== 0) throw new Error(`convoyctl ${args[0]} exits with ${code}: ${stderr}`);
  return stdout;
}

/** Units that are active on another host than this one. */
async function runningOn(asked: Host, but: Host): Promise<ReadonlySet<string>> {
  const rows = await ctl(asked, 'list-units', '--no-legend', '--full', '--fields=unit,active,machine');
  return new Set(
    rows.split('\n').flatMap((row) => {
      const [unit = '', active, machine = ''] = row.split(/\s+/);
      return active === 'active' && !machine.startsWith(but.machineId) ? [unit] : [];
    }),
  );
}

const hosts = await openHosts({ count: 3 });
try {
  await measure(hosts);
} finally {
  await hosts.close();
}
