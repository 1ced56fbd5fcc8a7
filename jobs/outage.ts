import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import type { Clock } from '../runtime/clock.js';
import { aborted, ConvoyError, kindOf, messageOf, transient } from '../runtime/errors.js';
import type { Log } from '../runtime/log.js';
import { SIDES, type Side } from '../stores/environment.js';
import type { StoreErrorCode } from '../stores/store.js';

/**
 * Tells a store that refuses everything from an object that cannot be had. While a store is away, whoever copies
 * waits in `open`, keeps its claims and counts no attempts; a probe finds out when the store is back.
 */
export interface Outage {
  /** Resolves once neither side is away; rejects `aborted` when the signal fires. */
  open(signal: AbortSignal): Promise<void>;
  /** Whether this error is the store's own trouble, so that the item is to be tried again as if never tried. */
  blames(side: Side, error: ConvoyError): Promise<boolean>;
  /** A hint that a side may be away: it is asked at once. */
  suspect(side: Side): void;
  /** An item went through: both sides answer. */
  served(): void;
  /** The side that is away, since when (ms since the epoch) and why; null if none is. */
  readonly away: Away | null;
  /** Ends the probing. Waiters in `open` are not woken: their own signal does that. */
  stop(): Promise<void>;
}

export interface Away {
  readonly side: Side;
  readonly since: number;
  readonly detail: string;
}

export interface OutageOptions {
  /** Asks a store, without retries, something it can answer if it answers anything; rejects if it cannot. */
  readonly probes: Readonly<Record<Side, (signal: AbortSignal) => Promise<unknown>>>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Called when a side goes away or comes back. */
  readonly onChange: () => void;
}

/** Permanent errors that no object can be blamed for: a person has to free space, mount, or mend credentials. */
const STORE_WIDE: readonly StoreErrorCode[] = ['disk-full', 'wrong-credentials', 'container-absent'];
const PROBE_TIMEOUT_MS = 5_000;
const BACKOFF: BackoffPolicy = { firstMs: 500, factor: 2, maxMs: 10_000 };

interface SideState {
  away: Away | null;
  check: Promise<ConvoyError | null> | null;
  /** When the trouble began, and how often it was probed, since an item last went through. */
  since: number | null;
  probes: number;
}

export function createOutage(options: OutageOptions): Outage {
  const { clock, random, log } = options;
  const stopping = new AbortController();
  const sides: Record<Side, SideState> = { source: fresh(), destination: fresh() };
  const recoveries = new Set<Promise<void>>();
  const waiters = new Set<() => void>();

  const away = (): Away | null => sides.source.away ?? sides.destination.away;

  /** The error if the store refuses everything, null if it answered anything at all. */
  async function ask(side: Side): Promise<ConvoyError | null> {
    const ended = new AbortController();
    const signal = AbortSignal.any([ended.signal, stopping.signal]);
    const late = clock.sleep(PROBE_TIMEOUT_MS, signal).then(() => {
      throw transient(`no answer within ${PROBE_TIMEOUT_MS} ms`, { code: 'timeout' });
    });
    late.catch(() => undefined);
    try {
      await Promise.race([options.probes[side](signal), late]);
      return null;
    } catch (error) {
      return error instanceof ConvoyError && refusesAll(error) ? error : null;
    } finally {
      ended.abort();
    }
  }

  /** Everybody who wonders at the same time shares one probe. */
  function check(side: Side): Promise<ConvoyError | null> {
    const state = sides[side];
    state.check ??= ask(side).finally(() => {
      state.check = null;
    });
    return state.check;
  }

  function goAway(side: Side, error: ConvoyError): void {
    const state = sides[side];
    if (stopping.signal.aborted) return;
    const first = state.away === null;
    state.since ??= clock.now();
    state.away = { side, since: state.since, detail: messageOf(error) };
    if (!first) return;
    log.warn(
      { side, since: new Date(state.since).toISOString() },
      `${side} unreachable: ${messageOf(error)}`,
    );
    options.onChange();
    const recovery = recover(side, error.retryAfterMs ?? 0).catch((failure: unknown) => {
      if (kindOf(failure) !== 'aborted') throw failure;
    });
    recoveries.add(recovery);
    void recovery.finally(() => recoveries.delete(recovery));
  }

  async function recover(side: Side, firstWaitMs: number): Promise<void> {
    const state = sides[side];
    let wait = firstWaitMs;
    for (;;) {
      state.probes++;
      await clock.sleep(Math.max(wait, backoffMs(state.probes, BACKOFF, random())), stopping.signal);
      const error = await check(side);
      if (error === null) break;
      wait = error.retryAfterMs ?? 0;
      goAway(side, error);
    }
    state.away = null;
    log.info({ side }, `${side} answers again`);
    options.onChange();
    for (const wake of [...waiters]) wake();
  }

  return {
    get away() {
      return away();
    },
    async open(signal) {
      while (away() !== null) {
        if (signal.aborted) throw aborted('gave up waiting for the store');
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            waiters.delete(wake);
            signal.removeEventListener('abort', wake);
            resolve();
          };
          waiters.add(wake);
          signal.addEventListener('abort', wake, { once: true });
        });
      }
    },
    async blames(side, error) {
      if (!refusesAll(error)) return false;
      if (error.kind === 'permanent') goAway(side, error);
      if (sides[side].away !== null) return true;
      const refused = await check(side);
      if (refused !== null) goAway(side, refused);
      return refused !== null;
    },
    suspect(side) {
      if (sides[side].away !== null || sides[side].check !== null) return;
      void check(side).then((error) => {
        if (error !== null) goAway(side, error);
      });
    },
    served() {
      for (const side of SIDES) {
        const state = sides[side];
        if (state.away !== null) continue;
        state.since = null;
        state.probes = 0;
      }
    },
    async stop() {
      stopping.abort();
      await Promise.all(recoveries);
    },
  };
}

function fresh(): SideState {
  return { away: null, check: null, since: null, probes: 0 };
}

/** Errors that may be the whole store's: whether they are, a probe tells (or, if permanent, the code does). */
function refusesAll(error: ConvoyError): boolean {
  return (
    error.kind === 'transient' ||
    (error.kind === 'permanent' && STORE_WIDE.some((code) => code === error.code))
  );
}
