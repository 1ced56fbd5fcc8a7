/** What goes on under a signal, and is told when it is given up. */
export interface Abortable {
  giveUp(): void;
}

interface Watch {
  insist: (() => void) | undefined;
  readonly under: Set<Abortable>;
  readonly heard: () => void;
}

const watches = new WeakMap<AbortSignal, Watch>();

function watchOf(signal: AbortSignal): Watch {
  const known = watches.get(signal);
  if (known !== undefined) return known;
  const under = new Set<Abortable>();
  const heard = (): void => {
    for (const one of under) one.giveUp();
  };
  const made: Watch = { insist: undefined, under, heard };
  watches.set(signal, made);
  return made;
}

/**
 * Requests with this signal start only while `insist` does not throw. It is asked as a request is about to be written, however
 * long that waited for a connection: of a process that was frozen meanwhile no timer may have fired yet.
 */
export function startOnlyWhile(signal: AbortSignal, insist: () => void): void {
  watchOf(signal).insist = insist;
}

/** Throws what the condition of this signal throws, if it has one. */
export function insistOn(signal: AbortSignal): void {
  watches.get(signal)?.insist?.();
}

/** Until `leave`, it hears when the signal is given up. One listener hears for all: each costs more than a small request. */
export function join(signal: AbortSignal, one: Abortable): void {
  const { under, heard } = watchOf(signal);
  under.add(one);
  if (under.size === 1) signal.addEventListener('abort', heard, { once: true });
}

export function leave(signal: AbortSignal, one: Abortable): void {
  const watch = watches.get(signal);
  if (watch?.under.delete(one) && watch.under.size === 0) signal.removeEventListener('abort', watch.heard);
}
