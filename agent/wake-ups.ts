/** Wake-ups for any number of listeners; those that come while a listener is busy are merged into one. */
export interface WakeUps {
  wake(): void;
  /** Ends when the signal fires. A wake-up after this call is never missed. */
  stream(signal: AbortSignal): AsyncIterable<void>;
}

export function createWakeUps(): WakeUps {
  const listeners = new Set<() => void>();
  return {
    wake() {
      for (const listener of listeners) listener();
    },
    stream(signal) {
      let woken = false;
      let notify = (): void => undefined;
      const listener = (): void => {
        woken = true;
        notify();
      };
      listeners.add(listener);
      signal.addEventListener('abort', listener, { once: true });
      return {
        async *[Symbol.asyncIterator]() {
          try {
            while (!signal.aborted) {
              if (!woken)
                await new Promise<void>((resolve) => {
                  notify = resolve;
                });
              woken = false;
              if (!signal.aborted) yield;
            }
          } finally {
            listeners.delete(listener);
          }
        },
      };
    },
  };
}
