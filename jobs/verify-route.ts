import type { Clock } from '../runtime/clock.js';
import { type ConvoyError, kindOf, messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import type { Meter } from '../runtime/meter.js';
import type { Side } from '../stores/environment.js';
import { openDestination, openSource } from '../stores/open.js';
import type { Store, WritableStore } from '../stores/store.js';
import { type CopyOutcome, leaseOver } from './copy-tile.js';
import { createLeases } from './leases.js';
import { createOutage } from './outage.js';
import { opened, preflight, SOME_KEY } from './preflight.js';
import { descriptorKey } from './pyramid.js';
import type { Route } from './route.js';
import type { RouteHooks } from './served-migration.js';
import { checkKey, verifyItem } from './verify-item.js';
import type { CheckedImage, Claim, MigrationDefinition } from './work-queue.js';

export interface VerifyRouteOptions extends RouteHooks {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Where the stores' credentials are. */
  readonly env: NodeJS.ProcessEnv;
  readonly meter: Meter;
  /** The source will be asked as well: that it can be is seen to before anything is begun. */
  readonly compares: boolean;
}

type Check = Claim & { readonly check: CheckedImage };

/**
 * What zh-verify does with checks, where a copying worker copies. The source is opened only to compare with it. Requests to
 * both stores count in the limit.
 */
export async function openVerifyRoute(
  definition: MigrationDefinition,
  options: VerifyRouteOptions,
): Promise<Route> {
  const { clock, random, env, limits, meter, latencyOf } = options;
  const log = options.log.child({ migration: definition.name });
  const leases = createLeases();
  const wrapped = (side: Side) => ({
    ...{ log, env, meter, latencyOf, limiter: limits.requests },
    retry: {
      ...{ clock, random },
      onError(error: ConvoyError): void {
        if (error.status === 429 || error.status === 503) options.onThrottled();
        outage.suspect(side);
      },
      beforeRepeat: leases.insist,
    },
  });
  const carried = <S extends Store>(store: S): S => ({
    ...store,
    read: (key, limit, signal) => limits.carry(() => store.read(key, limit, signal), signal),
  });
  const plain: { source: Store | null; destination: Store } = {
    source: null,
    destination: await opened('destination', definition.destination, (at) =>
      openDestination(at, { log, env }),
    ),
  };
  const destination = carried(await openDestination(definition.destination, wrapped('destination')));
  let source: Promise<Store> | null = null;
  let knownKey = SOME_KEY;

  const outage = createOutage({
    ...{ clock, random, log },
    onChange: options.onOutageChange,
    probes: {
      source: async (signal) => plain.source?.head(knownKey, signal),
      destination: (signal) => plain.destination.head(knownKey, signal),
    },
  });
  const openTheSource = async (): Promise<Store> => {
    plain.source = await opened('source', definition.source, (at) => openSource(at, { log, env }));
    await check('source', plain.source);
    return carried(await openSource(definition.source, wrapped('source')));
  };
  const theSource = (): Promise<Store> => {
    source ??= openTheSource();
    return source;
  };
  async function check(side: Side, store: Store): Promise<void> {
    try {
      await preflight(side, store, options.signal);
    } catch (error) {
      if (kindOf(error) !== 'transient') throw error;
      await outage.blames(side, error as ConvoyError);
    }
  }
  async function close(): Promise<void> {
    await outage.stop();
    const stores = [destination, plain.destination, plain.source, await source?.catch(() => null)];
    await Promise.all(stores.map((store) => store?.close()));
  }

  const unpublish = unpublisher(destination, log);
  try {
    await check('destination', plain.destination);
    if (options.compares) await theSource();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    outage,
    close,
    async copy(claim, index, signal, leased) {
      leases.hold(signal, leased);
      if (!isCheck(claim)) throw new Error(`a verifier cannot do anything in lane ${claim.lane}`);
      knownKey = descriptorKey(claim.image.id);
      const found = await verifyItem(claim, index, { destination, source: theSource }, signal);
      if (found.kind !== 'failed' || found.restart !== true) return found;
      const isDescriptor = index === claim.image.tiles;
      if (isDescriptor && found.reason === 'missing' && unpublish.has(claim))
        return { kind: 'skipped', md5: null, blind: true };
      log.info({ key: checkKey(claim.image, index), reason: found.reason }, found.error.message);
      return (await unpublish.take(claim, signal, leased)) ?? found;
    },
  };
}

function isCheck(claim: Claim): claim is Check {
  return claim.check !== null;
}

/**
 * Takes the descriptor of an image that was found wrong away from the destination, where the round says so, before the
 * finding is told: viewers see a whole image or none. Once per image and round; answers what failed if that is to be
 * tried again later.
 */
function unpublisher(destination: WritableStore, log: Log) {
  const removals = new Map<string, Promise<void>>();
  const nameOf = ({ check, image }: Check): string => `${check.round}/${image.number}`;

  async function take(claim: Check, signal: AbortSignal, leased: () => boolean): Promise<CopyOutcome | null> {
    const { check, image, attempt, migration } = claim;
    if (!check.options.unpublish || !check.published) return null;
    if (!leased()) throw leaseOver();
    const key = descriptorKey(image.id);
    const name = nameOf(claim);
    const removal = removals.get(name) ?? destination.remove(key, signal);
    removals.set(name, removal);
    try {
      await removal;
      return null;
    } catch (error) {
      removals.delete(name);
      if (kindOf(error) === 'aborted') throw error;
      const known = error as ConvoyError;
      if (known.kind === 'transient' && attempt + 1 < migration.maxAttempts)
        return { kind: 'failed', sides: ['destination'], reason: 'not-unpublished', error: known };
      log.error({ key }, `the descriptor of an image that is wrong cannot be removed: ${messageOf(error)}`);
      return null;
    }
  }
  /** `has`: the descriptor of this claim's image was taken away here. */
  return { take, has: (claim: Check): boolean => removals.has(nameOf(claim)) };
}
