import type { Sample } from './progress.js';

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
 * are failed it is `withheld`, unless the migration publishes incomplete images or the operator accepted this one.
 *
 * Lane `checks` holds the items of a verification (zh-verify), one round at a time, begun by `beginVerification` on a
 * finished migration: of each image its tiles `[0, tiles)` and, as number `tiles`, the image as a whole (its descriptor
 * and its digest). It has no part in whether the migration is finished.
 *
 * An image that is *restarted* (a check found it wrong) is as if added just now: its tiles, failures, bytes, digest and
 * descriptor leave the counts, and all its tiles are ready, to be looked at before they are carried (`lookFirst`).
 *
 * - Leases run on the queue's clock. A worker must start nothing after its own reading of the deadline.
 * - `checkpoint` is applied at most once per (token, sequence): resend it unchanged until it is answered.
 * - `transient` = the queue did not answer (effect unknown); `permanent` with code `lost` = the migration's
 *   record is not there although it was: Redis lost it. Nothing here retries by itself.
 */

export const LANES = ['tiles', 'descriptors', 'checks'] as const;
export type Lane = (typeof LANES)[number];

/**
 * Whether the destination copies tiles from the source by itself: `auto` where the two can and the source tells an
 * MD5 to verify by, else the worker carries the bytes; `never`; `always`, so that a tile that cannot be copied so
 * fails. Descriptors are always carried: their content is checked.
 */
export const SERVER_SIDE = ['auto', 'never', 'always'] as const;
export type ServerSide = (typeof SERVER_SIDE)[number];

export const INCOMPLETE = ['withhold', 'publish'] as const;
export type Incomplete = (typeof INCOMPLETE)[number];

/** Caps for a whole migration; null = none. As a worker's *share*: what it may use itself, of all live workers'. */
export interface Limit {
  /** Requests to the source. */
  readonly requestsPerSecond: number | null;
  /** Bytes of objects carried. */
  readonly bytesPerSecond: number | null;
}

export const NO_LIMIT: Limit = { requestsPerSecond: null, bytesPerSecond: null };

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
  /** Whether the descriptor of an image that misses tiles is published all the same. */
  readonly incomplete: Incomplete;
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

/** How zh-verify looks at the destination. All workers of one round share it. */
export interface VerifyOptions {
  /** The share of tiles looked at, above 0 to 1 = every tile, whose digests are then compared as well. */
  readonly sample: number;
  /** Whole objects are read and hashed; else what the store tells of them is taken. */
  readonly read: boolean;
  /** The descriptor of an image found wrong is taken away from the destination until the image is whole again. */
  readonly unpublish: boolean;
}

/** What a claim in lane `checks` knows of its image. */
export interface CheckedImage {
  readonly options: VerifyOptions;
  /** Chooses the sample: the same for all claims of a round, another in the next. */
  readonly round: number;
  /** False: it is being copied again, there is nothing to check now. */
  readonly settled: boolean;
  /** Its descriptor must be at the destination. */
  readonly published: boolean;
  /** Tiles of the claim that failed for good: they need not be there. */
  readonly failed: readonly { readonly first: number; readonly count: number }[];
  /**
   * With the check of the image as a whole, which comes back to ready for it: all other checks of the image found
   * nothing wrong, but the digest they gathered is not the image's. To be settled as a failure that restarts the image.
   */
  readonly differs: boolean;
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
  /** The destination may hold these tiles already, as after a restart of the image: look before carrying them. */
  readonly lookFirst: boolean;
  readonly share: Limit;
  /** null but in lane `checks`. */
  readonly check: CheckedImage | null;
}

