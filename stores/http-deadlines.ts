import { Bag, type Place } from './bag.js';

/** What must be over by `dueMs` of the steady clock (`performance.now`), and is told when it is not. */
export interface Due {
  readonly dueMs: number;
  expire(): void;
}

/** The deadlines of all that is under way, by one timer for the first of them: one for each request would cost more than all else. */
export class Deadlines {
  private readonly under = new Bag<Due>();
  private timer: NodeJS.Timeout | undefined;
  /** When the timer fires. */
  private wakesMs = Number.POSITIVE_INFINITY;

  /** Until what it answers is handed to `delete`. */
  add(one: Due): Place<Due> {
    const place = this.under.add(one);
    this.by(one.dueMs);
    if (this.under.size === 1) this.timer?.ref();
    return place;
  }

  /** To be told of a deadline that one of them has anew. */
  by(dueMs: number): void {
    if (dueMs >= this.wakesMs) return;
    clearTimeout(this.timer);
    this.wakesMs = dueMs;
    this.timer = setTimeout(this.sweep, Math.ceil(dueMs - performance.now()));
  }

  /** What is left of the timer when nothing is under way keeps no process alive. */
  delete(place: Place<Due>): void {
    this.under.remove(place);
    if (this.under.size === 0) this.timer?.unref();
  }

  private readonly sweep = (): void => {
    this.timer = undefined;
    this.wakesMs = Number.POSITIVE_INFINITY;
    const now = performance.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const one of this.under)
      if (one.dueMs <= now) one.expire();
      else nextMs = Math.min(nextMs, one.dueMs);
    this.by(nextMs);
  };
}
