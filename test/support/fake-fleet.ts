import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Api, type ApiOptions, startApi } from '../../api/server.js';
import type { Decision, Machine, Placement, UnitState } from '../../registry/model.js';
import type { LeaderTerm, MachineSession } from '../../registry/registry.js';
import { systemClock } from '../../runtime/clock.js';
import { ConvoyError } from '../../runtime/errors.js';
import { silentLog } from '../../runtime/log.js';
import { silentMeter } from '../../runtime/meter.js';
import { explainUnit } from '../../scheduler/explain.js';
import { readConstraints } from '../../units/constraints.js';
import { type MemoryRegistry, openMemoryCluster } from '../fakes/memory-registry.js';
import { until } from './until.js';

/** What becomes of a unit's process when it is started. */
export interface Behaviour {
  /** No machine suits it: the leader's words. */
  readonly refusal?: string;
  /** The one machine that suits it. */
  readonly machine?: string;
  /** How long it is `activating`. */
  readonly startMs?: number;
  /** How long it is `deactivating`. */
  readonly stopMs?: number;
  /** It fails with this reason as soon as it is started. */
  readonly fails?: string;
  /** It ends well by itself, like a oneshot. */
  readonly ends?: boolean;
}

/** Machines, a leader that places by fewest units, and agents that obey at once: enough for API and CLI. */
export interface FakeFleet {
  readonly registry: MemoryRegistry;
  readonly sessions: readonly MachineSession[];
  readonly leader: LeaderTerm;
  readonly api: Api;
  readonly socket: string;
  readonly url: string;
  readonly dir: string;
  /** By unit; what is not here starts and stops at once. */
  readonly behaviours: Map<string, Behaviour>;
  /** How often each unit's process was started. */
  readonly starts: ReadonlyMap<string, number>;
  /** Units reloaded through the first machine's API, in order. */
  readonly reloads: readonly string[];
  /** From now on nobody can be told what has happened so far. */
  compact(): void;
  /** Resolves when everything asked for so far has been done. */
  rest(): Promise<void>;
  /** Starts the API of another machine of the same cluster. */
  serve(options: Partial<ApiOptions>): Promise<Api>;
  stop(): Promise<void>;
}

const TTL_MS = 60_000;
/** For `serve`: other machines ask on a free port of loopback. */
export const FOR_PEERS = { host: '127.0.0.1', port: 0, publicIp: '127.0.0.1', isDefault: false };

