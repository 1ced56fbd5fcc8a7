/**
 * The registry in memory: one `MemoryCluster` is the shared state, each `client()` is a whole `Registry` as one
 * convoyd has it. It passes the contract suite of the real one. Leases run on the given clock.
 */
import type { Decision, KnownMachine } from '../../registry/model.js';
import type {
  ClusterView,
  Hold,
  MachineSession,
  PlacementView,
  Registry,
  RegistryMemory,
  View,
} from '../../registry/registry.js';
import type { Clock } from '../../runtime/clock.js';
import { aborted, permanent, transient } from '../../runtime/errors.js';
import { createWakeUps } from '../../runtime/wake-ups.js';
import { MemoryTables } from './memory-cluster.js';
import { memoryEvents } from './memory-events.js';
import { memoryMachines } from './memory-machines.js';
import { memorySession, memoryTerm, type Reach } from './memory-sessions.js';
import { memoryUnits } from './memory-units.js';

/** A convoyd's registry with the faults tests need. */
export interface MemoryRegistry extends Registry {
  /** From now on every call fails as `transient`, no lease is renewed, views keep what they had. */
  cut(): void;
  restore(): void;
  /** Views answer hold with this reason and writes are refused; null ends it. */
  hold(reason: string | null): void;
}

export interface MemoryCluster {
  /** A client whose memory knows another cluster holds until it accepts, as soon as it has looked. */
  client(memory?: RegistryMemory): MemoryRegistry;
  /** What the operator does over the API: cordon, drain, metadata. The machine must have joined once. */
  setKnown(machine: string, change: Partial<Omit<KnownMachine, 'id'>>): void;
  /** From now on nobody can be told what has happened so far. */
  compact(): void;
  close(): void;
}

/** What a machine remembers, without files. Give the same one to two clients: the second resumes the first. */
export function memoryOfMachine(): RegistryMemory {
  let seen: Awaited<ReturnType<RegistryMemory['readSeen']>> = null;
  let lease: string | null = null;
  return {
    readSeen: async () => seen,
    async writeSeen(next) {
      seen = next;
    },
    readLease: async () => lease,
    async writeLease(next) {
      lease = next;
    },
  };
}

export function openMemoryCluster(clock: Clock): MemoryCluster {
  const tables = new MemoryTables(clock);
  return {
    client: (memory = memoryOfMachine()) => openClient(tables, clock, memory),
    setKnown: (id, change) => tables.changeKnown(id, change),
    compact: () => tables.history.compact(),
    close: () => tables.close(),
  };
}

