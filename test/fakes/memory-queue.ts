import { checkpointProblem, settledBy } from '../../jobs/checkpoint.js';
import type * as q from '../../jobs/work-queue.js';
import { LANES } from '../../jobs/work-queue.js';
import type { Clock } from '../../runtime/clock.js';
import { conflict, permanent } from '../../runtime/errors.js';
import { alike, type Failure, failureOf, fresh, indices } from './memory-items.js';
import { MemoryMigration } from './memory-migration.js';

interface HeldClaim {
  readonly migration: string;
  readonly lane: q.Lane;
  readonly image: number;
  readonly end: number;
  readonly attempt: number;
  readonly alone: boolean;
  readonly leaseMs: number;
  cursor: number;
  /** How often a claim was lost at this cursor. */
  losses: number;
  deadline: number;
  sequence: number;
  answer: q.CheckpointAnswer;
}

const POISON_LOSSES = 3;

/**
 * The work queue as a model: one object per tile with its state, everything else counted from them when asked.
 * It passes the queue's contract, stands in for Redis in the workers' tests, and is what the property test
 * compares real Redis with. Slow and plain on purpose: it shares no idea with the Redis form but the seam.
 */
export class MemoryQueue implements q.WorkQueue {
  readonly #clock: Clock;
  readonly #migrations = new Map<string, MemoryMigration>();
  readonly #seen = new Set<string>();
  readonly #claims = new Map<string, HeldClaim>();
  readonly #ended = new Map<string, HeldClaim>();
  readonly #reports = new Map<string, { report: q.WorkerReport; until: number }>();
  #turn = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async createMigration(definition: q.MigrationDefinition): Promise<'created' | 'exists'> {
    const { name } = definition;
    const known = this.#migrations.get(name);
    if (known !== undefined) {
      if (JSON.stringify(known.definition) === JSON.stringify(definition)) return 'exists';
      throw conflict(`migration ${name} exists with another definition`, { code: 'exists' });
    }
    this.#seen.add(name);
    this.#migrations.set(name, new MemoryMigration(definition, this.#clock));
    return 'created';
  }

  async migrations(): Promise<readonly string[]> {
    return [...this.#migrations.keys()];
  }

  async beginPlan(name: string, list: string): Promise<void> {
    this.#active(name).beginList(list);
  }

  async knownImages(name: string, ids: readonly string[]): Promise<readonly boolean[]> {
    const migration = this.#active(name);
    return ids.map((id) => migration.knows(id));
  }

  async addImages(
    name: string,
    images: readonly q.PlannedImage[],
  ): Promise<readonly ('added' | 'known' | 'refused')[]> {
    const migration = this.#active(name);
    const answers = images.map((image) => migration.add(image));
    migration.note();
    return answers;
  }

  async closePlan(name: string, list: string | null): Promise<void> {
    this.#active(name).closeList(list);
  }

  async claim(request: q.ClaimRequest): Promise<q.Claim | q.Idle> {
    const held = this.#claims.get(request.token);
    if (held !== undefined) {
      held.deadline = this.#clock.now() + held.leaseMs;
      return this.#show(request.token, held);
    }
    const idle = (why: q.Idle['why'], dueInMs: number | null = null): q.Idle => ({
      kind: 'idle',
      why,
      dueInMs,
    });
    if (this.#ended.has(request.token)) return idle('empty');
    const asked = request.migration === undefined ? [...this.#migrations.keys()] : [request.migration];
    if (request.migration !== undefined && this.#look(request.migration) === null) return idle('none');
    if (asked.length === 0) {
      if (this.#seen.size > 0) throw this.#lost([...this.#seen].join(', '));
      return idle('none');
    }
    const names = asked.filter((name) => !request.except?.includes(name));
    if (names.length === 0) return idle('empty');
    const turn = this.#turn++ % names.length;
    const open: MemoryMigration[] = [];
    for (const name of [...names.slice(turn), ...names.slice(0, turn)]) {
      const migration = this.#get(name);
      if (migration.state === 'cancelled' || migration.isOver(request.lane)) continue;
      open.push(migration);
      if (migration.state === 'paused') continue;
      const next = this.#nextReady(migration, request);
      if (next !== null) return this.take(request, name, next.image, next.first, next.end);
    }
    const running = open.filter((migration) => migration.state === 'running');
    if (running.length === 0 && names.length < asked.length) return idle('empty');
    if (running.length === 0) return idle(open.length === 0 ? 'finished' : 'paused');
    const dues = running.flatMap((migration) =>
      migration.items[request.lane].flat().flatMap((item) => (item.state === 'delayed' ? [item.due] : [])),
    );
    const due = dues.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    return idle('empty', dues.length === 0 ? null : Math.max(0, due - this.#clock.now()));
  }

  /** Claims exactly these items; throws unless they may be claimed together. The property test's way in. */
  take(request: q.ClaimRequest, name: string, image: number, first: number, end: number): q.Claim {
    const migration = this.#get(name);
    const items = migration.items[request.lane][image]?.slice(first, end) ?? [];
    const head = items[0];
    if (head?.state !== 'ready' || items.some((item) => !alike(item, head)))
      throw new Error(`items ${first}..${end} of image ${image} are not ready alike`);
    if (isSuspect(head) && this.#holdsSuspect(name, request.token))
      throw new Error('the worker holds a suspect already');
    if (end - first > (head.alone ? 1 : migration.definition.rangeSize)) throw new Error('range too large');
    const held: HeldClaim = {
      migration: name,
      lane: request.lane,
      image,
      end,
      attempt: head.attempt,
      alone: head.alone,
      leaseMs: request.leaseMs,
      cursor: first,
      losses: head.losses,
      deadline: this.#clock.now() + request.leaseMs,
      sequence: 0,
      answer: 'kept',
    };
    migration.put(held.lane, image, first, end, () => ({ state: 'claimed', token: request.token }));
    this.#claims.set(request.token, held);
    if (held.lane !== 'checks') migration.startedAt ??= this.#clock.now();
    migration.note();
    return this.#show(request.token, held);
  }

  async checkpoint(token: string, name: string, point: q.Checkpoint): Promise<q.CheckpointReply> {
    const share = this.#get(name).share(workerOf(token));
    return { answer: this.#checkpoint(token, name, point), share };
  }

  #checkpoint(token: string, name: string, point: q.Checkpoint): q.CheckpointAnswer {
    const migration = this.#get(name);
    const held = this.#claims.get(token);
    if (held === undefined) {
      const ended = this.#ended.get(token);
      return ended !== undefined && point.sequence <= ended.sequence ? ended.answer : 'lost';
    }
    if (point.sequence <= held.sequence) return held.answer;
    const settled = settledBy(point);
    if (point.sequence > held.sequence + 1) {
      this.#lose(migration, held);
      this.#giveBack(held, held.losses, held.alone);
      this.#claims.delete(token);
      return 'lost';
    }
    const badCursor = held.cursor + settled !== point.next || point.next > held.end;
    const badLane = (held.lane === 'checks') !== (point.found !== null);
    const problem = badCursor || badLane ? 'it does not fit the claim' : checkpointProblem(point);
    if (problem !== null) throw permanent(`bad checkpoint: ${problem}`, { code: 'bad-checkpoint' });

    this.#apply(migration, held, point);
    this.#remember(migration, held, point, workerOf(token));
    if (settled > 0) held.losses = 0;
    held.cursor = point.next;
    held.sequence = point.sequence;
    held.deadline = this.#clock.now() + held.leaseMs;
    migration.account(held.lane, held.image, point);
    if (point.release || point.next === held.end) {
      this.#giveBack(held, held.losses, held.alone);
      this.#claims.delete(token);
      this.#ended.set(token, held);
    }
    held.answer = this.#ended.has(token) ? 'ended' : migration.state === 'running' ? 'kept' : 'pausing';
    migration.note();
    return held.answer;
  }

  /** The items not named as failed or delayed: which of them were skipped only the worker knows, so the first. */
  #apply(migration: MemoryMigration, held: HeldClaim, point: q.Checkpoint): void {
    const { lane, image } = held;
    const now = this.#clock.now();
    const named = [...point.failed, ...point.delayed].flatMap(({ first, count }) => indices(first, count));
    const rest = indices(held.cursor, point.next - held.cursor).filter((index) => !named.includes(index));
    for (const [place, index] of rest.entries())
      migration.put(lane, image, index, index + 1, () => ({
        state: place < point.skipped ? 'skipped' : 'done',
      }));
    for (const range of point.failed)
      migration.put(lane, image, range.first, range.first + range.count, () => ({
        state: 'failed',
        failure: failureOf(range),
      }));
    for (const range of point.delayed)
      migration.put(lane, image, range.first, range.first + range.count, () => ({
        state: 'delayed',
        due: now + range.delayMs,
        failure: failureOf(range),
      }));
  }

  #remember(migration: MemoryMigration, held: HeldClaim, point: q.Checkpoint, worker: string): void {
    const of = { lane: held.lane, image: migration.images[held.image]!.id, worker };
    const cancelled = migration.state === 'cancelled';
    const delayed = point.delayed.map(({ delayMs: _, ...range }) => ({ ...of, ...range, final: cancelled }));
    migration.remember([...delayed, ...point.failed.map((range) => ({ ...of, ...range, final: true }))]);
  }

  async reclaim(limit: number): Promise<number> {
    let moved = 0;
    for (const [name, migration] of this.#migrations) {
      moved += this.#reclaimClaims(name, migration, limit) + this.#wakeDelayed(migration, limit);
      migration.note();
    }
    return moved;
  }

  #reclaimClaims(name: string, migration: MemoryMigration, limit: number): number {
    let moved = 0;
    for (const [token, held] of [...this.#claims]) {
      if (held.migration !== name || held.deadline > this.#clock.now() || moved >= limit) continue;
      moved++;
      this.#lose(migration, held);
      this.#claims.delete(token);
      const losses = held.losses + 1;
      const poisonous = held.alone && losses >= POISON_LOSSES;
      const final = migration.state === 'cancelled' || poisonous;
      const failure: Failure = { reason: 'worker-died', status: 0, attempt: held.attempt + 1 };
      const tiles = { first: held.cursor, count: held.end - held.cursor, ...failure };
      const image = migration.images[held.image]!.id;
      migration.remember([{ lane: held.lane, image, ...tiles, final, worker: '' }]);
      if (poisonous) {
        migration.put(held.lane, held.image, held.cursor, held.end, () => ({ state: 'failed', failure }));
        migration.settled(held.lane, held.image);
      } else if (losses < POISON_LOSSES) this.#giveBack(held, losses, held.alone);
      else this.#giveBack(held, 0, true);
      if (migration.state === 'cancelled') migration.drop();
    }
    return moved;
  }

  /** Neighbours that are due with equal attempts were delayed together, as good as: they count as one. */
  #wakeDelayed({ items }: MemoryMigration, limit: number): number {
    let moved = 0;
    for (const lane of LANES)
      for (const ofImage of items[lane]) {
        let goesOn: number | null = null;
        ofImage.forEach((item, index) => {
          const due = item.state === 'delayed' && item.due <= this.#clock.now() ? item.failure.attempt : null;
          if (due !== null && due !== goesOn) moved++;
          goesOn = due;
          if (due !== null && moved <= limit) ofImage[index] = { ...fresh(), attempt: due };
        });
      }
    return Math.min(moved, limit);
  }

  async report(report: q.WorkerReport, ttlMs: number): Promise<void> {
    this.#reports.set(report.worker, { report, until: this.#clock.now() + ttlMs });
  }

  async workers(): Promise<readonly q.WorkerReport[]> {
    const now = this.#clock.now();
    return [...this.#reports.values()].filter(({ until }) => until > now).map(({ report }) => report);
  }

  async beginVerification(name: string, options: q.VerifyOptions): Promise<'begun' | 'joined'> {
    return this.#active(name).beginVerification(options);
  }

  async status(name: string): Promise<q.MigrationStatus | null> {
    return this.#look(name)?.status() ?? null;
  }

  async pause(name: string, reason: string): Promise<void> {
    Object.assign(this.#active(name), { state: 'paused', reason });
  }

  async resume(name: string): Promise<void> {
    this.#active(name).run();
  }

  async cancel(name: string, reason: string): Promise<void> {
    const migration = this.#get(name);
    Object.assign(migration, { state: 'cancelled', reason });
    migration.drop();
    migration.note();
  }

  async *failures(name: string, filter: q.FailureFilter): AsyncIterable<q.FailureRecord> {
    yield* this.#get(name).failures(filter);
  }

  async newestFailures(name: string, most: number): Promise<readonly q.FailedAttempt[]> {
    return this.#get(name).newestFailures(most);
  }

  async requeueFailures(name: string, filter: q.FailureFilter): Promise<number> {
    return this.#active(name).requeue(filter);
  }

  async limit(name: string, limit: q.Limit): Promise<void> {
    this.#active(name).limit = limit;
  }

  async accept(name: string, image: string): Promise<'accepted' | 'whole' | 'unsettled' | 'unknown'> {
    return this.#active(name).accept(image);
  }

  async image(name: string, id: string): Promise<q.ImageStatus | null> {
    const migration = this.#get(name);
    const image = migration.images.find((one) => one.id === id);
    return image === undefined ? null : migration.imageStatus(image);
  }

  async *images(name: string): AsyncIterable<q.ImageStatus> {
    const migration = this.#get(name);
    for (const image of migration.images) yield migration.imageStatus(image);
  }

  async close(): Promise<void> {}

  /** What an emptied Redis does to everybody who knew it. */
  flush(): void {
    for (const map of [this.#migrations, this.#claims, this.#ended, this.#reports]) map.clear();
  }

  /** Whether this token has a claim now. */
  holds(token: string): boolean {
    return this.#claims.has(token);
  }

  /** State of every item, for comparing with the real queue: `ready`, `delayed`, ... per image and index. */
  states(name: string, lane: q.Lane): string[][] {
    return this.#get(name).items[lane].map((items) => items.map(({ state }) => state));
  }

  #lost(name: string): Error {
    return permanent(`the queue lost migration ${name}: its record is gone`, { code: 'lost' });
  }

  #look(name: string): MemoryMigration | null {
    const migration = this.#migrations.get(name);
    if (migration === undefined && this.#seen.has(name)) throw this.#lost(name);
    return migration ?? null;
  }

  #get(name: string): MemoryMigration {
    const migration = this.#look(name);
    if (migration === null) throw permanent(`there is no migration ${name}`, { code: 'not-found' });
    return migration;
  }

  #active(name: string): MemoryMigration {
    const migration = this.#get(name);
    if (migration.state === 'cancelled')
      throw permanent(`migration ${name} is cancelled`, { code: 'cancelled' });
    return migration;
  }

  #show(token: string, held: HeldClaim): q.Claim {
    const migration = this.#get(held.migration);
    const { lane, image, cursor, end, attempt, leaseMs } = held;
    return {
      ...{ token, migration: migration.definition, lane, image: migration.images[image]! },
      ...{ first: cursor, end, attempt, leaseMs },
      lookFirst: migration.lookFirst(lane, image),
      share: migration.share(workerOf(token)),
      check: lane === 'checks' ? migration.checked(image, cursor, end) : null,
    };
  }

  #nextReady(
    { items, definition }: MemoryMigration,
    { token, lane }: q.ClaimRequest,
  ): { image: number; first: number; end: number } | null {
    const full = this.#holdsSuspect(definition.name, token);
    for (const [image, ofImage] of items[lane].entries()) {
      const first = ofImage.findIndex((item) => item.state === 'ready' && !(full && isSuspect(item)));
      const head = ofImage[first];
      if (head?.state !== 'ready') continue;
      const most = first + (head.alone ? 1 : definition.rangeSize);
      let end = first;
      while (end < most && ofImage[end] !== undefined && alike(ofImage[end]!, head)) end++;
      return { image, first, end };
    }
    return null;
  }

  #holdsSuspect(migration: string, token: string): boolean {
    return [...this.#claims].some(
      ([other, held]) =>
        held.migration === migration && workerOf(other) === workerOf(token) && isSuspect(held),
    );
  }

  #lose(migration: MemoryMigration, { lane, cursor, end }: HeldClaim): void {
    if (lane !== 'checks') migration.reclaimed += end - cursor;
  }

  #giveBack(held: HeldClaim, losses: number, alone: boolean): void {
    const migration = this.#get(held.migration);
    const { lane, image, cursor, end, attempt } = held;
    migration.put(lane, image, cursor, end, () =>
      migration.state === 'cancelled' ? { state: 'dropped' } : { state: 'ready', attempt, losses, alone },
    );
  }
}

/** What workers may have died of, of which each has one at most. */
function isSuspect({ losses, alone }: { readonly losses: number; readonly alone: boolean }): boolean {
  return alone || losses >= POISON_LOSSES - 1;
}

/** A token is its worker's id and a counter. */
function workerOf(token: string): string {
  const dash = token.lastIndexOf('-');
  return dash < 0 ? token : token.slice(0, dash);
}
