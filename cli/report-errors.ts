import { messageOf, UsageError } from '../runtime/errors.js';
import type { Context } from './command.js';

/** Runs the body; what fails is told in fleet's way, with what was being done, and null answered. */
export async function reporting<T>(
  context: Context,
  doing: string,
  body: () => Promise<T>,
): Promise<T | null> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    context.err(`Error ${doing} units: ${messageOf(error)}`);
    return null;
  }
}

/** What fleet said, and success, where no unit was named. */
export function noUnits(context: Context): number {
  context.err('No units given');
  return 0;
}

/** A refusal of the API as fleetctl told it: with the words of the library it was made with. */
export function refusal(context: Context, status: number, what: string): string {
  return context.fleet ? `googleapi: Error ${status}: ${what}` : what;
}
