import type { Clock } from '../runtime/clock.js';
import { aborted, messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { openEtcdClient } from './etcd-client.js';
import { collectContents, commitDecisions } from './etcd-commit.js';
import { openEvents } from './etcd-events.js';
import type { EtcdAccess } from './etcd-host.js';
import { Identity } from './etcd-identity.js';
import { campaign, readLeader } from './etcd-leader.js';
import { desiredMachines } from './etcd-machines.js';
import { openPlacementView } from './etcd-placement-view.js';
import { reader } from './etcd-reader.js';
import { readSecret } from './etcd-secret.js';
import { type EtcdContext, joinMachine } from './etcd-session.js';
import { Tables } from './etcd-tables.js';
import { desiredState } from './etcd-units.js';
import { openView, type ViewContent } from './etcd-view.js';
import { keysUnder } from './keys.js';
import type { ClusterView, Registry, RegistryMemory, RegistryProblem } from './registry.js';

const REPORT_MS = 60_000;

export interface EtcdRegistryOptions extends EtcdAccess {
  /** `http://127.0.0.1:2379`; members of one etcd cluster, of which one is used at a time. */
  readonly endpoints: readonly string[];
  /** Where in etcd the registry lives, such as `/convoy/`. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly memory: RegistryMemory;
}

/**
 * The registry in etcd v3. Opening does not wait for etcd: an agent starts, and keeps its units, without it.
 * Rejects only if `memory` cannot be read, or the certificates cannot be used (`permanent`).
 */
export async function openEtcdRegistry(options: EtcdRegistryOptions): Promise<Registry> {
  const { clock, log, memory } = options;
  const closing = new AbortController();
  const client = openEtcdClient(options.endpoints, clock, options);
  const keys = keysUnder(options.prefix);
  const problem = problemLog(log, clock, closing.signal);
  const identity = await Identity.open(client, keys, clock, memory, problem);
  const context: EtcdContext = { client, identity, keys, clock, memory, problem, closed: closing.signal };

  return {
    ...reader(context),
    ...desiredState(context),
    ...desiredMachines(context),
    accept: () => identity.accept(),
    join: (machine, ttlMs, use) => joinMachine(context, machine, ttlMs, use),
    campaign: (machineId, ttlMs, signal) => campaign(context, machineId, ttlMs, signal),
    readLeader: () => readLeader(context),
    readSecret: () => readSecret(context),
    commit: (decisions, term) => commitDecisions(context, decisions, term),
    collectContents: (term) => collectContents(context, term),
    openEvents: (after, signal) => openEvents(context, after, signal),
    openClusterView: (signal) => openClusterView(context, signal),
    openPlacementView: (machineId) => openPlacementView(context, machineId),
    async close() {
      closing.abort();
      await identity.close();
      client.close();
    },
  };
}

async function openClusterView(context: EtcdContext, signal: AbortSignal): Promise<ClusterView> {
  let tables = new Tables(context.keys, [], 0);
  const content: ViewContent<ReturnType<Tables['snapshot']> & { readonly kind: 'cluster' }> = {
    list({ entries, revision }) {
      tables = new Tables(context.keys, entries, revision);
      tables.join();
    },
    apply(events, revision) {
      tables.apply(events, revision);
      tables.join();
      return true;
    },
    snapshot: () => ({ kind: 'cluster', ...tables.snapshot() }),
  };
  const view = openView(context, context.keys.root, content);
  const stop = (): void => void view.close();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  await view.listed;
  signal.removeEventListener('abort', stop);
  if (signal.aborted) throw aborted('the cluster view was given up');
  return view;
}

/** A problem that goes on is reported once a minute, at `debug` in between. */
function problemLog(log: Log, clock: Clock, closed: AbortSignal): RegistryProblem {
  const reported = new Map<string | undefined, number>();
  return (error) => {
    if (closed.aborted) return;
    const isNew = clock.steady() - (reported.get(error.code) ?? Number.NEGATIVE_INFINITY) >= REPORT_MS;
    if (isNew) reported.set(error.code, clock.steady());
    log[isNew ? 'warn' : 'debug']({ code: error.code }, messageOf(error));
  };
}
