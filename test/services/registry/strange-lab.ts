import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Ground } from '../../../agent/ground.js';
import type { PlacementView, RegistryMemory } from '../../../registry/registry.js';
import { aMachine, aPlace, aUnit } from '../../contracts/registry-contract.js';
import { memoryOfMachine } from '../../fakes/memory-registry.js';
import { type TestServer, testEtcd } from '../../support/services.js';
import { until } from '../../support/until.js';
import type { LabRegistry, useRegistries } from './registry-lab.js';

const TTL_MS = 3000;

/** A cluster with one agent that has one placement, on an etcd of its own. */
export interface StrangeCluster {
  readonly etcd: TestServer;
  /** Where that etcd has its data. */
  readonly dir: string;
  readonly memory: RegistryMemory;
  readonly registry: LabRegistry;
  readonly view: PlacementView;
}

/** Clusters whose etcd becomes another one. */
export function useStrangeLab(ground: Ground, open: ReturnType<typeof useRegistries>) {
  let count = 0;

  async function cluster(): Promise<StrangeCluster> {
    count += 1;
    const name = `etcd-${count}`;
    const etcd = await testEtcd(ground, { name });
    const memory = memoryOfMachine();
    const registry = await open(etcd.port, '/convoy/', memory);
    await registry.join(aMachine('m1'), TTL_MS);
    const { generation } = await registry.submitUnit('a.service', aUnit(), 'launched');
    const term = await registry.campaign('m1', TTL_MS, new AbortController().signal);
    await registry.commit([aPlace('a.service', 'm1', generation)], term);
    await term.resign();
    const view = registry.openPlacementView('m1');
    await until('the placement', () => sizeOf(view) === 1);
    return { etcd, dir: join(ground.dir, name), memory, registry, view };
  }

  /** Copies the data of the stopped etcd, starts it again and answers where the copy is. */
  async function backUp({ etcd, dir }: StrangeCluster): Promise<string> {
    await etcd.kill();
    const copy = `${dir}-backup`;
    cpSync(dir, copy, { recursive: true });
    await etcd.restart();
    return copy;
  }

  /** Starts the etcd again with other data, or with none. */
  async function startWith({ etcd, dir }: StrangeCluster, data: string | null): Promise<void> {
    await etcd.kill();
    rmSync(dir, { recursive: true });
    if (data !== null) cpSync(data, dir, { recursive: true });
    await etcd.restart();
  }

  return { cluster, backUp, startWith };
}

/** How many placements the view shows; -1 while it holds. */
export function sizeOf(view: PlacementView): number {
  const now = view.snapshot();
  return now.kind === 'hold' ? -1 : now.placements.size;
}

export function holdOf(view: PlacementView): string | undefined {
  const now = view.snapshot();
  return now.kind === 'hold' ? now.reason : undefined;
}
