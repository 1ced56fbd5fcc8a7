/** Wake-ups for any number of waiters. A waiter that is busy gets one wake-up for all it missed. */
export interface Wakes {
  wake(): void;
  /** Counts from the call on, not from the first wait. Ends when the signal fires. */
  changes(signal: AbortSignal): AsyncIterable<void>;
}

export function createWakes(): Wakes {
  const bells = new Set<() => void>();
  return {
    wake() {
      for (const ring of bells) ring();
    },
    changes(signal) {
      let pending = false;
      let go = (): void => undefined;
      const ring = (): void => {
        pending = true;
        go();
      };
      bells.add(ring);
      signal.addEventListener(
        'abort',
        () => {
          bells.delete(ring);
          go();
        },
        { once: true },
      );
      return (async function* (): AsyncIterable<void> {
        while (!signal.aborted) {
          if (!pending)
            await new Promise<void>((resolve) => {
              go = resolve;
            });
          if (signal.aborted) return;
          pending = false;
          yield;
        }
      })();
    },
  };
}
