/**
 * Seam: the work of migrations. The Redis form is the real one; its transitions are one Lua script each.
 *
 * An *item* is a range of tiles of one image, `[first, end)` in the image's own numbering, or one image's
 * descriptor (lane `descriptors`, range `[0, 1)`). At every moment each item of a lane is in exactly one of six
 * states, and their sums equal the lane's total:
 *
 *     ready -> claimed -> done | skipped | failed
 *                      -> delayed -> ready            (failed once more later, by the pure jobs/retry.ts)
 *     claimed -> ready                                (released, or the lease ran out)
 *     failed -> ready                                 (retried by the operator)
 *
 * An image's descriptor comes into `ready` in the same step that stores its last tile; while some of its tiles
 * are failed it is `withheld`.
 *
 * - Leases run on the queue's clock. A worker must start nothing after its own reading of the deadline.
 * - `checkpoint` is applied at most once per (token, sequence): resend it unchanged until it is answered.
 * - `transient` = the queue did not answer (effect unknown); `permanent` with code `lost` = the migration's
 *   record is not there although it was: Redis lost it. Nothing here retries by itself.
 */

export const LANES = ['tiles', 'descriptors'] as const;
export type Lane = (typeof LANES)[number];

/**
 * Whether the destination copies tiles from the source by itself: `auto` where the two can and the source tells an
 * MD5 to verify by, else the worker carries the bytes; `never`; `always`, so that a tile that cannot be copied so
 * fails. Descriptors are always carried: their content is checked.
 */
export const SERVER_SIDE = ['auto', 'never', 'always'] as const;
export type ServerSide = (typeof SERVER_SIDE)[number];

/**
 * What an operator gave `migration create`. Holds no secret; locations are as typed, of any form stores/location.ts
 * reads.
 */
export interface MigrationDefinition {
  readonly name: string;
  readonly source: string;
  readonly destination: string;
  /** Most tiles in one range. */
  readonly rangeSize: number;
  /** Attempts per tile across workers before it counts as failed. */
  readonly maxAttempts: number;
  /** Pause when more than this share of finished tiles failed ... */
  readonly stopAfterFailures: number;
  /** ... once this many are finished. */
  readonly stopAfterTiles: number;
  readonly serverSide: ServerSide;
}

/** What the geometry of tiles needs, from the descriptor. `format` is the tiles' extension, verbatim. */
export interface ImageGeometry {
  readonly width: number;
  readonly height: number;
  readonly tileSize: number;
  readonly overlap: number;
  readonly format: string;
}

export interface Image extends ImageGeometry {
  /** The migration's own number for it: 0, 1, 2 ... in the order added. */
  readonly number: number;
  /** zoom.it's id; the descriptor is `<id>.dzi`. */
  readonly id: string;
  readonly tiles: number;
}

/** A failure as it is stored: of one tile, or of several neighbours that failed alike. */
export interface RangeFailure {
  readonly first: number;
  readonly count: number;
  /** A short constant word: `http-404`, `truncated`, `worker-died` ... */
  readonly reason: string;
  /** HTTP status, 0 where there is none. */
  readonly status: number;
  /** How many attempts have been made, this one included. */
  readonly attempt: number;
}

export interface DelayedRange extends RangeFailure {
  /** From the moment the checkpoint is applied. */
  readonly delayMs: number;
}

export interface Claim {
  readonly token: string;
  readonly migration: MigrationDefinition;
  readonly lane: Lane;
  readonly image: Image;
  readonly first: number;
  readonly end: number;
  /** Attempts already made for these tiles: 0 for new work. */
  readonly attempt: number;
  readonly leaseMs: number;
}

export interface Idle {
  readonly kind: 'idle';
  /**
   * `empty`: nothing to claim now, more may come (plan open, others' claims, delayed items);
   * `finished`: every running migration is finished; `paused`: all that have work are paused;
   * `none`: there is no migration.
   */
  readonly why: 'empty' | 'finished' | 'paused' | 'none';
  /** ms until the next delayed item is due, if that is known. */
  readonly dueInMs: number | null;
}

export interface ClaimRequest {
  /** Worker's random id + its own counter, chosen by the worker: resending a claim answers the same claim. */
  readonly token: string;
  readonly lane: Lane;
  readonly leaseMs: number;
  /** Only this migration; absent = all running ones in turn. */
  readonly migration?: string;
  /** None of these: the worker cannot serve them now. */
  readonly except?: readonly string[];
}

/** Tiles `[previous next, next)` are settled: done + skipped + sums of failed and delayed = how far `next` moved. */
export interface Checkpoint {
  /** 1, 2, 3 ... per token. */
  readonly sequence: number;
  readonly next: number;
  readonly bytes: number;
  readonly done: number;
  readonly skipped: number;
  readonly failed: readonly RangeFailure[];
  readonly delayed: readonly DelayedRange[];
  /** XOR over the tiles done of MD5(index, tile's MD5), 32 hex digits; zeros if none. Moves the image's digest. */
  readonly digest: string;
  /** Give up the rest `[next, end)`: it goes back to ready. With `next == end` the claim ends by itself. */
  readonly release: boolean;
}

