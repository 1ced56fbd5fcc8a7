import { Bag, type Place } from './bag.js';

/** What goes on under a signal, and is told when it is given up. */
export interface Abortable {
  giveUp(): void;
}

/**
 * Hears a signal for all that goes on under it: a listener each would cost more than a small request. Node gives each signal a shape
 * of its own, by which V8 compiles what touches it anew with each of the first claims: so it is touched seldom, and never with a
 * request that is one of a claim's.
 */
export class Watch {
  private readonly under = new Bag<Abortable>();
  private insists: (() => void) | undefined;
  private fired = false;
  private listens = false;

  constructor(private readonly signal: AbortSignal) {}

  /** See `startOnlyWhile`. From now on the signal is heard as long as it lives. */
  startOnlyWhile(insist: () => void): void {
    this.insists = insist;
    if (!this.listens) this.listen();
  }

  /** Throws what the condition of this signal throws, if it has one. */
  insist(): void {
    this.insists?.();
  }

  hasFired(): boolean {
    return this.fired || (!this.listens && this.signal.aborted);
  }

  /** It hears when the signal is given up, until what is answered is handed to `leave`. */
  join(one: Abortable): Place<Abortable> {
    if (!this.listens) this.listen();
    return this.under.add(one);
  }

  leave(place: Place<Abortable>): void {
    this.under.remove(place);
    if (this.under.size === 0 && this.insists === undefined) this.rest();
  }

  private listen(): void {
    this.listens = true;
    this.fired ||= this.signal.aborted;
    this.signal.addEventListener('abort', this.heard, { once: true });
  }

  private rest(): void {
    this.listens = false;
    this.signal.removeEventListener('abort', this.heard);
  }

  private readonly heard = (): void => {
    this.fired = true;
    for (const one of this.under) one.giveUp();
  };
}

const watches = new WeakMap<AbortSignal, Watch>();

/** The one of this signal. */
export function watchOf(signal: AbortSignal): Watch {
  let watch = watches.get(signal);
  if (watch === undefined) {
    watch = new Watch(signal);
    watches.set(signal, watch);
  }
  return watch;
}

/**
 * Requests with this signal start only while `insist` does not throw. It is asked as a request is about to be written, however
 * long that waited for a connection: of a process that was frozen meanwhile no timer may have fired yet.
 */
export function startOnlyWhile(signal: AbortSignal, insist: () => void): void {
  watchOf(signal).startOnlyWhile(insist);
}
