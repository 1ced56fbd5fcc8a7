import { ConvoyError, messageOf } from '../runtime/errors.js';
import type { Side } from '../stores/environment.js';
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
    const { kind, code, status, retryAfterMs } = error;
    throw new ConvoyError(kind, sentence(side, store, error), {
      ...(code === undefined ? {} : { code }),
      ...(status === undefined ? {} : { status }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
}

function answers(store: Store, signal: AbortSignal | undefined): Promise<boolean> {
  return store.head(SOME_KEY, signal).then(
    () => true,
    () => false,
  );
}

function sentence(side: Side, store: Store, error: ConvoyError): string {
  const message = messageOf(error);
  const where = message.includes(store.name.replace('file://', '')) ? '' : ` ${store.name}`;
  const advice =
    error.code === 'container-absent' && side === 'destination'
      ? ' (convoyctl migration create ... --create-container makes it)'
      : '';
  return `the ${side}${where} cannot be used: ${message}${advice}`;
}