export type CheckpointAnswer =
  /** Applied; the lease runs anew from the time the checkpoint was sent. */
  | 'kept'
  /** Applied, and the claim has ended (all settled, or released). */
  | 'ended'
  /** Applied; the migration is paused or cancelled: finish what is in flight, then release. */
  | 'pausing'
  /** Not applied: the lease had run out and the range was given to somebody else. Forget the claim. */
  | 'lost';

export interface StateCounts {
  readonly total: number;
  readonly ready: number;
  readonly claimed: number;
  readonly delayed: number;
  readonly done: number;
  readonly skipped: number;
  readonly failed: number;
}

export interface MigrationStatus {
  readonly definition: MigrationDefinition;
  readonly state: 'running' | 'paused' | 'cancelled';
  /** Who paused or cancelled it and why, in words. */
  readonly reason: string;
  /** No further image will be added. */
  readonly planClosed: boolean;
  /** Plan closed, every tile done, skipped or failed, and every descriptor published, failed or withheld. */
  readonly finished: boolean;
  readonly images: {
    readonly total: number;
    /** Their descriptor is published. */
    readonly published: number;
    /** All tiles are settled but some failed. */
    readonly withheld: number;
    /** Ids that could not be added at all (no descriptor, not a Deep Zoom image ...). */
    readonly refused: number;
  };
  readonly tiles: StateCounts;
  /** Totals are the images whose descriptor has been released so far. */
  readonly descriptors: StateCounts;
  /** Bytes of tiles and descriptors done. */
  readonly bytes: number;
  /** Tiles and descriptors handed out again because their claim was lost: at most these were written twice. */
  readonly reclaimed: number;
  /** Reason -> tiles, descriptors and images failed with it. */
  readonly failures: Readonly<Record<string, number>>;
  /** XOR of all images' digests, 32 hex digits. */
  readonly digest: string;
  /** ms since the epoch on the queue's clock; null = not yet. */
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  /** The queue's clock now. */
  readonly now: number;
}

export interface FailureRecord extends RangeFailure {
  readonly lane: Lane | 'images';
  readonly image: string;
}

export interface FailureFilter {
  readonly reason?: string;
  readonly image?: string;
}

/** What a worker says of itself, for `migration status` and the dashboard. Forgotten after `ttlMs`. */
export interface WorkerReport {
  readonly worker: string;
  readonly lane: Lane;
  /** Unit and machine it runs as, empty outside the fleet. */
  readonly unit: string;
  readonly machine: string;
  readonly state: 'copying' | 'idle' | 'source unreachable' | 'destination unreachable';
  /** ms since the epoch, on the worker's clock. */
  readonly since: number;
  readonly detail: string;
}

/** What zh-populate uses. Everything rejects with `permanent`/`cancelled` once the migration is cancelled. */
export interface PlanQueue {
  /** Idempotent by id: geometry, ranges and counters appear in one step or not at all. */
  addImage(migration: string, id: string, geometry: ImageGeometry): Promise<'added' | 'known'>;
  /** Captures an id that cannot be migrated. Idempotent by id. */
  refuseImage(migration: string, id: string, reason: string, status: number): Promise<void>;
  /**
   * How many lines of the id list are dealt with, so that a restarted populate continues there. Moving it or closing
   * the plan rejects with `conflict`/`restarted` if the queue was started again since this was read: it may have lost
   * images added last, so read it again and go on from there.
   */
  planCursor(migration: string): Promise<number>;
  movePlanCursor(migration: string, line: number): Promise<void>;
  closePlan(migration: string): Promise<void>;
}

/** What workers use. */
export interface WorkerQueue {
  claim(request: ClaimRequest): Promise<Claim | Idle>;
  checkpoint(token: string, migration: string, checkpoint: Checkpoint): Promise<CheckpointAnswer>;
  /** Moves expired claims and due delayed items back to ready, at most `limit` of each. Answers how many moved. */
  reclaim(limit: number): Promise<number>;
  report(report: WorkerReport, ttlMs: number): Promise<void>;
}

/** What an operator and zh-stats use. */
export interface OperatorQueue {
  /** `exists` if there already is the same definition; rejects with `conflict` if there is a different one. */
  createMigration(definition: MigrationDefinition): Promise<'created' | 'exists'>;
  migrations(): Promise<readonly string[]>;
  /** null if there never was one; `permanent`/`lost` if its record is gone although it was created. */
  status(migration: string): Promise<MigrationStatus | null>;
  pause(migration: string, reason: string): Promise<void>;
  resume(migration: string): Promise<void>;
  /** Empties the work and keeps the record and the failures: totals shrink to what is settled or still claimed. */
  cancel(migration: string, reason: string): Promise<void>;
  failures(migration: string, filter: FailureFilter): AsyncIterable<FailureRecord>;
  /** Puts matching failures back to ready with no attempts counted; answers how many tiles and descriptors. */
  requeueFailures(migration: string, filter: FailureFilter): Promise<number>;
  workers(): Promise<readonly WorkerReport[]>;
}

export interface WorkQueue extends PlanQueue, WorkerQueue, OperatorQueue {
  close(): Promise<void>;
}
