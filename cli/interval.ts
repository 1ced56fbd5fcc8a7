import { parseDuration } from '../runtime/options.js';

/** What is asked more often than this would be a load of its own. */
export function parseInterval(text: string): number {
  const ms = parseDuration(text);
  if (ms < 100) throw new Error('expected at least 100ms');
  return ms;
}
