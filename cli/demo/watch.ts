import type { MigrationStatus } from '../../jobs/work-queue.js';
import type { Clock } from '../../runtime/clock.js';
import { messageOf } from '../../runtime/errors.js';

export interface WatchOptions {
  readonly status: () => Promise<MigrationStatus | null>;
  /** Where each unit runs, in words. */
  readonly places: () => Promise<string>;
  /** Called once, when half of the tiles are settled and the plan is closed. */
  readonly halfWay: () => Promise<void>;
  readonly out: NodeJS.WriteStream;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Shows a migration's progress until it is finished: one line that is written over on a terminal, a line every
 * five seconds otherwise; where the units run whenever that changes.
 */
export async function watch(options: WatchOptions): Promise<MigrationStatus> {
  const { clock, out } = options;
  const started = clock.steady();
  let lastPlaces = '';
  let lastLine = Number.NEGATIVE_INFINITY;
  let halfWayDone = false;
  for (;;) {
    const status = await options.status().catch((error: unknown) => messageOf(error));
    const places = await options.places().catch(() => lastPlaces);
    if (places !== lastPlaces) {
      say(`   ${places}`);
      lastPlaces = places;
    }
    if (typeof status === 'string') say(`   ${status}`);
    else if (status !== null) {
      const last = status.finished;
      if (out.isTTY)
        out.write(`\r\x1b[K${clip(progressLine(status, clock.steady() - started))}${last ? '\n' : ''}`);
      else if (last || clock.steady() - lastLine >= 5000) {
        out.write(`${progressLine(status, clock.steady() - started)}\n`);
        lastLine = clock.steady();
      }
      if (last) return status;
      const { total, done, skipped, failed } = status.tiles;
      if (!halfWayDone && status.planClosed && (done + skipped + failed) * 2 >= total) {
        halfWayDone = true;
        await options.halfWay();
      }
    }
    await clock.sleep(500, options.signal);
  }

  function say(line: string): void {
    out.write(`${out.isTTY ? '\r\x1b[K' : ''}${line}\n`);
  }

  function clip(line: string): string {
    return line.slice(0, (out.columns || 80) - 1);
  }
}

/** `1034 of 2070 tiles  59.1 tiles/s  0.5 MB/s  2 failed  18 s left`; rates are those of the whole run. */
function progressLine({ tiles, bytes, planClosed }: MigrationStatus, elapsedMs: number): string {
  const settled = tiles.done + tiles.skipped + tiles.failed;
  const rate = settled / (elapsedMs / 1000);
  const left = rate > 0 ? `${Math.ceil((tiles.total - settled) / rate)} s left` : 'starting';
  return [
    `   ${settled} of ${tiles.total}${planClosed ? '' : '+'} tiles`,
    `${rate.toFixed(1)} tiles/s`,
    `${(bytes / 1e6 / (elapsedMs / 1000)).toFixed(2)} MB/s`,
    `${tiles.failed} failed`,
    ...(tiles.delayed > 0 ? [`${tiles.delayed} to be tried again`] : []),
    left,
  ].join('   ');
}
