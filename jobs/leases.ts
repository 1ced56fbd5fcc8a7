import { startOnlyWhile } from '../stores/http-signals.js';
import { leaseOver } from './copy-tile.js';

/** Knows a claim's requests by the signal they carry, so that none is begun or repeated once its lease is over. */
export interface Leases {
  /** All that is asked with this signal is asked for a claim that lasts as long as `leased` says. */
  hold(signal: AbortSignal, leased: () => boolean): void;
  /** Throws `isLeaseOver` if the claim that the signal belongs to lasts no longer. */
  insist(signal: AbortSignal | undefined): void;
}

export function createLeases(): Leases {
  const held = new WeakMap<AbortSignal, () => boolean>();
  function insist(signal: AbortSignal | undefined): void {
    if (signal !== undefined && held.get(signal)?.() === false) throw leaseOver();
  }
  return {
    hold(signal, leased) {
      if (held.get(signal) === leased) return;
      held.set(signal, leased);
      startOnlyWhile(signal, () => insist(signal));
    },
    insist,
  };
}
