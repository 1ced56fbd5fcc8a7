import { messageOf } from '../../runtime/errors.js';
import type { Scenario } from './scenario.js';

/** What a command does; `text` is what stands indented below it. */
export type Run = (scenario: Scenario, args: readonly string[], text: string) => Promise<void> | void;

/** The cluster said no, a line for each reason: what a script wants to show, unlike a mistake in the script. */
export class Refused extends Error {}

/** What the operator asks of the registry, with its no told from a mistake of the script. */
export async function asked<T>(call: () => Promise<T>): Promise<void> {
  try {
    await call();
  } catch (error) {
    throw new Refused(messageOf(error), { cause: error });
  }
}
