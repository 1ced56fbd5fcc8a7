import { afterEach } from 'vitest';
import { openEtcdRegistry } from '../../../registry/etcd-registry.js';
import type { Decision } from '../../../registry/model.js';
import type { LeaderTerm, Registry, RegistryMemory } from '../../../registry/registry.js';
import { systemClock } from '../../../runtime/clock.js';
import { silentLog } from '../../../runtime/log.js';
import { aPlace, aUnit } from '../../contracts/registry-contract.js';
import { memoryOfMachine } from '../../fakes/memory-registry.js';
import { type Proxy as FaultyProxy, startProxy } from '../../support/proxy.js';

export interface LabRegistry extends Registry {
  readonly proxy: FaultyProxy;
}

/** Registries on a real etcd, each behind a proxy of its own; all close after the test. */
export function useRegistries() {
  const opened: LabRegistry[] = [];
  afterEach(async () => {
    await Promise.all(opened.map((registry) => registry.close()));
    await Promise.all(opened.splice(0).map(({ proxy }) => proxy.close()));
  });
  return async (
    port: number,
    prefix: string,
    memory: RegistryMemory = memoryOfMachine(),
  ): Promise<LabRegistry> => {
    const proxy = await startProxy(port);
    const registry = await openEtcdRegistry({
      ...{ endpoints: [`http://127.0.0.1:${proxy.port}`], prefix, memory },
      ...{ clock: systemClock(), log: silentLog },
    });
    const lab = { ...registry, proxy };
    opened.push(lab);
    return lab;
  };
}

/** Submits units and answers a decision for each that places it on `machine`. */
export async function submitMany(registry: Registry, count: number, machine: string): Promise<Decision[]> {
  const names = Array.from({ length: count }, (_, i) => `u${i}.service`);
  const decisions: Decision[] = [];
  for (let start = 0; start < count; start += 50) {
    const part = names.slice(start, start + 50);
    const records = await Promise.all(part.map((name) => registry.submitUnit(name, aUnit(), 'launched')));
    decisions.push(...part.map((name, i) => aPlace(name, machine, records[i]!.generation)));
  }
  return decisions;
}

/** A leader that does not know when to stop: only the fence can hold it back. */
export function blind(term: LeaderTerm): LeaderTerm {
  return { ...term, trusted: () => true, lost: new AbortController().signal, resign: () => term.resign() };
}
