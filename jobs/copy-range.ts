import { setMaxListeners } from 'node:events';
import type { Clock } from '../runtime/clock.js';
import { type ConvoyError, kindOf, messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import type { Side } from '../stores/environment.js';
import { type KeeperDeps, keepClaim } from './claim-keeper.js';
import { type CopyOutcome, isLeaseOver } from './copy-tile.js';
import { createLedger, type Settled } from './ledger.js';
import type { Outage } from './outage.js';
import { RETRY_BACKOFF } from './retry.js';
import type { TilePool } from './tile-pool.js';
import type { Claim, WorkerQueue } from './work-queue.js';

export interface RangeDeps {
  readonly queue: Pick<WorkerQueue, 'checkpoint'>;
  readonly pool: TilePool;
  readonly outage: Outage;
  /** Hears what the queue answered to each checkpoint. */
  readonly onTold: KeeperDeps['onTold'];
  /** As `Route.copy`, for an item of this claim. */
  readonly copy: (index: number, signal: AbortSignal, leased: () => boolean) => Promise<CopyOutcome>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Fires: start nothing more, finish what is in flight, give the rest back. */
  readonly stop: AbortSignal;
  /** Fires some seconds later: give up what is in flight, and a queue that does not answer. */
  readonly giveUp: AbortSignal;
  /**
   * Of claims that came to their end with nothing in flight, for the next ones: Node gives each AbortSignal a shape of its own, so that
   * two for each claim were a third of what grew old in a worker.
   */
  readonly spare: AbortController[];
  /** The pool has room that this claim cannot fill: time for another. */
  readonly onSlack: () => void;
  /** The last item was handed to the pool: all that is left is to see it through. */
  readonly onLast: () => void;
}

/**
 * Copies the tiles of a claim until it has ended, was lost, or was given back. `claimedAt` is when the claim was
 * first asked for, on the steady clock: from then its lease is reckoned.
 *
 * No tile starts past the lease, nor further than a window of twice the pool's limit beyond what the queue has
 * confirmed: a crash repeats at most that many.
 */
export async function copyRange(claim: Claim, claimedAt: number, deps: RangeDeps): Promise<void> {
  const { queue, pool, outage, clock, random, log, stop, giveUp, onTold } = deps;
  const ledger = createLedger({
    first: claim.first,
    retry: { maxAttempts: claim.migration.maxAttempts, backoff: RETRY_BACKOFF },
    lane: claim.lane,
  });
  /** Nothing more may start: stop, pause, or the claim is over. */
  let isWinding = false;
  const cutShort = deps.spare.pop() ?? newCutShort();
  let cursor = claim.first;
  let running = 0;

  const keeper = keepClaim(claim, claimedAt, ledger, {
    queue,
    clock,
    random,
    log,
    giveUp,
    onTold,
    batch: () => pool.limit,
    isDrained: () => (isWinding ? running === 0 : ledger.edge() === claim.end),
    onConfirmed: pump,
    onPausing: wind,
  });

  function wind(): void {
    isWinding = true;
  }

  function pump(): void {
    while (
      cursor < Math.min(claim.end, keeper.confirmed() + 2 * pool.limit) &&
      !isWinding &&
      keeper.leaseLasts()
    )
      start(cursor++);
    if (cursor === claim.end) deps.onLast();
    if (cursor === claim.end || pool.hasRoom) deps.onSlack();
  }

  function start(index: number): void {
    pool.run(() => attempt(index), over);
  }

  function over(): void {
    pump();
    keeper.wake();
  }

  /** `again`: as if never tried, once the store that is away is back or the lease renewed. Holds its place no longer. */
  async function attempt(index: number): Promise<'over' | 'again'> {
    if (isWinding) return 'over';
    if (outage.away !== null) return 'again';
    running++;
    try {
      if (!keeper.leaseLasts()) await keeper.untilLeased(() => isWinding);
      if (isWinding) return 'over';
      const outcome = await deps.copy(index, cutShort.signal, keeper.leaseLasts);
      const settled = outcome.kind === 'failed' ? await failureOf(outcome) : outcome;
      if (settled === null) return 'again';
      if (settled === outcome) outage.served();
      ledger.settle(index, settled);
    } catch (error) {
      if (isLeaseOver(error)) return 'again';
      // Given up: the tile stays unsettled and goes back with the rest of the claim.
      if (kindOf(error) !== 'aborted') log.error({ index }, messageOf(error));
      wind();
    } finally {
      running--;
      if (isWinding) keeper.wake();
    }
    return 'over';
  }

  /** null if the item is not to blame: its store as a whole is away. */
  async function failureOf(outcome: CopyOutcome & { kind: 'failed' }): Promise<Settled | null> {
    const { sides, reason, error, restart } = outcome;
    if (await blamesOne(sides, error)) return null;
    return {
      kind: 'failed',
      reason,
      status: error.status ?? 0,
      permanent: error.kind === 'permanent',
      retryAfterMs: error.retryAfterMs ?? 0,
      attempt: claim.attempt + 1,
      ...(restart === undefined ? {} : { restart }),
    };
  }

  async function blamesOne(sides: readonly Side[], error: ConvoyError): Promise<boolean> {
    for (const side of sides) if (await outage.blames(side, error)) return true;
    return false;
  }

  const windDown = (): void => {
    wind();
    keeper.wake();
  };
  const cut = (): void => cutShort.abort();
  if (stop.aborted) windDown();
  stop.addEventListener('abort', windDown, { once: true });
  giveUp.addEventListener('abort', cut, { once: true });
  try {
    pump();
    await keeper.run();
  } finally {
    wind();
    if (running > 0) cutShort.abort();
    else if (!cutShort.signal.aborted) deps.spare.push(cutShort);
    stop.removeEventListener('abort', windDown);
    giveUp.removeEventListener('abort', cut);
  }
}

function newCutShort(): AbortController {
  const controller = new AbortController();
  // Every tile in flight listens to it.
  setMaxListeners(0, controller.signal);
  return controller;
}
