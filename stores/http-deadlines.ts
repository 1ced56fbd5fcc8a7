/** What must be over by `dueMs` of the steady clock (`performance.now`), and is told when it is not. */
export interface Due {
  readonly dueMs: number;
  expire(): void;
}

/** How late one hears of its deadline at most, while the process is awake, in ms. */
const SWEEP_MS = 50;

/** The deadlines of all that is under way, by one timer: one for each request would cost more than all else of its time-out. */
export class Deadlines {
  private readonly under = new Set<Due>();
  private timer: NodeJS.Timeout | undefined;

  add(one: Due): void {
    this.under.add(one);
    if (this.timer === undefined) this.timer = setInterval(this.sweep, SWEEP_MS);
    else if (this.under.size === 1) this.timer.ref();
  }

  /** What is left of the timer when nothing is under way keeps no process alive. */
  delete(one: Due): void {
    if (this.under.delete(one) && this.under.size === 0) this.timer?.unref();
  }

  private readonly sweep = (): void => {
    const now = performance.now();
    for (const one of this.under) if (one.dueMs <= now) one.expire();
    if (this.under.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  };
}
