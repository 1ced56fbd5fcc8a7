import type { Sample } from '../../jobs/progress.js';

/** How fast a migration went, over even stretches of time. */
export interface Rates {
  /** One of each for every slot, oldest first; null: nobody looked. Never negative, though totals may go back. */
  readonly tilesPerSecond: readonly (number | null)[];
  readonly bytesPerSecond: readonly (number | null)[];
  readonly slotMs: number;
}

/** So far back goes what is shown. */
const WINDOW_MS = 15 * 60_000;
const MOST_SLOTS = 120;
const SLOTS_MS = [1_000, 2_000, 5_000];
const LONGEST_SLOT_MS = 10_000;
/** Readings come about one a second: between two that are further apart nobody looked. */
const DENSE_MS = 5_000;

/**
 * Of cumulative counts, oldest first, the rate in each slot up to `now` (on the clock of the samples). Slots lie on even
 * times, so that a slot tells the same at each look, and are as short as the time that is known allows. Between two
 * readings the rate is taken as even; where nobody looked it is not known, unless the counts say that nothing was settled.
 */
export function ratesOf(samples: readonly Sample[], now: number): Rates {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined)
    return { tilesPerSecond: [], bytesPerSecond: [], slotMs: LONGEST_SLOT_MS };
  const newest = now - last.at < DENSE_MS ? last.at : now;
  const known = Math.max(first.at, newest - WINDOW_MS);
  const slotMs = SLOTS_MS.find((ms) => newest - known <= ms * MOST_SLOTS) ?? LONGEST_SLOT_MS;
  const from = Math.ceil(known / slotMs);
  const slots = Array.from({ length: Math.max(0, Math.floor(newest / slotMs) - from) }, () => ({
    ...{ settled: 0, bytes: 0, knownMs: 0 },
  }));
  for (const [at, before] of samples.entries()) {
    const after = samples[at + 1];
    if (after === undefined || !isKnown(before, after)) continue;
    const settled = Math.max(0, after.settled - before.settled) / (after.at - before.at);
    const bytes = Math.max(0, after.bytes - before.bytes) / (after.at - before.at);
    const start = Math.max(0, Math.floor(before.at / slotMs) - from);
    for (let place = start; place < slots.length && (from + place) * slotMs < after.at; place++) {
      const slot = slots[place]!;
      const begin = (from + place) * slotMs;
      const ms = Math.min(after.at, begin + slotMs) - Math.max(before.at, begin);
      slot.settled += settled * ms;
      slot.bytes += bytes * ms;
      slot.knownMs += ms;
    }
  }
  const perSecond = (of: 'settled' | 'bytes'): (number | null)[] =>
    slots.map((slot) => (slot.knownMs < slotMs ? null : (slot[of] * 1000) / slotMs));
  return { tilesPerSecond: perSecond('settled'), bytesPerSecond: perSecond('bytes'), slotMs };
}

function isKnown(before: Sample, after: Sample): boolean {
  if (after.at <= before.at) return false;
  const same = after.settled === before.settled && after.bytes === before.bytes;
  return same || after.at - before.at <= DENSE_MS;
}
