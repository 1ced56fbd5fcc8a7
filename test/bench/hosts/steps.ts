import { performance } from 'node:perf_hooks';
import { openClient } from '../../../cli/client.js';
import type { Host, Hosts } from '../../support/hosts.js';
import { until } from '../../support/until.js';
import { median } from '../support/figures.js';
import { type CpuUse, cpuBetween, cpuUse, pidsNaming } from '../support/processes.js';

/** Of a daemon the name of its process. */
const DAEMONS = ['node', 'etcd', 'systemd', 'systemd-journal', 'dbus-daemon'] as const;
type Daemon = (typeof DAEMONS)[number];

/** What daemons of all hosts used, and what etcd was asked. */
export interface Look {
  readonly cpu: CpuUse;
  readonly reads: number;
  readonly writes: number;
}

export interface Cost {
  /** CPU seconds of each, on all hosts together. */
  readonly seconds: ReadonlyMap<Daemon, number>;
  readonly reads: number;
  readonly writes: number;
}

export async function look({ world, etcd }: Hosts): Promise<Look> {
  const [reads = 0, puts = 0, deletes = 0] = await Promise.all(
    ['range', 'put', 'delete'].map((kind) => etcd.metric(`etcd_mvcc_${kind}_total`)),
  );
  return { cpu: cpuUse(pidsNaming(world.dir)), reads, writes: puts + deletes };
}

export function costBetween(before: Look, after: Look): Cost {
  const byName = cpuBetween(before.cpu, after.cpu);
  return {
    seconds: new Map(DAEMONS.map((name) => [name, byName.get(name) ?? 0])),
    reads: after.reads - before.reads,
    writes: after.writes - before.writes,
  };
}

/** CPU seconds of these daemons together. */
export function secondsOf({ seconds }: Cost, names: readonly Daemon[] = DAEMONS): number {
  return names.reduce((sum, name) => sum + (seconds.get(name) ?? 0), 0);
}

/** `convoyd 1.2, etcd 0.8 ...`, by medians. */
export function parts(costs: readonly Cost[]): string {
  const [first] = costs;
  const names = [...(first?.seconds.keys() ?? [])];
  return names
    .map((name) => {
      const value = median(costs.map(({ seconds }) => seconds.get(name) ?? 0));
      return `${name === 'node' ? 'convoyd' : name} ${value.toFixed(2)}`;
    })
    .join(', ');
}

/** Unit NUMBER of one run has a name that no other run has: nothing is known of it anywhere. */
export const namesOf = (run: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `sleeper@${run}-${i + 1}.service`);

/** In seconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** What convoyctl prints; it must exit with 0. */
export async function ctl(host: Host, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await host.convoyctl(...args);
  if (code !== 0) throw new Error(`convoyctl ${args[0]} exits with ${code}: ${stderr}`);
  return stdout;
}

/** Resolves when so many units are active on other hosts than the lost one, as `asked` says. */
export async function untilRunningElsewhere(asked: Host, lost: Host, count: number): Promise<void> {
  const api = openClient(asked.endpoint);
  await until(
    `${count} units run elsewhere`,
    async () => {
      const states = (await api.unitReports()).flatMap((unit) => unit.states);
      const elsewhere = states.filter(
        ({ active, machine }) => active === 'active' && machine !== lost.machineId,
      );
      return elsewhere.length === count;
    },
    120_000,
  );
  api.close();
}

export async function untilJoined(asked: Host, count: number): Promise<void> {
  const api = openClient(asked.endpoint);
  await until(
    `${count} machines are there`,
    async () => (await api.machines().catch(() => [])).length === count,
    60_000,
  );
  api.close();
}