export interface Idle {
  readonly kind: 'idle';
  /**
   * `empty`: nothing to claim now, more may come (plan open, others' claims, delayed items);
   * `finished`: every running migration (its verification, in lane `checks`) is finished; `paused`: all that have work are
   * paused;
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
  /**
   * XOR over the tiles done and skipped of MD5(index, tile's MD5), 32 hex digits; zeros if none. Moves the image's digest;
   * in lane `checks` it gathers what the destination holds, which is compared when the image's last check is settled: what
   * differs comes back as `CheckedImage.differs`.
   */
  readonly digest: string;
  /** Give up the rest `[next, end)`: it goes back to ready. With `next == end` the claim ends by itself. */
  readonly release: boolean;
  /** Lane `checks` only, else null. */
  readonly found: {
    /** Some tile checked told no MD5, or was not looked at: the image's digest cannot be compared. */
    readonly blind: boolean;
    /** The image is wrong at the destination: it is restarted, unless it is being copied again already. */
    readonly restart: boolean;
  } | null;
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

export interface CheckpointReply {
  readonly answer: CheckpointAnswer;
  /** From now on. Workers that have claimed or told a checkpoint within the last seconds share a migration's limit. */
  readonly share: Limit;
}

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
  /** No further image will be added: at least one list of images was read to its end, and none is being read. */
  readonly planClosed: boolean;
  /** The lists begun and not yet read to their end (by `beginPlan`). */
  readonly planOpen: readonly string[];
  readonly limit: Limit;
  /** Plan closed, every tile done, skipped or failed, and every descriptor published, failed or withheld. */
  readonly finished: boolean;
  readonly images: {
    readonly total: number;
    /** Their descriptor is published. */
    readonly published: number;
    /** All tiles are settled but some failed, and the descriptor is not published. */
    readonly withheld: number;
    /** The descriptor was released although tiles are missing: `incomplete: publish`, or accepted. */
    readonly incomplete: number;
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
  /** Readings of the counters over the last minute or so, about one a second while there is work, oldest first. */
  readonly samples: readonly Sample[];
  /** The last round of verification; null if there was none. */
  readonly verification: VerificationStatus | null;
}

export interface VerificationStatus {
  readonly options: VerifyOptions;
  /** Counts from 1. */
  readonly round: number;
  /** Tiles, and one for each image as a whole. `skipped`: not in the sample, failed before, or being copied again. */
  readonly checks: StateCounts;
  /** Images all of whose checks are settled: digest equal; found wrong and restarted; there, but their bytes not proven. */
  readonly images: { readonly matched: number; readonly restarted: number; readonly unproven: number };
  readonly finished: boolean;
  readonly startedAt: number;
  readonly finishedAt: number | null;
}

/** How one image stands. */
export interface ImageStatus {
  readonly image: Image;
  /** Tiles done or skipped; failed for good. The rest is to come. */
  readonly stored: number;
  readonly failed: number;
  /** Of tiles and descriptor done. */
  readonly bytes: number;
  /** Of its stored tiles, 32 hex digits. */
  readonly digest: string;
  /** Its descriptor: not yet released, withheld for failed tiles, or released (published, or on its way). */
  readonly descriptor: 'waiting' | 'withheld' | 'released';
}

export interface FailureRecord extends RangeFailure {
  readonly lane: Lane | 'images';
  readonly image: string;
}

/**
 * One attempt that failed, as it was told. A claim that was lost is one as well, `worker-died` at all that was left of it;
 * and a refused image is one each time it is refused.
 */
export interface FailedAttempt extends FailureRecord {
  /** ms since the epoch, on the queue's clock. */
  readonly at: number;
  /** False: it is tried again later. In a cancelled migration nothing is. */
  readonly final: boolean;
  /** Who told it; empty: its claim was lost, or an image was refused by zh-populate. */
  readonly worker: string;
}

/** All that is given must match. */
export interface FailureFilter {
  readonly lane?: FailureRecord['lane'];
  readonly reason?: string;
  readonly image?: string;
  /** HTTP status; 0 = failures without one. */
  readonly status?: number;
  /** Only these numbers of an image's tiles: a record that reaches beyond is cut. */
  readonly range?: { readonly first: number; readonly end: number };
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
  /** Items done, skipped and failed, and bytes carried, since the worker started. */
  readonly done: number;
  readonly skipped: number;
  readonly failed: number;
  readonly bytes: number;
  /** Items settled per second over the last ten seconds. */
  readonly rate: number;
  /** Its adaptive limits of objects in flight, added up. */
  readonly limit: number;
  /** Of the requests of the last minute, for each store it asked something; those it broke off itself are left out. */
  readonly latency: readonly StoreLatency[];
}

export interface StoreLatency {
  readonly side: 'source' | 'destination';
  /** `azure`, `swift`, `file` ...: the kind of its location. */
  readonly kind: string;
  /** How many requests took at most as long as the bound of the same place in LATENCY_BOUNDS_MS (jobs/latency.ts), and longer than the one before; one more for those beyond the last. */
  readonly counts: readonly number[];
}

/** An image to add, or why one cannot be. */
export type PlannedImage =
  | { readonly id: string; readonly geometry: ImageGeometry }
  | { readonly id: string; readonly reason: string; readonly status: number };

/** What zh-populate uses. Everything rejects with `permanent`/`cancelled` once the migration is cancelled. */
export interface PlanQueue {
  /**
   * Says that a list of images is being read: until it is closed the plan is open. The same list again goes on with it.
   * Several lists may be open at once.
   */
  beginPlan(migration: string, list: string): Promise<void>;
  /** Of each id, whether its image has been added (a refused one has not). */
  knownImages(migration: string, ids: readonly string[]): Promise<readonly boolean[]>;
  /**
   * In one step, all or nothing. Idempotent by id: geometry, ranges and counters appear at once. A refused id may be
   * added later; an added one stays. Answers in the order given.
   */
  addImages(
    migration: string,
    images: readonly PlannedImage[],
  ): Promise<readonly ('added' | 'known' | 'refused')[]>;
  /**
   * The list was read to its end; null closes all lists (an operator gives up what was not read). Of a list, rejects with
   * `conflict`/`restarted` if the queue was started again since `beginPlan`: it may have lost images added last, so begin
   * anew and go through the list again.
   */
  closePlan(migration: string, list: string | null): Promise<void>;
}

/** What workers use. */
export interface WorkerQueue {
  claim(request: ClaimRequest): Promise<Claim | Idle>;
  checkpoint(token: string, migration: string, checkpoint: Checkpoint): Promise<CheckpointReply>;
  /** Moves expired claims and due delayed items back to ready, at most `limit` of each. Answers how many moved. */
  reclaim(limit: number): Promise<number>;
  report(report: WorkerReport, ttlMs: number): Promise<void>;
  /**
   * Begins a round of verification, or joins the one under way if it has the same options. Rejects with `conflict`:
   * `verifying` if one with other options is under way, `unfinished` if the migration has work left.
   */
  beginVerification(migration: string, options: VerifyOptions): Promise<'begun' | 'joined'>;
}

/** What an operator and zh-stats use. */
export interface OperatorQueue extends Pick<PlanQueue, 'closePlan'> {
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
  /**
   * Puts matching failures of tiles and descriptors back to ready with no attempts counted; answers how many. (Refused
   * images are tried again by zh-populate; failed checks by the next round.)
   */
  requeueFailures(migration: string, filter: FailureFilter): Promise<number>;
  limit(migration: string, limit: Limit): Promise<void>;
  /**
   * Releases the descriptor of a withheld image. `whole`: nothing to accept; `unsettled`: tiles of it are still to come;
   * `unknown`: no such image was added. Accepting twice is `accepted`.
   */
  accept(migration: string, image: string): Promise<'accepted' | 'whole' | 'unsettled' | 'unknown'>;
  /** null if no such image was added. */
  image(migration: string, id: string): Promise<ImageStatus | null>;
  /** All images, in the order added, a page at a time. */
  images(migration: string): AsyncIterable<ImageStatus>;
  workers(): Promise<readonly WorkerReport[]>;
  /**
   * The last attempts that failed, newest first (of one checkpoint those that are final), at most `most`, whatever became of
   * their items since; two hundred are remembered.
   */
  newestFailures(migration: string, most: number): Promise<readonly FailedAttempt[]>;
}

export interface WorkQueue extends PlanQueue, WorkerQueue, OperatorQueue {
  close(): Promise<void>;
}
