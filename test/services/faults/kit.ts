import { join } from 'node:path';
import { expect } from 'vitest';
import { ctl, untilActive, untilMachines } from '../../support/fleet-view.js';
import { type Host, type Hosts, type HostsOptions, openHosts } from '../../support/hosts.js';
import { until } from '../../support/until.js';
import { type Copy, openWitness, overlaps, type Witness } from '../../support/witness.js';

/** Hosts on which a unit of each kind is running: one that may be there once at most, and one that is to be there always. */
export interface FaultKit {
  readonly hosts: Hosts;
  readonly witness: Witness;
  host(machine: string | undefined): Host;
  /** The host on which the only running copy is, once there is exactly one, on none of `but`. */
  untilOnlyOn(unit: Subject, but?: readonly Host[], timeoutMs?: number): Promise<Host>;
  /** No two copies of `once` have ever run at the same time. */
  expectNeverTwo(): void;
}

/** `once.service` has OnPartition=stop, `keep.service` has fleet's behaviour. */
export type Subject = 'once' | 'keep';

export async function openFaultKit(options: HostsOptions): Promise<FaultKit> {
  const hosts = await openHosts(options);
  await untilMachines(hosts.host(1), options.count, 60_000);
  return startSubjects(hosts);
}

/** Starts both subjects on hosts that are there. */
export async function startSubjects(hosts: Hosts): Promise<FaultKit> {
  const witness = openWitness(join(hosts.shared, 'witness'), '/shared/witness');
  const first = hosts.host(1);
  hosts.unit(
    'once.service',
    `[Service]\n${witness.service('once')}\nTimeoutStopSec=2s\n\n[X-Convoy]\nOnPartition=stop\n`,
  );
  hosts.unit('keep.service', `[Service]\n${witness.service('keep')}\nRestart=always\nTimeoutStopSec=2s\n`);
  await ctl(first, 'start', 'once.service', 'keep.service');
  await untilActive(first, ['once.service', 'keep.service']);

  const byName = (name: string): Host => hosts.all.find((host) => host.name === name) as Host;
  return {
    hosts,
    witness,
    host: (machine) => hosts.all.find(({ machineId }) => machineId === machine) as Host,
    untilOnlyOn: (unit, but = [], timeoutMs = 40_000) =>
      until(
        `${unit}.service runs once, not on ${but.map(({ name }) => name).join(', ') || 'one named'}`,
        () => {
          const running = witness.running(unit);
          const host = byName(running[0]?.host ?? '');
          return running.length === 1 && !but.includes(host) ? host : undefined;
        },
        timeoutMs,
      ),
    expectNeverTwo() {
      const copies = witness.copies('once');
      expect(copies.length).toBeGreaterThan(0);
      expect(overlaps(copies), describeCopies(copies)).toEqual([]);
    },
  };
}

function describeCopies(copies: readonly Copy[]): string {
  const start = copies[0]?.first ?? 0;
  const since = (ms: number): string => ((ms - start) / 1000).toFixed(2);
  return copies
    .map(({ host, fence, first, last }) => `${host} ${since(first)}..${since(last)} fence ${fence}`)
    .join('; ');
}
