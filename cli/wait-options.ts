import { type OptionRow, parseDuration, parseInteger, parseSwitch } from '../runtime/options.js';
import type { Waited } from './wait.js';
import { ATTEMPT_MS } from './wait.js';

export const block = {
  flag: '--no-block',
  help: 'do not wait until it is done',
  parse: parseSwitch,
} satisfies OptionRow<boolean>;
export const blockAttempts = {
  flag: '--block-attempts <n>',
  help: 'wait for n times 2 seconds, then exit with 1; 0 = for ever',
  parse: parseInteger(-1_000_000, 1_000_000),
  default: 0,
} satisfies OptionRow<number>;
export const timeout = {
  flag: '--timeout <duration>',
  help: 'wait no longer than this, such as 90s or 10m, then exit with 3; 0 = for ever',
  parse: parseDuration,
  default: 0,
} satisfies OptionRow<number>;

/** For how long a command waits, and what its exit code is when that was not enough. */
export interface Patience {
  /** 0 = for ever. */
  readonly timeoutMs: number;
  readonly lateCode: 1 | 3;
}

/** Fleet's attempts and our time-out, whichever ends first. Fleet did not tell a time-out from a failure. */
export function patienceOf(options: { readonly blockAttempts: number; readonly timeout: number }): Patience {
  const attemptsMs = Math.max(0, options.blockAttempts) * ATTEMPT_MS;
  const late = options.timeout > 0 && (attemptsMs === 0 || options.timeout < attemptsMs);
  return { timeoutMs: late ? options.timeout : attemptsMs, lateCode: late ? 3 : 1 };
}

export function waitedCode({ failed, late }: Waited, { lateCode }: Patience): number {
  return failed.length > 0 ? 1 : late.length > 0 ? lateCode : 0;
}
