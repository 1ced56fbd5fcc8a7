import type { Agent, Dispatcher } from 'undici';
import { PEER_TLS } from './peer-server.js';

/** How long another machine may take to take a connection, in ms. */
const CONNECT_MS = 3_000;

/** How this machine asks others: over connections of its own, on which both prove that they know the cluster's secret. */
export interface Peers {
  /** For one request. Rejects as the reading of the secret does. */
  dispatcher(): Promise<Dispatcher>;
}

/** `readSecret`: asked for each request, so that a machine that comes to another cluster knows its machines. */
export function openPeers(
  machineId: string,
  readSecret: () => Promise<Buffer>,
): Peers & { close(): Promise<void> } {
  let known: { readonly secret: Buffer; readonly agent: Agent } | null = null;
  return {
    async dispatcher() {
      // Loaded by the first question: most machines never ask another. Bundled it has no exports by name.
      const [secret, { default: undici }] = await Promise.all([readSecret(), import('undici')]);
      if (known?.secret.equals(secret) === true) return known.agent;
      void known?.agent.destroy();
      known = { secret, agent: new undici.Agent(connecting(machineId, secret)) };
      return known.agent;
    },
    async close() {
      await known?.agent.destroy();
    },
  };
}

function connecting(identity: string, psk: Buffer): Agent.Options {
  return {
    connect: {
      ...PEER_TLS,
      timeout: CONNECT_MS,
      // Else the next connection might do without the secret.
      maxCachedSessions: 0,
      rejectUnauthorized: true,
      pskCallback: () => ({ identity, psk }),
      // There is no certificate whose name could be wrong.
      checkServerIdentity: () => undefined,
    },
  };
}
