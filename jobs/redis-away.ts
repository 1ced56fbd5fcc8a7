import { ConvoyError, kindOf } from '../runtime/errors.js';

/** Codes of a Redis that answers, but with nothing that it was asked for: a person has to change something. */
const USELESS = ['wrong-credentials', 'redis-error'];

/** Whether an error of the queue is of Redis itself: nothing can be had from it now, whatever is asked. */
export function isAway(error: unknown): boolean {
  if (kindOf(error) === 'transient') return true;
  return error instanceof ConvoyError && USELESS.some((code) => code === error.code);
}
