import type { Clock } from '../../runtime/clock.js';
import type { Log } from '../../runtime/log.js';
import type { Ended } from '../restart.js';
import type { ServiceSettings } from '../service-settings.js';
import type { Account } from './account.js';
import type { UnitEntry } from './journal.js';
import type { Notifier } from './notify.js';
import type { Identity, Member } from './processes.js';

/** What a unit's life needs of the supervisor around it. */
export interface ServiceHost {
  readonly runDir: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Log;
  readonly newInvocation: () => string;
  /** Time since boot (ms). */
  readonly uptime: () => number;
  readonly notifier: Notifier;
  /** Whether lease-bound units may run. */
  readonly leaseHeld: () => boolean;
  /** The entry was replaced: journal it, tell clients, let dependents follow. */
  readonly changed: (unit: UnitContext, before: UnitEntry) => void;
}

/** One unit, as the parts of its life share it. */
export interface UnitContext {
  readonly entry: UnitEntry;
  readonly settings: ServiceSettings;
  readonly account: Account | null;
  readonly host: ServiceHost;
  /** Fires when a stop is asked for. */
  readonly halted: AbortSignal;
  /** Journalled at once; `since` follows `active`. */
  set(change: Partial<UnitEntry>): void;
  /** The living processes of its run. */
  members(): Member[];
}

export const SUCCESS: Ended = { kind: 'exit', code: 0 };

export function isKnown(leaders: readonly Identity[], pid: number): boolean {
  return leaders.some((leader) => leader.pid === pid);
}
