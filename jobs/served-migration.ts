import type { Clock } from '../runtime/clock.js';
import { kindOf, messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import type { Limiter } from '../stores/limiter.js';
import { copyRange } from './copy-range.js';
import { NO_DIGEST } from './digest.js';
import { createLimits } from './limits.js';
import type { Away } from './outage.js';
import type { Route, RouteOptions } from './route.js';
import type { TilePools } from './tile-pool.js';
import type { Checkpoint, Claim, MigrationDefinition, WorkerQueue } from './work-queue.js';

/**
 * One migration as a worker serves it: its stores, the claims on it, what it has in flight. What goes wrong with its stores
 * is no matter to the others.
 */
export interface ServedMigration {
  readonly definition: MigrationDefinition;
  readonly claims: number;
  /** A further claim would be copied at once. */
  readonly hungry: boolean;
  /** The store that is away, and with it the migration. */
  readonly away: Away | null;
  /** The adaptive limit of objects in flight; 0 without a claim. */
  readonly limit: number;
  /** When it last had a claim, on the steady clock. */
  readonly lastBusy: number;
  /** Resolves when the claim has ended or was given back; rejects if the queue would not hear of it any more. */
  serve(claim: Claim, claimedAt: number): Promise<void>;
  /** Closes the stores. What is still in flight fails. */
  close(): Promise<void>;
}

export type RouteHooks = Pick<
  RouteOptions,
  'limits' | 'latencyOf' | 'onThrottled' | 'onOutageChange' | 'signal'
>;

export interface ServedOptions extends Pick<RouteOptions, 'latencyOf'> {
  readonly queue: Pick<WorkerQueue, 'checkpoint'>;
  readonly openRoute: (definition: MigrationDefinition, hooks: RouteHooks) => Promise<Route>;
  readonly pools: TilePools;
  /** Of requests to the sources of all migrations. */
  readonly requests: Limiter | null;
  readonly skipExisting: boolean;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** As in `RangeDeps`. */
  readonly stop: AbortSignal;
  readonly giveUp: AbortSignal;
  /** A checkpoint was applied. */
  readonly onSettled: (point: Checkpoint) => void;
  /** Its stores could be opened (null), or could not: why. */
  readonly onOpened: (why: string | null) => void;
  readonly onHungry: () => void;
  /** A store of it went away or came back. */
  readonly onAwayChange: () => void;
}

/** One is copied, the next is opened before that is drained; ranges so small that they are in flight whole do not count. */
const MAX_UNREAD = 2;

export function serveMigration(definition: MigrationDefinition, options: ServedOptions): ServedMigration {
  const { queue, clock, random, log, stop, giveUp } = options;
  const pool = options.pools.open();
  const limits = createLimits(options.requests, clock);
  let claims = 0;
  /** Of these, those with items that are not yet in the pool. */
  let unread = 0;
  const spare: AbortController[] = [];
  let opening: Promise<Route> | null = null;
  let route: Route | null = null;
  let hungry = true;
  let lastBusy = clock.steady();

  const dismiss = (): void => limits.dismiss();
  stop.addEventListener('abort', dismiss, { once: true });

  function grow(): void {
    if (hungry) return;
    hungry = true;
    options.onHungry();
  }

  /** Claims that come at the same time share one opening; what could not be opened is tried anew with the next. */
  function open(): Promise<Route> {
    opening ??= options
      .openRoute(definition, {
        limits,
        latencyOf: options.latencyOf,
        onThrottled: () => pool.throttled(),
        onOutageChange() {
          pool.hold(route !== null && route.outage.away !== null);
          options.onAwayChange();
        },
        signal: stop,
      })
      .then(
        (opened) => {
          route = opened;
          pool.hold(opened.outage.away !== null);
          return opened;
        },
        (error: unknown) => {
          opening = null;
          throw error;
        },
      );
    return opening;
  }

  async function giveBack(claim: Claim): Promise<void> {
    const nothing = {
      bytes: 0,
      done: 0,
      skipped: 0,
      failed: [],
      delayed: [],
      digest: NO_DIGEST,
      found: claim.lane === 'checks' ? { blind: false, restart: false } : null,
    };
    await queue.checkpoint(claim.token, claim.migration.name, {
      ...{ sequence: 1, next: claim.first, release: true },
      ...nothing,
    });
  }

  async function copy(claim: Claim, claimedAt: number, onLast: () => void): Promise<void> {
    let opened: Route;
    try {
      opened = await open();
    } catch (error) {
      if (kindOf(error) !== 'aborted') options.onOpened(messageOf(error));
      await giveBack(claim);
      return;
    }
    options.onOpened(null);
    await copyRange(claim, claimedAt, {
      queue,
      pool,
      clock,
      random,
      log,
      stop,
      giveUp,
      spare,
      outage: opened.outage,
      copy: (index, signal, leased) => opened.copy(claim, index, signal, leased),
      onSlack: grow,
      onLast,
      onTold(point, answer, share) {
        limits.setShare(share);
        if (answer !== 'lost') options.onSettled(point);
        if (answer === 'pausing') limits.dismiss();
      },
    });
  }

  return {
    definition,
    get claims() {
      return claims;
    },
    get hungry() {
      return hungry && unread < MAX_UNREAD;
    },
    get away() {
      return route?.outage.away ?? null;
    },
    get limit() {
      return claims === 0 ? 0 : pool.limit;
    },
    get lastBusy() {
      return claims > 0 ? clock.steady() : lastBusy;
    },
    async serve(given, claimedAt) {
      const claim = options.skipExisting ? { ...given, lookFirst: true } : given;
      let isRead = false;
      const read = (): void => {
        if (isRead) return;
        isRead = true;
        unread--;
        options.onHungry();
      };
      claims++;
      unread++;
      hungry = false;
      limits.setShare(claim.share);
      try {
        await copy(claim, claimedAt, read);
      } finally {
        claims--;
        read();
        lastBusy = clock.steady();
        grow();
      }
    },
    async close() {
      stop.removeEventListener('abort', dismiss);
      limits.dismiss();
      pool.close();
      const opened = await opening?.catch(() => null);
      await opened?.close();
    },
  };
}
