import { type Agent, startAgent } from '../../../agent/agent.js';
import type { UnitManager } from '../../../agent/unit-manager.js';
import type { Placement, ServiceEntry, UnitState } from '../../../registry/model.js';
import type { RegistryMemory } from '../../../registry/registry.js';
import { systemClock } from '../../../runtime/clock.js';
import { silentLog } from '../../../runtime/log.js';
import { silentMeter } from '../../../runtime/meter.js';
import { parse } from '../../../units/parse.js';
import { hashOf } from '../../../units/unit-file.js';
import { type MemoryRegistry, memoryOfMachine, openMemoryCluster } from '../../fakes/memory-registry.js';
import { type MemoryUnits, openMemoryUnits } from '../../fakes/memory-unit-manager.js';

export const MACHINE = 'machine-1';
export const HOST = '127.0.0.1';
const CLOCK = systemClock();

/** A registry in memory and the hand of a leader that places units on the one machine. */
export interface PlacedCluster {
  client(memory?: RegistryMemory): MemoryRegistry;
  place(name: string, text: string, change?: Partial<Pick<Placement, 'target' | 'restarts'>>): Promise<void>;
  unplace(name: string): Promise<void>;
  /** The unit's published states. */
  states(name: string): Promise<readonly UnitState[]>;
  services(): Promise<readonly ServiceEntry[]>;
  machines(): Promise<string[]>;
  close(): void;
}

export async function openPlacedCluster(): Promise<PlacedCluster> {
  const cluster = openMemoryCluster(CLOCK);
  const leader = cluster.client();
  const term = await leader.campaign('leader', 600_000, new AbortController().signal);
  const base = { machine: MACHINE, global: false, why: 'test' };

  async function seen(name: string) {
    const { assigned, placements, units } = await leader.readAll();
    const generation = units.get(name)?.generation ?? 0;
    const revision = assigned.get(name)?.revision ?? 0;
    return { generation, revision, placed: placements.get(MACHINE)?.has(name) ?? false };
  }
  async function commit(decision: Parameters<typeof leader.commit>[0][number]): Promise<void> {
    const result = await leader.commit([decision], term);
    if (result.kind !== 'done' || result.outcomes[0] !== 'committed')
      throw new Error(`${decision.kind} ${decision.unit}: ${JSON.stringify(result)}`);
  }

  return {
    client: (memory) => cluster.client(memory),
    async place(name, text, { target = 'launched', restarts = 0 } = {}) {
      const { unit } = parse(text);
      await leader.submitUnit(name, unit, target);
      const { placed, ...revisions } = await seen(name);
      const placement = { unit: name, machine: MACHINE, hash: hashOf(unit), target, restarts, why: 'test' };
      await commit({
        ...base,
        ...revisions,
        unit: name,
        placement,
        ...(placed ? { kind: 'update' } : { kind: 'place', stopBoundMs: null, failedOn: [] }),
      });
    },
    async unplace(name) {
      const { generation, revision } = await seen(name);
      await commit({ ...base, kind: 'unplace', unit: name, generation, revision });
    },
    states: async (name) =>
      [...((await leader.readAll()).states.get(MACHINE)?.values() ?? [])].filter(({ unit }) => unit === name),
    services: async () => (await leader.readServices()).services,
    machines: async () => (await leader.readMachines()).machines.map(({ id }) => id),
    close: () => cluster.close(),
  };
}

export function startTestAgent(registry: MemoryRegistry, manager: UnitManager, ttlMs = 60_000): Agent {
  return startAgent({
    registry,
    manager,
    machine: { id: MACHINE, ip: HOST, metadata: {}, apiAddress: '', version: '0', bootId: 'b' },
    clock: CLOCK,
    log: silentLog,
    meter: silentMeter,
    ttlMs,
    hostForServices: HOST,
    apiForUnits: 'unix:///run/read.sock',
  });
}

/** One machine's agent on a registry and a unit manager in memory. */
export interface AgentKit extends PlacedCluster {
  readonly units: MemoryUnits;
  /** The agent's own client of the registry: cut it, hold it. */
  readonly registry: MemoryRegistry;
  readonly agent: Agent;
  /** Another convoyd with the same machine id; with the same memory unless another is given. */
  startAnother(memory?: RegistryMemory): Agent;
  end(): Promise<void>;
}

export async function agentKit(ttlMs?: number): Promise<AgentKit> {
  const cluster = await openPlacedCluster();
  const units = openMemoryUnits(CLOCK);
  const ownMemory = memoryOfMachine();
  const registry = cluster.client(ownMemory);
  const agents = [startTestAgent(registry, units.manager(), ttlMs)];
  return {
    ...cluster,
    units,
    registry,
    agent: agents[0] as Agent,
    startAnother(memory = ownMemory) {
      const another = startTestAgent(cluster.client(memory), units.manager(), ttlMs);
      agents.push(another);
      return another;
    },
    async end() {
      for (const agent of agents) await agent.stop();
      units.close();
      cluster.close();
    },
  };
}
