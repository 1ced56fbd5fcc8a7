import { setMaxListeners } from 'node:events';
import PQueue from 'p-queue';
import type { Clock } from '../runtime/clock.js';
import { aborted, type ConvoyError, kindOf, messageOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import type { Side } from '../stores/environment.js';
import { adaptPace, startPace } from './adapt.js';
import { type KeeperDeps, keepClaim } from './claim-keeper.js';
import type { CopyOutcome } from './copy-tile.js';
import { createLedger, type Settled } from './ledger.js';
import type { Outage } from './outage.js';
import { RETRY_BACKOFF } from './retry.js';
import type { Claim, WorkerQueue } from './work-queue.js';

/** The tiles a worker has in flight, over all its claims. */
export interface TilePool {
  /** The adaptive limit. */
  readonly limit: number;
  /** A tile more could be copied at once. */
  readonly hasRoom: boolean;
  run(task: () => Promise<void>): Promise<void>;
  /** A store asked for mercy: with many such answers the limit halves. */
  throttled(): void;
}

const ADAPT_MS = 1_000;

/** `most` in flight at once. The queue behind it stays short: a claim adds no tile beyond its window. */
export function createTilePool(most: number, clock: Clock): TilePool {
  let pace = startPace(most);
  const queue = new PQueue({ concurrency: pace.limit });
  let since = clock.steady();
  let settled = 0;
  let mercy = 0;

  function adapt(): void {
    const elapsed = clock.steady() - since;
    if (elapsed < ADAPT_MS) return;
    const sample = {
      tilesPerSecond: (settled * 1000) / elapsed,
      throttled: mercy / Math.max(1, mercy + settled),
      saturated: queue.size > 0,
    };
    pace = adaptPace(pace, sample, most);
    queue.concurrency = pace.limit;
    since += elapsed;
    settled = 0;
    mercy = 0;
  }

  return {
    get limit() {
      return pace.limit;
    },
    get hasRoom() {
      return queue.size === 0 && queue.pending < pace.limit;
    },
    async run(task) {
      await queue.add(task);
      settled++;
      adapt();
    },
    throttled() {
      mercy++;
      adapt();
    },
  };
}

export interface RangeDeps {
  readonly queue: WorkerQueue;
  readonly pool: TilePool;
  readonly outage: Outage;
  /** Hears what the queue answered to each checkpoint. */
  readonly onTold: KeeperDeps['onTold'];
  /** Copies one item of the claim; rejects only when the signal fired. */
  readonly copy: (index: number, signal: AbortSignal) => Promise<CopyOutcome>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Fires: start nothing more, finish what is in flight, give the rest back. */
  readonly stop: AbortSignal;
  /** Fires some seconds later: give up what is in flight, and a queue that does not answer. */
  readonly giveUp: AbortSignal;
  /** The pool has room that this claim cannot fill: time for another. */
  readonly onSlack: () => void;
}

/**
 * Copies the tiles of a claim until it has ended, was lost, or was given back. `claimedAt` is when the claim was
 * first asked for, on the steady clock: from then its lease is reckoned.
 *
 * No tile starts past the lease, nor further than a window of twice the pool's limit beyond what the queue has
 * confirmed: a crash repeats at most that many.
 */
export async function copyRange(claim: Claim, claimedAt: number, deps: RangeDeps): Promise<void> {
  const { pool, outage } = deps;
  const ledger = createLedger({
    first: claim.first,
    retry: { maxAttempts: claim.migration.maxAttempts, backoff: RETRY_BACKOFF },
    lane: claim.lane,
  });
  /** Fires when nothing more may start: stop, pause, or the claim is over. */
  const winding = new AbortController();
  const cutShort = new AbortController();
  // Every tile in flight listens to them.
  setMaxListeners(0, winding.signal, cutShort.signal);
  let cursor = claim.first;
  let inFlight = 0;

  const keeper = keepClaim(claim, claimedAt, ledger, {
    ...deps,
    batch: () => pool.limit,
    isDrained: () => inFlight === 0 && (cursor === claim.end || winding.signal.aborted),
    onConfirmed: pump,
    onPausing: () => winding.abort(),
  });

  function pump(): void {
    while (
      cursor < Math.min(claim.end, keeper.confirmed + 2 * pool.limit) &&
      !winding.signal.aborted &&
      keeper.leaseLasts()
    )
      start(cursor++);
    if (cursor === claim.end || pool.hasRoom) deps.onSlack();
  }

  function start(index: number): void {
    inFlight++;
    void pool
      .run(async () => {
        try {
          ledger.settle(index, await settleTile(index));
        } catch (error) {
          // Not started, or given up: the tile stays unsettled and goes back with the rest of the claim.
          if (kindOf(error) !== 'aborted') deps.log.error({ index }, messageOf(error));
          winding.abort();
        }
      })
      .finally(() => {
        inFlight--;
        pump();
        keeper.wake();
      });
  }

  /** An item is tried again, as if never tried, as long as its store as a whole is away. */
  async function settleTile(index: number): Promise<Settled> {
    for (;;) {
      await outage.open(winding.signal);
      await keeper.untilLeased(winding.signal);
      if (winding.signal.aborted) throw aborted('not started');
      const outcome = await deps.copy(index, cutShort.signal);
      if (outcome.kind !== 'failed') {
        outage.served();
        return outcome;
      }
      const { sides, reason, error, restart } = outcome;
      if (await blamesOne(sides, error)) continue;
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
  }

  async function blamesOne(sides: readonly Side[], error: ConvoyError): Promise<boolean> {
    for (const side of sides) if (await outage.blames(side, error)) return true;
    return false;
  }

  const wind = (): void => {
    winding.abort();
    keeper.wake();
  };
  const cut = (): void => cutShort.abort();
  if (deps.stop.aborted) wind();
  deps.stop.addEventListener('abort', wind, { once: true });
  deps.giveUp.addEventListener('abort', cut, { once: true });
  try {
    pump();
    await keeper.run();
  } finally {
    winding.abort();
    cutShort.abort();
    deps.stop.removeEventListener('abort', wind);
    deps.giveUp.removeEventListener('abort', cut);
  }
}
