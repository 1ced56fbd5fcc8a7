import type { Detail } from './detail.js';
import type { Opened, Reading } from './snapshot.js';

/** How what is shown stands: what was read last stays, with what is in the way of reading it now. */

/** It was never read, and nothing is known to be in the way. */
export const UNREAD: Reading<never> = { value: null, readAt: null, trouble: null };

export function readAt<T>(value: T, now: number): Reading<T> {
  return { value, readAt: now, trouble: null };
}

/**
 * It could not be read: `since` is when it was first tried in vain, whatever has been in the way, and `words` what is in
 * the way now.
 */
export function failedAt<T>(before: Reading<T>, words: string, since: number): Reading<T> {
  return { ...before, trouble: { since: before.trouble?.since ?? since, words } };
}

/** A look that takes longer than this, in ms, is told of. */
const OVERDUE_MS = 2_500;

/** As it is to be shown while a look that began at `began` (null: none is under way) has not been answered by `who`. */
export function waiting<T>(before: Reading<T>, who: string, began: number | null, now: number): Reading<T> {
  if (began === null || now - began < OVERDUE_MS || before.trouble !== null) return before;
  return failedAt(before, `${who} has not answered for ${seconds(now - began)}`, began);
}

/** The same of what is opened; null: it was not looked up yet. */
export function waitingOpened(
  of: Detail,
  before: Opened | null,
  began: number | null,
  now: number,
): Opened | null {
  if (began === null || now - began < OVERDUE_MS || (before !== null && before.trouble !== null))
    return before;
  return { ...(before ?? nothingOf(of)), trouble: `no answer for ${seconds(now - began)}` };
}

function seconds(ms: number): string {
  return `${Math.floor(ms / 1000)} s`;
}

function nothingOf(of: Detail): Opened {
  const about = { of, trouble: null };
  switch (of.kind) {
    case 'worker':
      return { ...about, kind: of.kind, report: null, log: [] };
    case 'unit':
      return { ...about, kind: of.kind, explanation: null, log: [] };
    case 'machine':
      return { ...about, kind: of.kind, condition: null };
    case 'image':
      return { ...about, kind: of.kind, image: null, failures: [], attempts: [] };
    case 'failures':
      return { ...about, kind: of.kind, failures: [], matching: null, images: new Map() };
    case 'failure':
      return { ...about, kind: of.kind, record: null, attempts: [], image: null };
  }
}