function openClient(tables: MemoryTables, clock: Clock, memory: RegistryMemory): MemoryRegistry {
  const closing = new AbortController();
  let isCut = false;
  let holding: string | null = null;

  const looked = memory.readSeen().then(async (seen) => {
    if (seen === null) await memory.writeSeen(tables.seen());
    else if (seen.clusterId !== tables.clusterId)
      hold(`the registry holds cluster ${tables.clusterId}, but this machine belongs to ${seen.clusterId}`);
  });
  function hold(reason: string | null): void {
    holding = reason;
    tables.tell('all');
  }

  async function reach(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) throw aborted('the call was given up');
    if (closing.signal.aborted) throw aborted('the registry is closed');
    if (isCut) throw transient('the registry cannot be reached', { code: 'unreachable' });
  }
  async function reachToWrite(): Promise<void> {
    await looked;
    await reach();
    if (holding !== null) throw permanent(holding, { code: 'hold' });
  }
  const at: Reach = { clock, tables, reachable: () => !isCut, reach: reachToWrite, closed: closing.signal };

  /** A view serves what it had when the client was cut off. */
  function view<S extends object>(
    look: () => S,
    concerns: (machines: ReadonlySet<string> | 'all') => boolean,
  ) {
    const ended = new AbortController();
    const signalEnd = AbortSignal.any([ended.signal, closing.signal]);
    let last: S | Hold = isCut ? { kind: 'hold', reason: 'not listed yet' } : look();
    const wakes = createWakeUps();
    const unlisten = tables.listen((machines) => {
      if (isCut || !concerns(machines)) return;
      last = look();
      wakes.wake();
    });
    return {
      snapshot: () => (holding === null ? last : { kind: 'hold' as const, reason: holding }),
      changes: (signal: AbortSignal) => wakes.changes(AbortSignal.any([signal, signalEnd])),
      refresh() {
        if (isCut) return;
        last = look();
        wakes.wake();
      },
      async close() {
        ended.abort();
        unlisten();
      },
    } satisfies View<S> & { refresh(): void };
  }

  function commitOne(decision: Decision): 'committed' | 'stale' {
    const { unit, machine, global } = decision;
    if (decision.kind === 'place' && !global && decision.revision !== 0)
      throw permanent(`${unit} is still assigned: it has to be unplaced before it is placed anew`);
    const mine = tables.placements.get(machine) ?? new Map();
    tables.placements.set(machine, mine);
    const seen = global ? mine.get(unit)?.revision : tables.assigned.get(unit)?.revision;
    if ((tables.units.get(unit)?.generation ?? 0) !== decision.generation) return 'stale';
    if ((seen ?? 0) !== decision.revision) return 'stale';
    tables.change(
      (revision) => {
        if (decision.kind === 'unplace') {
          mine.delete(unit);
          if (!global) tables.assigned.delete(unit);
          return;
        }
        mine.set(unit, { ...decision.placement, fence: mine.get(unit)?.fence ?? revision, revision });
        const written = decision.kind === 'update' ? decision.reassign : decision;
        if (global || written === undefined) return;
        const { stopBoundMs, failedOn } = written;
        const created = tables.assigned.get(unit)?.created ?? revision;
        tables.assigned.set(unit, { unit, machine, stopBoundMs, failedOn, created, revision });
      },
      new Set([machine]),
    );
    return 'committed';
  }

  return {
    cut() {
      isCut = true;
    },
    restore() {
      isCut = false;
      tables.tell('all');
    },
    hold,

    async readAll(signal) {
      await reach(signal);
      return tables.snapshot();
    },
    async readUnit(name, signal) {
      await reach(signal);
      const { units, assigned, placements, states } = tables.snapshot();
      const record = units.get(name);
      if (record === undefined) return null;
      const machine = assigned.get(name)?.machine ?? null;
      return {
        revision: tables.revision,
        record,
        machine,
        why: machine === null ? null : (placements.get(machine)?.get(name)?.why ?? null),
        states: [...states.values()].flatMap((rows) => rows.get(name) ?? []),
      };
    },
    async readStates(name, signal) {
      await reach(signal);
      const states = [...tables.snapshot().states.values()].flatMap((rows) => rows.get(name) ?? []);
      return states.sort((a, b) => (a.machine < b.machine ? -1 : 1));
    },
    async readAllStates(signal) {
      await reach(signal);
      const states = [...tables.snapshot().states.values()].flatMap((rows) => [...rows.values()]);
      return { states, revision: tables.revision };
    },
    async readMachines(signal) {
      await reach(signal);
      const { machines, known } = tables.snapshot();
      return { machines: [...machines.values()], known: [...known.values()], revision: tables.revision };
    },
    async readServices(service, signal) {
      await reach(signal);
      const key = (entry: { service: string; unit: string; machine: string }): string =>
        `${entry.service}\0${entry.unit}\0${entry.machine}`;
      const services = [...tables.services.values()]
        .flat()
        .filter((entry) => service === undefined || entry.service === service)
        .sort((a, b) => (key(a) < key(b) ? -1 : 1));
      return { services, revision: tables.revision };
    },

    ...memoryUnits(tables, reachToWrite),
    ...memoryMachines(tables, reachToWrite),
    openEvents: (after, signal) =>
      memoryEvents(tables, after, { looked, reach, isCut: () => isCut, hold: () => holding }, [
        signal,
        closing.signal,
      ]),
    async readSecret() {
      await reach();
      return tables.secret;
    },
    async accept() {
      await reach();
      await memory.writeSeen(tables.seen());
      hold(null);
      return tables.seen();
    },

    async join(machine, ttlMs, use): Promise<MachineSession> {
      await reachToWrite();
      const kept = tables.lease((await memory.readLease()) ?? '');
      const lease = kept?.ttlMs === ttlMs ? kept : tables.grant(ttlMs);
      if (kept !== undefined && kept !== lease) tables.revoke(kept.id);
      const holder = tables.machines.get(machine.id);
      if (holder !== undefined && holder.lease !== lease.id) {
        tables.revoke(lease.id);
        throw permanent(`machine id ${machine.id} is already taken by another convoyd`, {
          code: 'duplicate-machine-id',
        });
      }
      await memory.writeLease(lease.id);
      tables.renew(lease.id);
      tables.change(() => {
        tables.machines.set(machine.id, { machine, lease: lease.id });
        const { id } = machine;
        const metadata = tables.unjoined.get(id) ?? {};
        const unknown = { id, firstSeen: clock.now(), cordoned: false, draining: false, metadata };
        tables.known.set(id, { ...(tables.known.get(id) ?? unknown), away: null });
        tables.unjoined.delete(id);
      });
      return memorySession(at, machine.id, lease, use);
    },

    async campaign(machineId, ttlMs, given) {
      const signal = AbortSignal.any([given, closing.signal]);
      while (isCut || holding !== null || tables.leader !== undefined) {
        await new Promise<void>((resolve) => {
          const unlisten = tables.listen(() => wake());
          const wake = (): void => {
            unlisten();
            signal.removeEventListener('abort', wake);
            resolve();
          };
          signal.addEventListener('abort', wake);
          if (signal.aborted) wake();
        });
        if (signal.aborted) break;
      }
      if (signal.aborted) throw aborted('the campaign was given up');
      const lease = tables.grant(ttlMs);
      const fence = tables.change((revision) => {
        tables.leader = { machine: machineId, term: revision, frozen: null, lease: lease.id };
        return revision;
      });
      return memoryTerm(at, lease, fence);
    },
    async readLeader() {
      await reach();
      if (tables.leader === undefined) return null;
      const { machine, term, frozen } = tables.leader;
      return { machine, term, frozen };
    },

    async commit(decisions, term) {
      await reachToWrite();
      if (tables.leader?.term !== term.fence) return { kind: 'deposed' };
      const outcomes = decisions.map(commitOne);
      return { kind: 'done', outcomes, revision: outcomes.includes('committed') ? tables.revision : 0 };
    },
    async collectContents(term) {
      await reachToWrite();
      if (tables.leader?.term !== term.fence) return 0;
      const placed = [...tables.placements.values()].flatMap((rows) => [...rows.values()]);
      const used = new Set([...tables.units.values(), ...placed].map(({ hash }) => hash));
      const unused = [...tables.contents.keys()].filter((hash) => !used.has(hash));
      if (unused.length > 0)
        tables.change(() => {
          for (const hash of unused) tables.contents.delete(hash);
        });
      return unused.length;
    },

    async openClusterView(signal): Promise<ClusterView> {
      await reach(signal);
      return view(
        () => ({ kind: 'cluster' as const, ...tables.snapshot() }),
        () => true,
      );
    },
    openPlacementView(machineId): PlacementView {
      return view(
        () => ({
          kind: 'placements' as const,
          revision: tables.revision,
          placements: new Map(
            [...(tables.placements.get(machineId) ?? [])].map(([unit, placement]) => [
              unit,
              { ...placement, content: tables.content(placement.hash) },
            ]),
          ),
        }),
        (machines) => machines === 'all' || machines.has(machineId),
      );
    },
    async close() {
      closing.abort();
    },
  };
}
