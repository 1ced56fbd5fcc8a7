import { type ConvoyError, conflict } from '../runtime/errors.js';
import { type ClusterChange, MOST_UNDELIVERED } from './registry.js';

/** What came and has not been read yet, between one that is told and one reader. */
export interface ChangeFeed {
  /** Ends the feed with `conflict`/`lagging` if the reader is too far behind already. Nothing once it has ended. */
  push(change: ClusterChange): void;
  /** What is there is still read, then the error is thrown, if there is one. */
  end(error?: ConvoyError): void;
  /** Ends at once when the signal fires. */
  read(signal: AbortSignal): AsyncGenerator<ClusterChange, void>;
}

/** `onEnd` is called once, when nothing more will be taken. */
export function createChangeFeed(onEnd: () => void): ChangeFeed {
  const waiting: ClusterChange[] = [];
  let undelivered = 0;
  let ended: { readonly error: ConvoyError | undefined } | undefined;
  let wake = (): void => undefined;

  function end(error?: ConvoyError): void {
    if (ended !== undefined) return;
    ended = { error };
    wake();
    onEnd();
  }

  return {
    end,
    push(change) {
      if (undelivered >= MOST_UNDELIVERED)
        end(
          conflict(`more than ${MOST_UNDELIVERED} events wait to be read: go on from the last one`, {
            code: 'lagging',
          }),
        );
      if (ended !== undefined) return;
      waiting.push(change);
      undelivered += change.events.length;
      wake();
    },
    async *read(signal) {
      const stop = (): void => wake();
      signal.addEventListener('abort', stop);
      try {
        while (!signal.aborted) {
          const next = waiting.shift();
          if (next !== undefined) {
            undelivered -= next.events.length;
            yield next;
          } else if (ended !== undefined) {
            if (ended.error !== undefined) throw ended.error;
            return;
          } else
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
        }
      } finally {
        signal.removeEventListener('abort', stop);
      }
    },
  };
}