/** `still`: nobody places and nobody runs anything; the test does, as leader and as sessions. */
export async function startFakeFleet(
  machines: readonly { id: string; ip: string; metadata: Record<string, string> }[],
  { still = false } = {},
): Promise<FakeFleet> {
  const clock = systemClock();
  const cluster = openMemoryCluster(clock);
  const registry = cluster.client();
  const secret = await registry.readSecret();
  // The leader goes on when a test cuts the API off.
  const brain = cluster.client();
  const ending = new AbortController();
  const dir = mkdtempSync(join(tmpdir(), 'convoy-fleet-'));
  const behaviours = new Map<string, Behaviour>();
  const starts = new Map<string, number>();
  const reloads: string[] = [];
  const sessions: MachineSession[] = [];
  for (const { id, ip, metadata } of machines) {
    const machine: Machine = { id, ip, metadata, apiAddress: '', version: 'test', bootId: randomUUID() };
    sessions.push(await cluster.client().join(machine, TTL_MS));
  }
  const leader = await brain.campaign(machines[0]?.id ?? 'nobody', TTL_MS, ending.signal);

  const refusals = (): Map<string, string> =>
    new Map([...behaviours].flatMap(([unit, { refusal }]) => (refusal ? [[unit, refusal] as const] : [])));
  const serve = (options: Partial<ApiOptions>): Promise<Api> =>
    startApi({
      registry,
      machineId: machines[0]?.id ?? '',
      localLog: async function* (unit, { lines }) {
        for (let line = 1; line <= Math.min(lines ?? 3, 3); line++) yield `${unit} line ${line}`;
      },
      localReload: async (unit) => void reloads.push(unit),
      localCondition: () => ({
        cpus: 2,
        load: { oneMinute: 0.5, fiveMinutes: 0.25, quarterHour: 0 },
        memory: { total: 2 ** 31, available: 2 ** 30 },
        up: 86_400,
      }),
      leading: () => ({ term: leader.fence, refusals: refusals(), frozen: null, hold: null }),
      explain: refusals,
      explainUnit,
      planRebalance: () => [],
      hold: () => null,
      outsider: () => null,
      notJoined: () => null,
      unitManager: async () => undefined,
      clock,
      log: silentLog,
      meter: silentMeter,
      version: '0.1.0',
      sockets: [],
      tcp: [],
      access: { tokens: [], tls: null },
      peerListen: null,
      secret: () => secret,
      ...options,
    });
  const socket = join(dir, 'api.sock');
  const api = await serve({
    sockets: [{ path: socket, role: 'admin' }],
    tcp: [{ host: '127.0.0.1', port: 0, role: 'admin' }],
    peerListen: FOR_PEERS,
  });

  const view = await brain.openClusterView(ending.signal);
  const agents = sessions.map((session) => createAgent(session, behaviours, starts));
  let quietPasses = 0;
  const pass = async (): Promise<void> => {
    const { decisions } = await decide(brain, behaviours, sessions);
    await brain.commit(decisions, leader);
    const { placements } = await brain.readAll();
    const busy = await Promise.all(
      agents.map((agent, at) => agent(placements.get(sessions[at]?.machineId ?? '') ?? new Map())),
    );
    quietPasses = decisions.length > 0 || busy.includes(true) ? 0 : quietPasses + 1;
  };
  const run = async (): Promise<void> => {
    await pass();
    const wakes = view.changes(ending.signal)[Symbol.asyncIterator]();
    let wake = wakes.next();
    while (!ending.signal.aborted) {
      await Promise.race([wake.then(() => undefined), clock.sleep(50)]);
      wake = wakes.next();
      await pass();
    }
  };
  const loop = still ? Promise.resolve() : run();

  return {
    registry,
    sessions,
    leader,
    api,
    socket,
    url: api.addresses[1] ?? '',
    dir,
    behaviours,
    starts,
    reloads,
    serve,
    compact: cluster.compact,
    async rest() {
      // The pass in hand may have begun before what was asked for last.
      quietPasses = -1;
      await until('the fleet to be at rest', () => quietPasses > 0);
    },
    async stop() {
      ending.abort();
      await loop.catch(() => undefined);
      await api.stop();
      cluster.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function decide(
  registry: MemoryRegistry,
  behaviours: ReadonlyMap<string, Behaviour>,
  sessions: readonly MachineSession[],
): Promise<{ decisions: Decision[] }> {
  const { units, assigned, placements } = await registry.readAll();
  const decisions: Decision[] = [];
  const load = new Map(sessions.map(({ machineId }) => [machineId, placements.get(machineId)?.size ?? 0]));
  const rank = (): string[] =>
    [...load].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1)).map(([machine]) => machine);

  for (const record of units.values()) {
    const { name, target, hash, restarts, generation, unit } = record;
    if (target === 'inactive' || behaviours.get(name)?.refusal) continue;
    const { global } = readConstraints(name, unit).constraints;
    const here = assigned.get(name)?.machine ?? behaviours.get(name)?.machine ?? rank()[0];
    for (const machine of global ? load.keys() : here === undefined ? [] : [here]) {
      const placed = placements.get(machine)?.get(name);
      const same = placed?.hash === hash && placed.target === target && placed.restarts === restarts;
      if (same) continue;
      if (placed === undefined) load.set(machine, (load.get(machine) ?? 0) + 1);
      const revision = (global ? placed?.revision : assigned.get(name)?.revision) ?? 0;
      const why = 'fewest units';
      const placement = { unit: name, machine, hash, target, restarts, why };
      decisions.push({
        ...(placed === undefined ? { kind: 'place', stopBoundMs: null, failedOn: [] } : { kind: 'update' }),
        ...{ unit: name, machine, global, generation, revision, why, placement },
      });
    }
  }
  for (const [machine, rows] of placements)
    for (const [unit, { revision }] of rows) {
      const record = units.get(unit);
      if (record !== undefined && record.target !== 'inactive') continue;
      const owner = assigned.get(unit);
      const global = owner === undefined;
      decisions.push({
        kind: 'unplace',
        ...{ unit, machine, global, generation: record?.generation ?? 0 },
        revision: owner?.revision ?? revision,
        why: 'not wanted',
      });
    }
  return { decisions };
}

interface Running {
  state: UnitState;
  restarts: number;
  /** When the state it is in for a while ends, and what comes then. */
  next: { at: number; state: Partial<UnitState> } | null;
}

/** An agent as a function of its placements, called again and again. Answers whether something changed. */
function createAgent(
  session: MachineSession,
  behaviours: ReadonlyMap<string, Behaviour>,
  starts: Map<string, number>,
): (placements: ReadonlyMap<string, Placement>) => Promise<boolean> {
  const running = new Map<string, Running>();

  function start(unit: Running, { restarts }: Placement): void {
    const { startMs = 0, fails, ends } = behaviours.get(unit.state.unit) ?? {};
    unit.restarts = restarts;
    starts.set(unit.state.unit, (starts.get(unit.state.unit) ?? 0) + 1);
    const outcome: Partial<UnitState> = fails
      ? { active: 'failed', sub: 'failed', exit: '1', reason: fails }
      : ends
        ? { active: 'inactive', sub: 'dead', exit: '0' }
        : { active: 'active', sub: 'running', exit: null, reason: '' };
    become(unit, { reached: 'launched', active: 'activating', sub: 'start' }, startMs, outcome);
  }
  function become(unit: Running, now: Partial<UnitState>, ms: number, then: Partial<UnitState>): void {
    unit.state = { ...unit.state, ...now, since: unit.state.since + 1 };
    unit.next = { at: performance.now() + ms, state: then };
  }

  let published = '';
  return async (placements) => {
    const gone: string[] = [];
    for (const placement of placements.values()) {
      const { unit: name, hash, target } = placement;
      const unit = running.get(name) ?? loaded(session.machineId, placement);
      running.set(name, unit);
      // A new text: the unit is stopped, loaded anew, and started again if that is wanted.
      if (unit.state.hash !== hash && unit.next === null)
        unit.state = {
          ...{ ...unit.state, hash, reached: 'loaded', active: 'inactive', sub: 'dead' },
          since: unit.state.since + 1,
        };
      const { stopMs = 0 } = behaviours.get(name) ?? {};
      if (target === 'launched' && unit.next === null) {
        if (unit.state.reached === 'loaded' || placement.restarts > unit.restarts) start(unit, placement);
      } else if (target === 'loaded' && unit.state.reached === 'launched' && unit.next === null)
        become(unit, { active: 'deactivating', sub: 'stop' }, stopMs, {
          ...{ active: 'inactive', sub: 'dead', reached: 'loaded' },
        });
    }
    for (const [name, unit] of running) {
      const wasActive = unit.state.active === 'active';
      if (!placements.has(name) && unit.next === null && wasActive)
        become(unit, { active: 'deactivating', sub: 'stop' }, behaviours.get(name)?.stopMs ?? 0, {
          ...{ active: 'inactive', sub: 'dead' },
        });
      else if (!placements.has(name) && unit.next === null) {
        running.delete(name);
        gone.push(name);
      }
      if (unit.next !== null && performance.now() >= unit.next.at) {
        unit.state = { ...unit.state, ...unit.next.state, since: unit.state.since + 1 };
        unit.next = null;
      }
    }
    const states = [...running.values()].map(({ state }) => state);
    await session.publish(states, gone).catch((error: unknown) => {
      // The test made the machine leave.
      if (!(error instanceof ConvoyError && error.code === 'lease-gone')) throw error;
    });
    const before = published;
    published = JSON.stringify(states);
    return before !== published || [...running.values()].some(({ next }) => next !== null);
  };
}

function loaded(machine: string, { unit, hash, restarts }: Placement): Running {
  const state: UnitState = {
    ...{ unit, machine, hash, load: 'loaded', active: 'inactive', sub: 'dead', reached: 'loaded' },
    ...{ since: Date.now(), exit: null, autoRestarts: 0, reason: '', heard: 0 },
  };
  return { state, restarts, next: null };
}
