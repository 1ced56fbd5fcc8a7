import { tileCount } from '../../jobs/pyramid.js';
import type * as q from '../../jobs/work-queue.js';
import { LANES, NO_LIMIT } from '../../jobs/work-queue.js';
import type { Clock } from '../../runtime/clock.js';
import { conflict } from '../../runtime/errors.js';
import {
  countStates,
  failedRuns,
  fresh,
  type Item,
  indices,
  isSettled,
  isStored,
  xor,
} from './memory-items.js';

/** What the tiles and the descriptor of one image add up to, beside their states. */
interface Book {
  bytes: number;
  digest: string;
  lookFirst: boolean;
}

/** One image in a round of verification. */
interface Inquiry {
  digest: string;
  /** Its digest cannot be compared. */
  blind: boolean;
  restarted: boolean;
  /** It was compared, and differs. */
  differs: boolean;
  verdict: keyof q.VerificationStatus['images'] | null;
}

interface Round {
  readonly options: q.VerifyOptions;
  readonly round: number;
  readonly inquiries: Inquiry[];
  readonly startedAt: number;
  finishedAt: number | null;
}

const NO_DIGEST = '0'.repeat(32);
const LIVE_MS = 5_000;
const SAMPLE_MS = 1_000;
const SAMPLES_KEPT_MS = 61_000;
const ATTEMPTS_KEPT = 200;

/** One migration of the model: its items, and what is counted from them when asked. Claims are the queue's. */
export class MemoryMigration {
  readonly definition: q.MigrationDefinition;
  readonly images: q.Image[] = [];
  /** Per lane and image: its tiles, its one descriptor once that is released, its checks once a round has begun. */
  readonly items: Record<q.Lane, Item[][]> = { tiles: [], descriptors: [], checks: [] };
  state: q.MigrationStatus['state'] = 'running';
  reason = '';
  limit: q.Limit = NO_LIMIT;
  reclaimed = 0;
  startedAt: number | null = null;
  readonly #clock: Clock;
  readonly #refused = new Map<string, { reason: string; status: number }>();
  readonly #books: Book[] = [];
  readonly #lists = new Set<string>();
  #listRead = false;
  #finishedAt: number | null = null;
  /** Tiles settled since the migration last began to run, for stop-after-failures. */
  #settled = 0;
  #failed = 0;
  #round: Round | null = null;
  #samples: q.MigrationStatus['samples'] = [];
  readonly #workers = new Map<string, number>();
  /** Newest first. */
  #attempts: readonly q.FailedAttempt[] = [];

  constructor(definition: q.MigrationDefinition, clock: Clock) {
    this.definition = definition;
    this.#clock = clock;
  }

  get finished(): boolean {
    const { tiles, descriptors } = this.items;
    return (
      this.#planClosed &&
      this.state !== 'cancelled' &&
      tiles.every((items) => items.every(isSettled)) &&
      descriptors.every((items) => items.every(isSettled))
    );
  }

  /** No work is left, or to come, in this lane. */
  isOver(lane: q.Lane): boolean {
    return lane === 'checks' ? this.#round === null || this.#roundFinished : this.finished;
  }

