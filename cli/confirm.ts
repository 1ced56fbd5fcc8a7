import { UsageError } from '../runtime/errors.js';
import { type OptionRow, parseSwitch } from '../runtime/options.js';
import type { Context } from './command.js';

export const yes = {
  flag: '--yes',
  help: 'do not ask',
  parse: parseSwitch,
  default: false,
} satisfies OptionRow<boolean>;
export const dryRun = {
  flag: '--dry-run',
  help: 'show what would be done, and do nothing',
  parse: parseSwitch,
  default: false,
} satisfies OptionRow<boolean>;

export interface Deed {
  /** `Destroy 3 units?` */
  readonly question: string;
  /** What it is about, a line each: shown before it is asked. */
  readonly list: readonly string[];
  /** The command line has --yes. */
  readonly yes: boolean;
  /** The caller has not named what it is about: where nobody can be asked, --yes is needed. */
  readonly unnamed: boolean;
}

/**
 * Whether to go ahead with something destructive. Who sits at a terminal is asked. Without a terminal what was named
 * goes ahead, so that scripts work; what was chosen by a pattern or a plan is a usage error without --yes.
 */
export async function mayGoAhead(
  context: Context,
  { question, list, yes: sure, unnamed }: Deed,
): Promise<boolean> {
  if (sure) return true;
  if (context.ask === null) {
    if (!unnamed) return true;
    throw new UsageError(`${question} Nobody can be asked here: give --yes to go ahead`);
  }
  for (const line of list) context.err(line);
  if (await context.ask(question)) return true;
  context.err('Nothing was changed');
  return false;
}
