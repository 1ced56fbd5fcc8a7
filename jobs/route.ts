import type { Clock } from '../runtime/clock.js';
import type { ConvoyError } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { openDestination, openSource } from '../stores/open.js';
import type { WritableStore } from '../stores/store.js';
import type { Limiter } from '../stores/wrap.js';
import { type CopyOutcome, copyItem, type Side } from './copy-tile.js';
import { createOutage, type Outage } from './outage.js';
import { descriptorKey } from './pyramid.js';
import type { Claim, MigrationDefinition } from './work-queue.js';

/** From one migration's source to its destination, with a watch on both. */
export interface Route {
  readonly outage: Outage;
  copy(claim: Claim, index: number, signal: AbortSignal): Promise<CopyOutcome>;
  close(): Promise<void>;
}

export interface RouteOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Where the stores' credentials are. */
  readonly env: NodeJS.ProcessEnv;
  /** Of requests to the source. */
  readonly limiter?: Limiter;
  /** A store answered 429 or 503. */
  readonly onThrottled: () => void;
  readonly onOutageChange: () => void;
}

/** A body kept for probing the destination is no larger. */
const MAX_PROBE_BYTES = 1024 * 1024;

/** Throws a `UsageError` for a location or credentials that cannot be right. */
export async function openRoute(definition: MigrationDefinition, options: RouteOptions): Promise<Route> {
  const { clock, random, log, env } = options;
  const listen = (side: Side) => (error: ConvoyError) => {
    if (error.status === 429 || error.status === 503) options.onThrottled();
    outage.suspect(side);
  };
  const retry = (side: Side) => ({ clock, random, onError: listen(side) });
  const limiter = options.limiter === undefined ? {} : { limiter: options.limiter };
  const source = await openSource(definition.source, { log, env, retry: retry('source'), ...limiter });
  const destination = await openDestination(definition.destination, {
    log,
    env,
    retry: retry('destination'),
  });
  const plainSource = await openSource(definition.source, { log, env });
  const plainDestination = await openDestination(definition.destination, { log, env });

  /** A descriptor of this migration: the source has it, or at least an answer about it. */
  let knownKey = 'total.txt';
  let lastWrite: Parameters<WritableStore['write']> | undefined;

  const outage = createOutage({
    clock,
    random,
    log: log.child({ migration: definition.name }),
    onChange: options.onOutageChange,
    probes: {
      source: (signal) => plainSource.head(knownKey, signal),
      // Only a write shows that a store takes writes; writing the same bytes again changes nothing.
      destination: (signal) =>
        lastWrite === undefined
          ? plainDestination.head(knownKey, signal)
          : plainDestination.write(lastWrite[0], lastWrite[1], lastWrite[2], signal),
    },
  });
  const remembering: WritableStore = {
    ...destination,
    async write(key, bytes, metadata, signal) {
      await destination.write(key, bytes, metadata, signal);
      if (bytes.length <= MAX_PROBE_BYTES) lastWrite = [key, bytes, metadata];
    },
  };

  return {
    outage,
    copy(claim, index, signal) {
      knownKey = descriptorKey(claim.image.id);
      return copyItem(claim, index, source, remembering, signal);
    },
    async close() {
      await outage.stop();
      await Promise.all([source, destination, plainSource, plainDestination].map((store) => store.close()));
    },
  };
}