  get #planClosed(): boolean {
    return this.#listRead && this.#lists.size === 0;
  }

  get #roundFinished(): boolean {
    return this.state !== 'cancelled' && this.items.checks.every((items) => items.every(isSettled));
  }

  /** After every change: what is finished now, and a reading of the counters now and then. */
  note(): void {
    const now = this.#clock.now();
    const { finished } = this;
    this.#finishedAt = finished ? (this.#finishedAt ?? now) : null;
    if (this.#round !== null && this.#roundFinished) this.#round.finishedAt ??= now;
    const last = this.#samples.at(-1);
    if (last !== undefined && now - last.at < SAMPLE_MS) return;
    const { done, skipped, failed } = countStates(this.items.tiles.flat());
    const settled = done + skipped + failed;
    if (last !== undefined && finished && last.settled === settled) return;
    const kept = this.#samples.filter(({ at }) => at > now - SAMPLES_KEPT_MS);
    this.#samples = [...kept, { at: now, settled, bytes: this.#sum(({ bytes }) => bytes) }];
  }

  beginList(list: string): void {
    this.#lists.add(list);
    this.note();
  }

  closeList(list: string | null): void {
    if (list === null) this.#lists.clear();
    else this.#lists.delete(list);
    this.#listRead = true;
    this.note();
  }

  /** Attempts that failed, told together; those that are not tried again are the newest of them. */
  remember(told: readonly Omit<q.FailedAttempt, 'at'>[]): void {
    const attempts = told.map((attempt) => ({ ...attempt, at: this.#clock.now() }));
    const inOrder = [...attempts.filter(({ final }) => !final), ...attempts.filter(({ final }) => final)];
    this.#attempts = [...inOrder.reverse(), ...this.#attempts].slice(0, ATTEMPTS_KEPT);
  }

  newestFailures(most: number): readonly q.FailedAttempt[] {
    return this.#attempts.slice(0, most);
  }

  knows(id: string): boolean {
    return this.images.some((image) => image.id === id);
  }

  add(planned: q.PlannedImage): 'added' | 'known' | 'refused' {
    const { id } = planned;
    if (this.knows(id)) return 'known';
    if (!('geometry' in planned)) {
      const { reason, status } = planned;
      this.#refused.set(id, { reason, status });
      const attempt = { first: 0, count: 1, reason, status, attempt: 1 };
      this.remember([{ lane: 'images', image: id, ...attempt, final: true, worker: '' }]);
      return 'refused';
    }
    this.#refused.delete(id);
    const tiles = tileCount(planned.geometry);
    this.images.push({ ...planned.geometry, id, number: this.images.length, tiles });
    this.items.tiles.push(Array.from({ length: tiles }, fresh));
    this.items.descriptors.push([]);
    this.#books.push({ bytes: 0, digest: NO_DIGEST, lookFirst: false });
    return 'added';
  }

  put(lane: q.Lane, image: number, first: number, end: number, make: () => Item): void {
    const items = this.items[lane][image]!;
    for (let index = first; index < end; index++) items[index] = make();
  }

  /** What a checkpoint adds beside the states of its items, and what follows from them. */
  account(lane: q.Lane, image: number, point: q.Checkpoint): void {
    const inquiry = this.#round?.inquiries[image];
    if (lane === 'checks' && inquiry !== undefined && point.found !== null) {
      inquiry.digest = xor(inquiry.digest, point.digest);
      inquiry.blind ||= point.found.blind;
      if (point.found.restart) this.#restart(image);
    } else {
      const book = this.#books[image]!;
      book.bytes += point.bytes;
      book.digest = xor(book.digest, point.digest);
    }
    this.settled(lane, image);
    if (lane === 'tiles') this.#stopAfterFailures(point);
    if (this.state === 'cancelled') this.drop();
  }

  /** Some items of the image may just have been settled: its descriptor may be due, or the verdict on it. */
  settled(lane: q.Lane, image: number): void {
    if (lane === 'checks') this.#conclude(image);
    if (lane !== 'tiles' || this.#isReleased(image) || this.state === 'cancelled') return;
    const tiles = this.items.tiles[image]!;
    if (tiles.every(isStored) || (tiles.every(isSettled) && this.definition.incomplete === 'publish'))
      this.items.descriptors[image] = [fresh()];
  }

  accept(id: string): 'accepted' | 'whole' | 'unsettled' | 'unknown' {
    const image = this.images.find((one) => one.id === id);
    if (image === undefined) return 'unknown';
    const tiles = this.items.tiles[image.number]!;
    if (!tiles.every(isSettled)) return 'unsettled';
    if (tiles.every(isStored)) return 'whole';
    if (!this.#isReleased(image.number)) this.items.descriptors[image.number] = [fresh()];
    this.note();
    return 'accepted';
  }

  run(): void {
    Object.assign(this, { state: 'running', reason: '' });
    this.#settled = 0;
    this.#failed = 0;
  }

  /** A cancelled migration has no work. */
  drop(): void {
    for (const lane of LANES)
      for (const items of this.items[lane])
        items.forEach((item, index) => {
          if (item.state === 'ready' || item.state === 'delayed') items[index] = { state: 'dropped' };
        });
  }

  failures(filter: q.FailureFilter): q.FailureRecord[] {
    const records: q.FailureRecord[] = [];
    for (const [image, { reason, status }] of this.#refused)
      records.push({ lane: 'images', image, first: 0, count: 1, reason, status, attempt: 1 });
    for (const lane of LANES)
      for (const { id, number } of this.images)
        for (const run of failedRuns(this.items[lane][number] ?? []))
          records.push({ lane, image: id, ...run });
    return records.flatMap((record) => matching(record, filter));
  }

  requeue(filter: q.FailureFilter): number {
    let moved = 0;
    for (const { lane, image: id, first, count } of this.failures(filter)) {
      if (lane === 'images' || lane === 'checks') continue;
      const { number } = this.images.find((image) => image.id === id)!;
      this.put(lane, number, first, first + count, fresh);
      const inquiry = this.#round?.inquiries[number];
      if (inquiry !== undefined) inquiry.blind = true;
      moved += count;
    }
    this.note();
    return moved;
  }

  beginVerification(options: q.VerifyOptions): 'begun' | 'joined' {
    if (this.#round !== null && !this.#roundFinished) {
      const same = JSON.stringify(fields(this.#round.options)) === JSON.stringify(fields(options));
      if (same) return 'joined';
      throw conflict('it is being verified with other options', { code: 'verifying' });
    }
    if (!this.finished) throw conflict('it has work left', { code: 'unfinished' });
    this.items.checks = this.images.map(({ tiles }) => Array.from({ length: tiles + 1 }, fresh));
    this.#round = {
      options,
      round: (this.#round?.round ?? 0) + 1,
      inquiries: this.images.map(() => ({
        ...{ digest: NO_DIGEST, blind: false, restarted: false, differs: false, verdict: null },
      })),
      startedAt: this.#clock.now(),
      finishedAt: null,
    };
    this.note();
    return 'begun';
  }

  lookFirst(lane: q.Lane, image: number): boolean {
    return lane === 'tiles' && this.#books[image]!.lookFirst;
  }

  /** What a claim of these checks knows of its image. */
  checked(image: number, first: number, end: number): q.CheckedImage {
    const failed: { first: number; count: number }[] = [];
    for (const index of indices(first, end - first)) {
      if (this.items.tiles[image]![index]?.state !== 'failed') continue;
      const last = failed.at(-1);
      if (last !== undefined && last.first + last.count === index) last.count++;
      else failed.push({ first: index, count: 1 });
    }
    const { options, round } = this.#round!;
    const published = this.items.descriptors[image]!.some(isStored);
    const differs = this.#round!.inquiries[image]!.differs && end > this.images[image]!.tiles;
    return { options, round, settled: this.#isAtRest(image), published, failed, differs };
  }

  /** The worker claimed or told a checkpoint; answers its part of the limit. Without one nobody is remembered. */
  share(worker: string): q.Limit {
    if (this.limit.requestsPerSecond === null && this.limit.bytesPerSecond === null) return NO_LIMIT;
    const now = this.#clock.now();
    this.#workers.set(worker, now);
    const live = [...this.#workers.values()].filter((at) => at > now - LIVE_MS).length;
    const part = (cap: number | null): number | null => (cap === null ? null : cap / live);
    const { requestsPerSecond, bytesPerSecond } = this.limit;
    return { requestsPerSecond: part(requestsPerSecond), bytesPerSecond: part(bytesPerSecond) };
  }

  imageStatus(image: q.Image): q.ImageStatus {
    const tiles = this.items.tiles[image.number]!;
    const { bytes, digest } = this.#books[image.number]!;
    const { done, skipped, failed } = countStates(tiles);
    const unreleased = failed > 0 && tiles.every(isSettled) ? 'withheld' : 'waiting';
    const descriptor = this.#isReleased(image.number) ? 'released' : unreleased;
    return { image, stored: done + skipped, failed, bytes, digest, descriptor };
  }

  status(): q.MigrationStatus {
    const { definition, state, reason, limit, reclaimed, finished, startedAt } = this;
    const failures: Record<string, number> = {};
    for (const record of this.failures({}))
      if (record.lane !== 'checks') failures[record.reason] = (failures[record.reason] ?? 0) + record.count;
    const descriptors = countStates(this.items.descriptors.flat());
    const images = this.images.map((image) => this.imageStatus(image));
    return {
      ...{ definition, state, reason, limit, reclaimed, finished, startedAt, failures, descriptors },
      planClosed: this.#planClosed,
      planOpen: [...this.#lists].sort(),
      images: {
        total: images.length,
        published: descriptors.done + descriptors.skipped,
        withheld: images.filter(({ descriptor }) => descriptor === 'withheld').length,
        incomplete: images.filter((one) => one.descriptor === 'released' && one.stored < one.image.tiles)
          .length,
        refused: this.#refused.size,
      },
      tiles: countStates(this.items.tiles.flat()),
      bytes: this.#sum(({ bytes }) => bytes),
      digest: this.#books.reduce((sum, { digest }) => xor(sum, digest), NO_DIGEST),
      finishedAt: this.#finishedAt,
      now: this.#clock.now(),
      samples: this.#samples,
      verification: this.#verification(),
    };
  }

  #verification(): q.VerificationStatus | null {
    if (this.#round === null) return null;
    const { inquiries, ...round } = this.#round;
    const images = { matched: 0, restarted: 0, unproven: 0 };
    for (const { verdict } of inquiries) if (verdict !== null) images[verdict]++;
    const checks = countStates(this.items.checks.flat());
    return { ...round, checks, images, finished: this.#roundFinished };
  }

  /** Nothing of the image is being copied, or will be. */
  #isAtRest(image: number): boolean {
    return [...this.items.tiles[image]!, ...this.items.descriptors[image]!].every(isSettled);
  }

  #isReleased(image: number): boolean {
    return this.items.descriptors[image]!.length > 0;
  }

  #restart(image: number): void {
    if (this.state === 'cancelled' || !this.#isAtRest(image)) return;
    this.items.tiles[image] = this.items.tiles[image]!.map(fresh);
    this.items.descriptors[image] = [];
    this.#books[image] = { bytes: 0, digest: NO_DIGEST, lookFirst: true };
    this.#round!.inquiries[image]!.restarted = true;
  }

  #conclude(image: number): void {
    const checks = this.items.checks[image]!;
    if (this.state === 'cancelled' || !checks.every(isSettled)) return;
    const inquiry = this.#round!.inquiries[image]!;
    const comparable = !inquiry.blind && checks.every(isStored) && this.#isAtRest(image);
    if (inquiry.restarted) inquiry.verdict = 'restarted';
    else if (!comparable) inquiry.verdict = 'unproven';
    else if (inquiry.digest === this.#books[image]!.digest) inquiry.verdict = 'matched';
    else {
      // Once: it cannot be proven any more.
      Object.assign(inquiry, { differs: true, blind: true });
      checks[checks.length - 1] = fresh();
    }
  }

  #stopAfterFailures({ done, skipped, failed }: q.Checkpoint): void {
    const bad = failed.reduce((sum, { count }) => sum + count, 0);
    this.#settled += done + skipped + bad;
    this.#failed += bad;
    const { stopAfterFailures, stopAfterTiles } = this.definition;
    if (this.state !== 'running' || this.#settled < stopAfterTiles) return;
    if (this.#failed <= stopAfterFailures * this.#settled) return;
    this.state = 'paused';
    this.reason = `${this.#failed} of ${this.#settled} tiles failed (more than ${stopAfterFailures * 100} %), the last with ${failed.at(-1)?.reason ?? 'worker-died'}`;
  }

  #sum(part: (book: Book) => number): number {
    return this.#books.reduce((sum, book) => sum + part(book), 0);
  }
}

/** The record as far as it matches: nothing, all of it, or cut to the range. */
function matching(record: q.FailureRecord, filter: q.FailureFilter): q.FailureRecord[] {
  const { lane, reason, image, status, range } = filter;
  const wanted =
    (lane ?? record.lane) === record.lane &&
    (reason ?? record.reason) === record.reason &&
    (image ?? record.image) === record.image &&
    (status ?? record.status) === record.status;
  if (!wanted || range === undefined) return wanted ? [record] : [];
  if (record.lane !== 'tiles' && record.lane !== 'checks') return [];
  const first = Math.max(record.first, range.first);
  const count = Math.min(record.first + record.count, range.end) - first;
  return count > 0 ? [{ ...record, first, count }] : [];
}

function fields({ sample, read, unpublish }: q.VerifyOptions): unknown {
  return [sample, read, unpublish];
}
