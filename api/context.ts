import type { Registry } from '../registry/registry.js';
import type { Clock } from '../runtime/clock.js';
import type { Log } from '../runtime/log.js';

/** What the routes stand on. */
export interface ApiContext {
  readonly registry: Registry;
  readonly machineId: string;
  /** Output of a unit of this machine, a line each without its newline; rejects if it is not here. */
  readonly localLog: (
    unit: string,
    options: { readonly lines: number; readonly follow: boolean },
    signal: AbortSignal,
  ) => AsyncIterable<string>;
  /** Why units are not placed, in words by unit, as the scheduler found it; null while this machine does not lead. */
  readonly refusals?: (() => ReadonlyMap<string, string> | null) | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
}
