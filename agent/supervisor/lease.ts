import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Clock } from '../../runtime/clock.js';

export interface LeaseOptions {
  /** Where the deadline is kept for the next supervisor of this boot. */
  readonly file: string;
  readonly boot: string;
  /** Time since boot, suspension included (ms), rounded down to `UPTIME_TICK_MS`. */
  readonly uptime: () => number;
  readonly clock: Clock;
  /** Called once each time a lease that was held has run out. */
  readonly onOver: () => void;
}

/** How coarse /proc/uptime is. */
const UPTIME_TICK_MS = 10;
/** Timers stand still while the machine is suspended, so a long wait is cut into such pieces (ms). */
const LOOK_MS = 1000;

/** Until when the lease-bound units of this machine may run. The deadline is absolute: nothing that is late moves it. */
export class Lease {
  private until: number;
  /** A lease was held and its end not acted upon yet. */
  private owesEnd = false;
  private counting = false;

  constructor(private readonly options: LeaseOptions) {
    this.until = stored(options);
    if (this.held) this.begin();
  }

  /** Judged anew each time: a process that was frozen past the deadline does not believe what it last knew. */
  get held(): boolean {
    return this.left() > 0;
  }

  /** `until` is a time since boot (ms). One that is over, or not later than the last, changes nothing. */
  hold(until: number): void {
    this.expire();
    if (until <= this.until || until - this.options.uptime() <= UPTIME_TICK_MS) return;
    const { file, boot } = this.options;
    writeFileSync(`${file}.new`, JSON.stringify({ boot, until }), { mode: 0o600 });
    renameSync(`${file}.new`, file);
    this.until = until;
    this.begin();
  }

  private begin(): void {
    this.owesEnd = true;
    if (!this.counting) void this.count();
  }

  private left(): number {
    return this.until - this.options.uptime() - UPTIME_TICK_MS;
  }

  private async count(): Promise<void> {
    this.counting = true;
    do await this.options.clock.sleep(Math.max(0, Math.min(this.left(), LOOK_MS)));
    while (this.held);
    this.counting = false;
    this.expire();
  }

  private expire(): void {
    if (!this.owesEnd || this.held) return;
    this.owesEnd = false;
    this.options.onOver();
  }
}

function stored({ file, boot }: LeaseOptions): number {
  try {
    const last = JSON.parse(readFileSync(file, 'utf8')) as { boot: string; until: number };
    if (last.boot === boot && typeof last.until === 'number') return last.until;
  } catch {
    // None was ever held, or the file is damaged: then none is held.
  }
  return 0;
}
