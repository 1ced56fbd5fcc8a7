import type { Membership, Registry } from '../registry/registry.js';
import type { Clock } from '../runtime/clock.js';

export interface SecretKeeper {
  /** The secret of the cluster this machine has joined; null: it is not known yet. */
  readonly present: () => Buffer | null;
  /** Joins, and learns the secret: also of another cluster, once the operator has accepted that one. */
  readonly join: Membership['join'];
}

const RETRY_MS = 1_000;

/** The cluster's secret at hand, for what cannot wait for the registry. */
export function keepSecret(
  registry: Pick<Registry, 'join' | 'readSecret'>,
  clock: Clock,
  ending: AbortSignal,
): SecretKeeper {
  let present: Buffer | null = null;
  async function learn(signal: AbortSignal): Promise<void> {
    while (!signal.aborted)
      try {
        present = await registry.readSecret();
        return;
      } catch {
        // Whoever uses the registry says why.
        await clock.sleep(RETRY_MS, signal).catch(() => undefined);
      }
  }
  return {
    present: () => present,
    async join(...args) {
      const session = await registry.join(...args);
      void learn(AbortSignal.any([session.lost, ending]));
      return session;
    },
  };
}
