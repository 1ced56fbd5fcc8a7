import { Bag, type Place } from './bag.js';

/** What must be over by `dueMs` of the steady clock (`performance.now`), and is told when it is not. */
export interface Due {
  readonly dueMs: number;
  expire(): void;
}

/** How late one hears of its deadline at most, while the process is awake, in ms. */
const SWEEP_MS = 50;

/** The deadlines of all that is under way, by one timer: one for each request would cost more than all else of its time-out. */
export class Deadlines {
  private readonly under = new Bag<Due>();
  private timer: NodeJS.Timeout | undefined;

  /** Until what it answers is handed to `delete`. */
  add(one: Due): Place<Due> {
    const place = this.under.add(one);
    if (this.timer === undefined) this.timer = setInterval(this.sweep, SWEEP_MS);
    else if (this.under.size === 1) this.timer.ref();
    return place;
  }

  /** What is left of the timer when nothing is under way keeps no process alive. */
  delete(place: Place<Due>): void {
    this.under.remove(place);
    if (this.under.size === 0) this.timer?.unref();
  }

  private readonly sweep = (): void => {
    const now = performance.now();
    for (const one of this.under) if (one.dueMs <= now) one.expire();
    if (this.under.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  };
}
