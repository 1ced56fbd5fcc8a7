/** Wake-ups for any number of listeners; those that come while a listener is busy are merged into one. */
export interface WakeUps {
  wake(): void;
  /** Counts from this call on, not from the first wait. Ends when the signal fires. */
  changes(signal: AbortSignal): AsyncIterable<void>;
}

export function createWakeUps(): WakeUps {
  const listeners = new Set<() => void>();
  return {
    wake() {
      for (const listener of listeners) listener();
    },
    changes(signal) {
      let woken = false;
      let go = (): void => undefined;
      const listener = (): void => {
        woken = true;
        go();
      };
      listeners.add(listener);
      const end = (): void => {
        listeners.delete(listener);
        go();
      };
      signal.addEventListener('abort', end, { once: true });
      return (async function* (): AsyncIterable<void> {
        while (!signal.aborted) {
          if (!woken)
            await new Promise<void>((resolve) => {
              go = resolve;
            });
          if (signal.aborted) return;
          woken = false;
          yield;
        }
      })();
    },
  };
}
