import { ConvoyError, conflict } from '../runtime/errors.js';
import { type Call, refuse } from './route.js';

/** What a change asks to be there: a generation (0: nothing), anything, or (undefined) no matter what. */
export type Precondition = number | 'anything' | undefined;

/** Reads If-Match and If-None-Match. Refused with 400 if they say what cannot be asked here. */
export function preconditionOf(call: Call): Precondition {
  const expected = call.ifMatch();
  const none = call.header('if-none-match')?.trim();
  if (none === undefined) return call.header('if-match')?.trim() === '*' ? 'anything' : expected;
  if (none !== '*' || call.header('if-match') !== undefined)
    throw refuse(400, 'bad-header', `If-None-Match: expected * and no If-Match beside it, got ${none}`);
  return 0;
}

/** Makes a change; what was not as If-Match expects is 412. */
export async function ifMatching<T>(change: Promise<T>): Promise<T> {
  try {
    return await change;
  } catch (error) {
    if (error instanceof ConvoyError && error.code === 'generation') throw doesNotHold(error.message);
    throw error;
  }
}

/** 412: who asked has to read again and decide anew. */
export function doesNotHold(message: string): ConvoyError {
  return conflict(message, { code: 'precondition', status: 412 });
}

/** For changes of what has to be there anyway. */
export function generationOf(call: Call): number | undefined {
  const expected = preconditionOf(call);
  if (expected === 0) throw refuse(400, 'bad-header', 'If-None-Match: not for a unit that has to be there');
  return expected === 'anything' ? undefined : expected;
}
