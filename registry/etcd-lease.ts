/**
 * Keeps one lease alive and knows how long it may be trusted.
 *
 * The trust window ends at the *send* time of the last confirmed renewal + the granted TTL - a margin, on a clock
 * that goes on while the process or the machine sleeps: etcd cannot have let the lease run out before. A renewal
 * counts as confirmed only if a linearizable read of the lease's own key was answered beside it, in the same raft
 * term: an etcd leader that lost its quorum goes on answering keepalives for a while. Once confirmed renewals have come
 * too late, whatever answer arrives is worth nothing.
 *
 * Only a holder that needs the trust window has its renewals confirmed. It may come to need it later: the key that is
 * read hangs on this very lease, so it shows that the lease never ran out since it was granted. Until then an answer that
 * comes late, to a machine that has too much to do, still says that the lease lives: it costs nobody a session.
 */
import type { Clock } from '../runtime/clock.js';
import { ConvoyError, messageOf, transient } from '../runtime/errors.js';
import type { EtcdClient } from './etcd-calls.js';
import type { LeaseUse, RegistryProblem } from './registry.js';

export interface LeaseOptions {
  readonly client: Pick<EtcdClient, 'renewLease' | 'get'>;
  readonly clock: Clock;
  readonly leaseId: string;
  /** As granted by etcd, in ms. */
  readonly ttlMs: number;
  /** `clock.steady()` before the request that granted or renewed it was sent. */
  readonly sentAt: number;
  /** The key that hangs on this lease and is read to confirm it. */
  readonly key: string;
  /** Whether `lost` fires when the trust window ends (a leader must stop) or not before it is known (a machine). */
  readonly endsWithTrust: boolean;
  /** Absent: every renewal is confirmed. */
  readonly use?: LeaseUse | undefined;
  /** Called before each renewal; what it answers gets the revision that etcd tells with it. */
  readonly onRead?: () => (revision: number) => void;
  readonly problem: RegistryProblem;
  /** Fires when the registry is closed: nothing is renewed or trusted from then on. */
  readonly closed: AbortSignal;
}

export interface KeptLease {
  /** Whether the last renewal, confirmed if that is needed, holds still. */
  trusted(): boolean;
  /** Renews now. */
  renew(): void;
  /** Fires when the lease or its key is known to be gone, or when a confirmed renewal came too late to be trusted. */
  readonly lost: AbortSignal;
  /** Stops renewing; with `lost`, if told so. */
  end(lost: boolean): void;
}

/*
 * A renewal is sent a third of the TTL after the last one, given up after a sixth and sent again after a twentieth:
 * three attempts, each on another member of etcd if there are several, begin within the trust window.
 */

/** 2 s, or a fifth of a short TTL: for clocks that run apart and for what is in flight. */
export function marginMs(ttlMs: number): number {
  return Math.min(2000, ttlMs / 5);
}

export function keepLease(options: LeaseOptions): KeptLease {
  const { client, clock, leaseId, ttlMs, key, problem, use } = options;
  const lost = new AbortController();
  const ended = new AbortController();
  const stop = AbortSignal.any([ended.signal, options.closed]);
  let trustEnd = options.sentAt + ttlMs - marginMs(ttlMs);
  let over = false;
  let nap = new AbortController();

  function trusted(): boolean {
    if (clock.steady() >= trustEnd) over = true;
    return !over && !stop.aborted;
  }

  function end(isLost: boolean): void {
    over = true;
    ended.abort();
    if (isLost) lost.abort();
  }

  /** Answers whether the renewal was answered, and confirmed if that is needed; ends the lease if it is gone. */
  async function renew(): Promise<boolean> {
    const sentAt = clock.steady();
    const call = { deadlineMs: ttlMs / 6, signal: stop };
    const noteRevision = options.onRead?.();
    const confirmed = use?.needsTrust() ?? true;
    const [renewal, own] = await Promise.all([
      client.renewLease(leaseId, call),
      confirmed ? client.get(key, call) : null,
    ]);
    if (stop.aborted) return true;
    noteRevision?.(own?.revision ?? renewal.revision);
    if (renewal.ttlMs === 0 || (own !== null && own.entry?.lease !== leaseId)) {
      end(true);
      return true;
    }
    if (own !== null && renewal.term !== own.term) return false;
    if (trusted() || !confirmed) {
      over = false;
      trustEnd = sentAt + Math.min(renewal.ttlMs, ttlMs) - marginMs(ttlMs);
      use?.onRenewed(trustEnd, confirmed);
    } else end(true);
    return true;
  }

  /** Each is due a third of the TTL after the last one was sent, however long its answer, or the rest of joining, took. */
  async function renewAlways(): Promise<void> {
    let dueAt = options.sentAt + ttlMs / 3;
    while (!stop.aborted) {
      const pause = Math.max(0, dueAt - clock.steady());
      await clock.sleep(pause, AbortSignal.any([stop, nap.signal])).catch(() => undefined);
      if (stop.aborted) return;
      nap = new AbortController();
      const sentAt = clock.steady();
      const confirmed = await renew().catch((error: unknown) => {
        if (!stop.aborted)
          problem(error instanceof ConvoyError ? error : transient(messageOf(error), { cause: error }));
        return false;
      });
      dueAt = confirmed ? sentAt + ttlMs / 3 : clock.steady() + ttlMs / 20;
    }
  }

  async function endWithTrust(): Promise<void> {
    while (trusted()) await clock.sleep(trustEnd - clock.steady(), stop).catch(() => undefined);
    if (!ended.signal.aborted) end(true);
  }

  use?.onRenewed(trustEnd, true);
  void renewAlways();
  if (options.endsWithTrust) void endWithTrust();
  return { trusted, renew: () => nap.abort(), lost: lost.signal, end };
}
