import type { Event } from '../../api/event-schemas.js';
import type {
  LeaderReport,
  MachineCondition,
  MachineReport,
  UnitExplanation,
  UnitReport,
} from '../../api/schemas.js';
import type { Sample } from '../../jobs/progress.js';
import type {
  FailedAttempt,
  FailureRecord,
  Image,
  ImageStatus,
  WorkerReport,
} from '../../jobs/work-queue.js';
import type { Picture } from '../stats.js';
import type { Detail } from './detail.js';

/**
 * Seam: all that the dashboard knows at one moment. Looks fill it, pages show it. The two halves are read each by itself:
 * one may be away while the other goes on.
 */
export interface Snapshot {
  /** ms since the epoch, this machine's clock. */
  readonly now: number;
  readonly cargo: Reading<Cargo>;
  readonly fleet: Reading<Fleet>;
  /** What was looked up for the detail that is open; null: none is open, or it was not looked up yet. */
  readonly opened: Opened | null;
}

/** What was read last, and what is in the way of reading it now: both are shown. */
export interface Reading<T> {
  /** null: it was never read. */
  readonly value: T | null;
  /** When `value` was read, this machine's clock. */
  readonly readAt: number | null;
  /** null while it can be read. */
  readonly trouble: { readonly since: number; readonly words: string } | null;
}

/** The migrations, from Redis. */
export interface Cargo extends Picture {
  /** Of the migration that is shown: newest first, also those that are tried again. */
  readonly failures: readonly FailedAttempt[];
  /** Of the images that `failures` name, as far as they were read: where their tiles are. */
  readonly images: ReadonlyMap<string, Image>;
  /** Of each migration: readings of its counters for as long as the dashboard has been looking, oldest first. */
  readonly history: ReadonlyMap<string, readonly Sample[]>;
}

/** The cluster, from a convoyd. */
export interface Fleet {
  /** Of the cluster's registry. */
  readonly revision: number;
  /** By id. */
  readonly machines: readonly MachineReport[];
  /** By name. */
  readonly units: readonly UnitReport[];
  readonly leader: LeaderReport;
  /** Why the convoyd that answers touches nothing, or null. */
  readonly hold: string | null;
  /** By machine; of those that were asked and answered lately. */
  readonly conditions: ReadonlyMap<string, MachineCondition>;
  /** Newest first, a few hundred at most. `at`: when the dashboard heard of it, this machine's clock. */
  readonly events: readonly { readonly at: number; readonly event: Event }[];
}

/** `of` says for which detail it was looked up: an answer that comes late is for another. */
export type Opened = { readonly of: Detail; readonly trouble: string | null } & (
  | { readonly kind: 'worker'; readonly report: WorkerReport | null; readonly log: readonly string[] }
  | { readonly kind: 'unit'; readonly explanation: UnitExplanation | null; readonly log: readonly string[] }
  | { readonly kind: 'machine'; readonly condition: MachineCondition | null }
  | {
      readonly kind: 'image';
      /** null: no such image. */
      readonly image: ImageStatus | null;
      readonly failures: readonly FailureRecord[];
      readonly attempts: readonly FailedAttempt[];
    }
  | {
      readonly kind: 'failures';
      /** Those that stand, a thousand at most. */
      readonly failures: readonly FailureRecord[];
      /** How many items all that match make; null: more than those of `failures`, and nobody counted. */
      readonly matching: number | null;
      /** Of the images that `failures` name, as far as they were read. */
      readonly images: ReadonlyMap<string, Image>;
    }
  | {
      readonly kind: 'failure';
      /** As it stands; null: it was settled since. */
      readonly record: FailureRecord | null;
      /** All attempts at its items that are still remembered, newest first. */
      readonly attempts: readonly FailedAttempt[];
      readonly image: ImageStatus | null;
    }
);
