/**
 * How lines of a unit's log look. `cat`: what the unit wrote and nothing else. All others are journalctl's, with what
 * systemd says about the unit among them; a unit manager that does not know times and processes refuses them.
 */
export const LOG_OUTPUTS = [
  'cat',
  'json',
  'json-pretty',
  'short',
  'short-full',
  'short-iso',
  'short-iso-precise',
  'short-monotonic',
  'short-precise',
  'short-unix',
  'verbose',
  'with-unit',
] as const;
export type LogOutput = (typeof LOG_OUTPUTS)[number];

/** Which lines of a unit's log, and how. */
export interface LogOptions {
  /** How many of the last lines come first; null: all there are. */
  readonly lines: number | null;
  /** Go on with new lines until the signal fires. */
  readonly follow: boolean;
  /** Null: what suits the unit manager, `short` where there are times and `cat` elsewhere. */
  readonly output: LogOutput | null;
  /** Nothing older, as journalctl reads times: `2026-11-20 18:00`, `yesterday`, `-1h`; null: however old. */
  readonly since: string | null;
}

/** What is wrong with a time to begin from, or null. What it means is for the unit manager to say. */
export function sinceProblem(since: string): string | null {
  return /^[\w :.,+@/-]{1,64}$/.test(since)
    ? null
    : `expected a time as journalctl reads it, such as "2026-11-20 18:00", "yesterday" or "-1h", got "${since}"`;
}
