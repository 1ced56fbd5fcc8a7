import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { aborted, kindOf } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { createBell } from './bell.js';
import type { Ledger } from './ledger.js';
import type {
  Checkpoint,
  CheckpointAnswer,
  CheckpointReply,
  Claim,
  Limit,
  WorkerQueue,
} from './work-queue.js';

/** Holds one claim: tells the queue what is settled, renews the lease with it, hears pauses and losses. No getters, as in `Ledger`. */
export interface ClaimKeeper {
  /** Tiles below are settled and the queue has said so. */
  confirmed(): number;
  /** Whether the lease lasts, with a margin, on our own reckoning. */
  leaseLasts(): boolean;
  /** Resolves at once while the lease lasts, else when it is renewed or nobody waits any more. */
  untilLeased(isOver: () => boolean): Promise<void>;
  /** A tile was settled, or the claim winds down. */
  wake(): void;
  /**
   * Checkpoints until the claim has ended, was lost or was given back. Rejects `permanent` if the queue has lost
   * its records, `aborted` if it did not answer before `giveUp`.
   */
  run(): Promise<void>;
}

export interface KeeperDeps {
  readonly queue: Pick<WorkerQueue, 'checkpoint'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly giveUp: AbortSignal;
  /** So many settled tiles are told at once, without waiting for the next regular checkpoint. */
  readonly batch: () => number;
  /** Nothing is in flight and nothing more will start. */
  readonly isDrained: () => boolean;
  readonly onConfirmed: () => void;
  /** The queue has answered a checkpoint; with `lost` nothing of it counts. */
  readonly onTold: (point: Checkpoint, answer: CheckpointAnswer, share: Limit) => void;
  /** The migration is paused or cancelled. */
  readonly onPausing: () => void;
}

/** Twice a second, settled tiles or not: a pause is heard within a second, the lease is never near its end. */
const CHECKPOINT_MS = 500;
/** The part of a lease in which tiles may start. */
const USABLE_LEASE = 0.8;
const LEASE_POLL_MS = 100;
const RESEND: BackoffPolicy = { firstMs: 100, factor: 2, maxMs: 1_000 };

export function keepClaim(claim: Claim, claimedAt: number, ledger: Ledger, deps: KeeperDeps): ClaimKeeper {
  const { clock, log, batch, isDrained } = deps;
  const bell = createBell(clock);
  const leaseFrom = (sentAt: number): number => sentAt + claim.leaseMs * USABLE_LEASE;
  let confirmed = claim.first;
  let leasedUntil = leaseFrom(claimedAt);

  const leaseLasts = (): boolean => clock.steady() < leasedUntil;
  const isDue = (): boolean => ledger.pending() >= batch() || isDrained();

  /** The same checkpoint until it is answered: it may have been applied although no answer came. */
  async function send(point: Checkpoint): Promise<CheckpointReply> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await deps.queue.checkpoint(claim.token, claim.migration.name, point);
      } catch (error) {
        if (kindOf(error) !== 'transient') throw error;
        if (deps.giveUp.aborted) throw aborted('the queue did not answer', { cause: error });
        const waitMs = backoffMs(attempt, RESEND, deps.random());
        await clock.sleep(waitMs, deps.giveUp).catch(() => undefined);
      }
    }
  }

  return {
    confirmed: () => confirmed,
    leaseLasts,
    async untilLeased(isOver) {
      while (!leaseLasts() && !isOver()) await clock.sleep(LEASE_POLL_MS);
    },
    wake() {
      if (isDue()) bell.ring();
    },
    async run() {
      for (;;) {
        if (!isDue()) await bell.wait(CHECKPOINT_MS);
        const last = isDrained();
        const point = ledger.cut(last && ledger.edge() < claim.end, deps.random);
        const sentAt = clock.steady();
        const { answer, share } = await send(point);
        deps.onTold(point, answer, share);
        if (answer === 'lost')
          log.warn({ token: claim.token, next: point.next }, 'claim lost: its lease ran out');
        if (answer === 'lost' || answer === 'ended' || last) return;
        confirmed = point.next;
        leasedUntil = leaseFrom(sentAt);
        if (answer === 'pausing') deps.onPausing();
        deps.onConfirmed();
      }
    },
  };
}
