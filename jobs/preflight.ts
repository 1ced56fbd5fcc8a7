import { ConvoyError, messageOf, UsageError } from '../runtime/errors.js';
import type { Side } from '../stores/environment.js';
import { scrub } from '../stores/location.js';
import type { Store } from '../stores/store.js';

/** An object that may be asked for, just to hear an answer: it need not exist. */
export const SOME_KEY = 'total.txt';

/**
 * Asks a migration's store, before anything is begun, whether it is there and lets us in. Rejects with one sentence
 * that says what is wrong and what to do; kind and code are the store's.
 *
 * Credentials may be good for objects and not for the container as a whole, so a store that forbids to look at that is
 * asked for an object.
 */
export async function preflight(side: Side, store: Store, signal?: AbortSignal): Promise<void> {
  try {
    await store.check(signal);
  } catch (error) {
    if (!(error instanceof ConvoyError) || error.kind === 'aborted') throw error;
    if (error.code === 'forbidden' && (await answers(store, signal))) return;
    throw unusable(side, store.name, error);
  }
}

/** The store that `open` opens at a migration's location; what is wrong is told as `preflight` tells it. */
export async function opened<S extends Store>(
  side: Side,
  location: string,
  open: (location: string) => Promise<S>,
): Promise<S> {
  try {
    return await open(location);
  } catch (error) {
    throw error instanceof ConvoyError ? unusable(side, scrub(location), error) : error;
  }
}

function answers(store: Store, signal: AbortSignal | undefined): Promise<boolean> {
  return store.head(SOME_KEY, signal).then(
    () => true,
    () => false,
  );
}

function unusable(side: Side, name: string, error: ConvoyError): ConvoyError {
  const message = messageOf(error);
  const where = message.includes(name.replace('file://', '')) ? '' : ` ${name}`;
  const advice =
    error.code === 'container-absent' && side === 'destination'
      ? ' (convoyctl migration create ... --create-container makes it)'
      : '';
  const sentence = `the ${side}${where} cannot be used: ${message}${advice}`;
  if (error instanceof UsageError) return new UsageError(sentence);
  const { kind, code, status, retryAfterMs } = error;
  return new ConvoyError(kind, sentence, {
    ...(code === undefined ? {} : { code }),
    ...(status === undefined ? {} : { status }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}
