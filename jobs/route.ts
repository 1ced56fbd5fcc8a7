import type { Clock } from '../runtime/clock.js';
import { type ConvoyError, kindOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import type { Meter } from '../runtime/meter.js';
import { SIDES, type Side } from '../stores/environment.js';
import { openDestination, openSource } from '../stores/open.js';
import type { Store, WritableStore } from '../stores/store.js';
import type { LatencyOf } from '../stores/store-metrics.js';
import { type CopyOutcome, copyItem } from './copy-tile.js';
import { createLeases } from './leases.js';
import type { MigrationLimits } from './limits.js';
import { createOutage, type Outage } from './outage.js';
import { opened, preflight, SOME_KEY } from './preflight.js';
import { descriptorKey } from './pyramid.js';
import { insistOnCopies, serverSideCopy } from './server-side.js';
import type { Claim, MigrationDefinition } from './work-queue.js';

/** From one migration's source to its destination, with a watch on both. */
export interface Route {
  readonly outage: Outage;
  /**
   * Does what there is to do with one item. Writes nothing once `leased` says no; rejects only then (`isLeaseOver`),
   * and when the signal fired.
   */
  copy(claim: Claim, index: number, signal: AbortSignal, leased: () => boolean): Promise<CopyOutcome>;
  close(): Promise<void>;
}

export interface RouteOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Where the stores' credentials are. */
  readonly env: NodeJS.ProcessEnv;
  /** Counts what the stores are asked, probes apart. */
  readonly meter: Meter;
  readonly latencyOf: LatencyOf;
  readonly limits: MigrationLimits;
  /** A store answered 429 or 503. */
  readonly onThrottled: () => void;
  readonly onOutageChange: () => void;
  /** Ends the opening. */
  readonly signal: AbortSignal;
}

/** A body kept for probing the destination is no larger. */
const MAX_PROBE_BYTES = 1024 * 1024;

/**
 * Opens both stores and asks each whether it can serve. One that is away is an outage; rejects `permanent`, or with a
 * `UsageError`, with one sentence if a person has to change something first.
 */
export async function openRoute(definition: MigrationDefinition, options: RouteOptions): Promise<Route> {
  const { clock, random, env, meter, latencyOf } = options;
  const log = options.log.child({ migration: definition.name });
  const listen = (side: Side) => (error: ConvoyError) => {
    if (error.status === 429 || error.status === 503) options.onThrottled();
    outage.suspect(side);
  };
  const leases = createLeases();
  const retry = (side: Side) => ({ clock, random, onError: listen(side), beforeRepeat: leases.insist });
  const plain = {
    source: await opened('source', definition.source, (at) => openSource(at, { log, env })),
    destination: await opened('destination', definition.destination, (at) =>
      openDestination(at, { log, env }),
    ),
  };
  const limited = await openSource(definition.source, {
    ...{ log, env, meter, latencyOf, retry: retry('source'), limiter: options.limits.requests },
  });
  const source: Store = {
    ...limited,
    read: (key, limit, signal) => options.limits.carry(() => limited.read(key, limit, signal), signal),
  };
  const destination = await openDestination(definition.destination, {
    ...{ log, env, meter, latencyOf, retry: retry('destination') },
  });

  /** An image of this migration: of its descriptor the source has at least an answer. */
  let knownImage: string | undefined;
  const knownKey = (): string => (knownImage === undefined ? SOME_KEY : descriptorKey(knownImage));
  let lastWrite: Parameters<WritableStore['write']> | undefined;

  const outage = createOutage({
    ...{ clock, random, log },
    onChange: options.onOutageChange,
    probes: {
      source: (signal) => plain.source.head(knownKey(), signal),
      // Only a write shows that a store takes writes; writing the same bytes again changes nothing.
      destination: (signal) =>
        lastWrite === undefined
          ? plain.destination.head(knownKey(), signal)
          : plain.destination.write(lastWrite[0], lastWrite[1], lastWrite[2], signal),
    },
  });
  const remembering: WritableStore = {
    ...destination,
    async write(key, bytes, metadata, signal) {
      await destination.write(key, bytes, metadata, signal);
      if (bytes.length <= MAX_PROBE_BYTES) lastWrite = [key, bytes, metadata];
    },
  };
  const close = async (): Promise<void> => {
    await outage.stop();
    const stores = [source, destination, plain.source, plain.destination];
    await Promise.all(stores.map((store) => store.close()));
  };
  const check = async (side: Side): Promise<void> => {
    try {
      await preflight(side, plain[side], options.signal);
    } catch (error) {
      if (kindOf(error) !== 'transient') throw error;
      await outage.blames(side, error as ConvoyError);
    }
  };

  /** The check has told the outage already. */
  const unlessAway = (error: unknown): void => {
    if (kindOf(error) !== 'transient') throw error;
  };

  try {
    const serverSide = serverSideCopy(definition.serverSide, { source, destination, log });
    await Promise.all(SIDES.map(check));
    await insistOnCopies(definition.serverSide, plain, options.signal).catch(unlessAway);
    const stores = { source, destination: remembering, serverSide, log };
    return {
      outage,
      copy(claim, index, signal, leased) {
        knownImage = claim.image.id;
        leases.hold(signal, leased);
        return copyItem(claim, index, stores, signal, leased);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
