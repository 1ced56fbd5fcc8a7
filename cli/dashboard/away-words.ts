import { timeOfDay } from '../times.js';
import type { Reading } from './snapshot.js';

/** That what a half of the dashboard is read from cannot be reached, and of when its numbers are. */
export function awayWords(
  who: string,
  what: string,
  { since, words }: NonNullable<Reading<unknown>['trouble']>,
  readAt: number | null,
): string {
  const numbers = readAt === null ? `nothing is known of ${what} yet` : `numbers of ${timeOfDay(readAt)}`;
  return `${who} away since ${timeOfDay(since)}, ${numbers}: ${words}`;
}
