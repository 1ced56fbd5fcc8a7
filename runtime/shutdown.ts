import { constants } from 'node:os';
import { messageOf } from './errors.js';
import type { Log } from './log.js';

/** What a program opened, closed in reverse order exactly once. */
export interface Shutdown {
  /** Fires on the first SIGTERM, SIGINT, SIGHUP (with that name as its reason) or call of `begin`. */
  readonly signal: AbortSignal;
  begin(): void;
  /** Resolves when the signal fires; at once if it has: a program may be told to stop before it is up. */
  begun(): Promise<void>;
  /** Registers a closer; closers run in reverse order, each failure is logged and does not stop the rest. */
  onClose(name: string, close: () => Promise<void> | void): void;
  /** Runs the closers. Later calls await the same run. */
  close(): Promise<void>;
}

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** The second signal ends the process at once: an operator who asks twice means it. */
export function createShutdown(log: Log, process_: NodeJS.Process = process): Shutdown {
  const controller = new AbortController();
  const closers: { name: string; close: () => Promise<void> | void }[] = [];
  let closing: Promise<void> | undefined;

  let asked = false;
  const onSignal = (name: NodeJS.Signals): void => {
    if (asked) process_.exit(128 + constants.signals[name]);
    asked = true;
    controller.abort(name);
  };
  for (const name of SIGNALS) process_.on(name, onSignal);

  async function runClosers(): Promise<void> {
    for (const { name, close } of closers.reverse()) {
      try {
        await close();
      } catch (error) {
        log.error({ closing: name }, messageOf(error));
      }
    }
    for (const name of SIGNALS) process_.off(name, onSignal);
  }

  return {
    signal: controller.signal,
    begin: () => controller.abort(),
    begun: () =>
      new Promise((resolve) => {
        if (controller.signal.aborted) resolve();
        else controller.signal.addEventListener('abort', () => resolve(), { once: true });
      }),
    onClose: (name, close) => void closers.push({ name, close }),
    close() {
      closing ??= runClosers();
      return closing;
    },
  };
}
