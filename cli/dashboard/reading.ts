import type { Reading } from './snapshot.js';

/** How a half of the dashboard stands: what was read last stays, with what is in the way of reading it now. */

/** It was never read, and nothing is known to be in the way. */
export const UNREAD: Reading<never> = { value: null, readAt: null, trouble: null };

export function readAt<T>(value: T, now: number): Reading<T> {
  return { value, readAt: now, trouble: null };
}

/**
 * It could not be read: `since` is when it was first tried in vain, whatever is in the way since, and `words` what is
 * in the way now.
 */
export function failedAt<T>(before: Reading<T>, words: string, since: number): Reading<T> {
  return { ...before, trouble: { since: before.trouble?.since ?? since, words } };
}

/** A look that takes longer than this, in ms, is told of. Nothing that answers takes as long. */
const OVERDUE_MS = 2_500;

/** As it is to be shown while a look that began at `began` (null: none is under way) has not been answered. */
export function waiting<T>(before: Reading<T>, began: number | null, now: number): Reading<T> {
  if (began === null || now - began < OVERDUE_MS || before.trouble !== null) return before;
  return failedAt(before, `no answer for ${Math.floor((now - began) / 1000)} s`, began);
}
