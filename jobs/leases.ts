import { leaseOver } from './copy-tile.js';

/** Knows a claim's requests by the signal they carry, so that none is repeated once its lease is over. */
export interface Leases {
  /** All that is asked with this signal is asked for a claim that lasts as long as `leased` says. */
  hold(signal: AbortSignal, leased: () => boolean): void;
  /** Throws `isLeaseOver` if the claim that the signal belongs to lasts no longer. */
  insist(signal: AbortSignal | undefined): void;
}

export function createLeases(): Leases {
  const held = new WeakMap<AbortSignal, () => boolean>();
  return {
    hold: (signal, leased) => void held.set(signal, leased),
    insist(signal) {
      if (signal !== undefined && held.get(signal)?.() === false) throw leaseOver();
    },
  };
}
