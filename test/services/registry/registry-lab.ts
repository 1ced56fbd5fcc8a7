import { afterEach } from 'vitest';
import { openEtcdRegistry } from '../../../registry/etcd-registry.js';
import type { Decision } from '../../../registry/model.js';
import type { LeaderTerm, Registry, RegistryMemory } from '../../../registry/registry.js';
import { systemClock } from '../../../runtime/clock.js';
import { silentLog } from '../../../runtime/log.js';
import { aMachine, aPlace, aState, aUnit } from '../../contracts/registry-contract.js';
import { memoryOfMachine } from '../../fakes/memory-registry.js';
import { type Proxy as FaultyProxy, startProxy } from '../../support/proxy.js';
import { until } from '../../support/until.js';

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

/** A convoyd's day: joins, leads, places a unit on itself, sees it in its view, says what became of it. */
export async function liveADay(registry: Registry, machine: string, ttlMs = 10_000) {
  const session = await registry.join(aMachine(machine), ttlMs);
  const view = registry.openPlacementView(machine);
  const term = await registry.campaign(machine, ttlMs, new AbortController().signal);
  let count = 0;
  /** Places one more unit and waits until the machine's view shows it. */
  async function placeOne(): Promise<void> {
    count += 1;
    const unit = `${machine}-${count}.service`;
    const { generation } = await registry.submitUnit(unit, aUnit(), 'launched');
    const result = await registry.commit([aPlace(unit, machine, generation)], term);
    if (result.kind !== 'done' || result.outcomes[0] !== 'committed')
      throw new Error(`${unit} was not placed: ${JSON.stringify(result)}`);
    await until(`${unit} is seen`, () => {
      const now = view.snapshot();
      return now.kind === 'placements' && now.placements.has(unit);
    });
    await session.publish([aState(machine, unit)], []);
    if ((await registry.readStates(unit)).length !== 1) throw new Error(`the state of ${unit} is missing`);
  }
  await placeOne();
  return { session, view, term, placeOne };
}
