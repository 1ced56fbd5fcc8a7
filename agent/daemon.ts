import { type Access, canIdentify } from '../api/access.js';
import type { PeerListen } from '../api/peer-server.js';
import { startApi } from '../api/server.js';
import type { EtcdAccess } from '../registry/etcd-host.js';
import { openEtcdRegistry } from '../registry/etcd-registry.js';
import { fileMemory } from '../registry/memory.js';
import { etcdMetrics, withFleetMetrics } from '../registry/metrics.js';
import type { Clock } from '../runtime/clock.js';
import type { Log } from '../runtime/log.js';
import { processMetrics } from '../runtime/process-metrics.js';
import { prometheusMeter } from '../runtime/prometheus.js';
import type { Shutdown } from '../runtime/shutdown.js';
import { explainPending, explainUnit } from '../scheduler/explain.js';
import { planRebalance } from '../scheduler/rebalance.js';
import { startScheduler } from '../scheduler/scheduler.js';
import { type Agent, startAgent } from './agent.js';
import { apiSocket, unitSocket } from './api-sockets.js';
import { localCondition } from './condition.js';
import { readBootId } from './identity.js';
import type { UnitManagerOptions } from './open-unit-manager.js';
import { keepSecret } from './secret.js';
import type { UnitManager } from './unit-manager.js';

export interface DaemonOptions extends EtcdAccess, UnitManagerOptions {
  readonly etcd: readonly string[];
  readonly etcdPrefix: string;
  readonly machineId: string;
  readonly publicIp: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** TCP address of the API; null: unix sockets only. */
  readonly listen: { readonly host: string; readonly port: number } | null;
  /** Whom the API believes over TCP. */
  readonly access: Access;
  /** Where other machines ask; null: nowhere. */
  readonly peerListen: PeerListen | null;
  /** What must survive a reboot. */
  readonly stateDir: string;
  readonly ttlMs: number;
  readonly graceMs: number;
  /** The units of this machine are stopped, for others to take over, before convoyd ends. */
  readonly drainOnStop: boolean;
  readonly version: string;
  /** Sockets that listen already, path -> descriptor. */
  readonly listening: ReadonlyMap<string, number>;
  /** Where fleet's clients look for the API; null: they are not served. */
  readonly fleetSocket: string | null;
  /** This machine is never the leader. */
  readonly neverLead: boolean;
}

/**
 * One machine's convoyd: API, agent and scheduler on one registry. Resolves when the API is served; etcd need not
 * answer yet. What it opens is closed by `shutdown`, units are left running. `openManager` brings what runs units.
 */
export async function startDaemon(
  options: DaemonOptions,
  clock: Clock,
  log: Log,
  shutdown: Shutdown,
  openManager: () => Promise<UnitManager>,
): Promise<void> {
  const { machineId, runDir, ttlMs, access } = options;
  const meter = prometheusMeter();
  processMetrics(meter);
  const etcdRegistry = await openEtcdRegistry({
    endpoints: options.etcd,
    tls: options.tls,
    auth: options.auth,
    prefix: options.etcdPrefix,
    clock,
    log: log.child({ part: 'registry' }),
    memory: fileMemory(options.stateDir, runDir),
    onCall: etcdMetrics(meter),
  });
  const registry = withFleetMetrics(etcdRegistry, meter, clock);
  shutdown.onClose('registry', () => registry.close());
  const manager = await openManager();
  shutdown.onClose(options.unitManager, () => manager.close());

  const scheduler = options.neverLead
    ? null
    : startScheduler({
        registry,
        machineId,
        clock,
        log: log.child({ part: 'scheduler' }),
        meter,
        ttlMs,
        graceMs: options.graceMs,
      });
  shutdown.onClose('scheduler', () => scheduler?.stop());
  let agent: Agent | undefined;
  const secret = keepSecret(registry, clock, shutdown.signal);
  const api = await startApi({
    registry,
    machineId,
    localLog: (unit, which, signal) => manager.log(unit, which, signal),
    localReload: (unit) => manager.reload(unit),
    localCondition,
    leading() {
      const { term = null, refusals = null, frozen = null, hold = null } = scheduler?.status() ?? {};
      return term === null || refusals === null ? null : { term, refusals, frozen, hold };
    },
    explain: explainPending,
    explainUnit,
    planRebalance,
    hold: () => agent?.status().hold ?? null,
    outsider: () => agent?.status().outsider ?? null,
    notJoined() {
      const { joined = false, trusted = false, problem = null } = agent?.status() ?? {};
      if (!joined) return problem ?? 'joining';
      return trusted ? null : 'etcd has not confirmed the lease of this machine in time';
    },
    unitManager: async () => void (await manager.list()),
    clock,
    log: log.child({ part: 'api' }),
    meter,
    version: options.version,
    sockets: [
      { path: apiSocket(runDir), role: 'admin' as const },
      { path: unitSocket(runDir), role: 'unit' as const },
      ...(options.fleetSocket === null ? [] : [{ path: options.fleetSocket, role: 'admin' as const }]),
    ].map((socket) => ({ ...socket, ...fdOf(options.listening.get(socket.path)) })),
    // Without a way to tell callers apart: what any user of this machine may see over read.sock.
    tcp: options.listen === null ? [] : [{ ...options.listen, role: canIdentify(access) ? null : 'unit' }],
    access,
    peerListen: options.peerListen,
    secret: secret.present,
  });
  shutdown.onClose('api', () => api.stop());
  agent = startAgent({
    registry: { ...registry, join: secret.join },
    manager,
    machine: {
      id: machineId,
      ip: options.publicIp,
      metadata: options.metadata,
      apiAddress: api.peerAddress,
      version: options.version,
      bootId: readBootId(),
    },
    apiForUnits: `unix://${unitSocket(runDir)}`,
    hostForServices: options.publicIp,
    clock,
    log: log.child({ part: 'agent' }),
    meter,
    ttlMs,
  });
  // SIGHUP: a service manager starts us again at once, with the settings as they are now.
  const drains = () => options.drainOnStop && shutdown.signal.reason !== 'SIGHUP';
  shutdown.onClose('agent', () => agent?.stop({ drain: drains() }));
  log.info(
    { machine: machineId, api: api.addresses, peers: api.peerAddress, etcd: options.etcd },
    'convoyd is up',
  );
}

const fdOf = (fd: number | undefined): { fd?: number } => (fd === undefined ? {} : { fd });
