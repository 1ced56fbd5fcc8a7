import { checkpointProblem, settledBy } from '../../jobs/checkpoint.js';
import { tileCount } from '../../jobs/pyramid.js';
import type * as q from '../../jobs/work-queue.js';
import type { Clock } from '../../runtime/clock.js';
import { conflict, permanent } from '../../runtime/errors.js';

/**
 * The work queue as a model: one object per tile with its state, everything else counted from them when asked.
 * It passes the queue's contract, stands in for Redis in the workers' tests, and is what the property test
 * compares real Redis with. Slow and plain on purpose: it shares no idea with the Redis form but the seam.
 */
type Tile =
  | { state: 'ready'; attempt: number; losses: number; alone: boolean }
  | { state: 'claimed'; token: string }
  | { state: 'delayed'; due: number; failure: Failure }
  | { state: 'failed'; failure: Failure }
  | { state: 'done' | 'skipped' | 'dropped' };

interface Failure {
  readonly reason: string;
  readonly status: number;
  readonly attempt: number;
}

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

interface Migration {
  readonly definition: q.MigrationDefinition;
  readonly images: q.Image[];
  readonly refused: Map<string, { reason: string; status: number }>;
  /** Per lane and image: its tiles, or its one descriptor once that is released. */
  readonly items: Record<q.Lane, Tile[][]>;
  state: q.MigrationStatus['state'];
  reason: string;
  planClosed: boolean;
  planCursor: number;
  bytes: number;
  reclaimed: number;
  digest: string;
  startedAt: number | null;
  finishedAt: number | null;
  /** Tiles settled since the migration last began to run, for stop-after-failures. */
  settled: number;
  failed: number;
}

const POISON_LOSSES = 3;
const NO_DIGEST = '0'.repeat(32);

export class MemoryQueue implements q.WorkQueue {
  readonly #clock: Clock;
  readonly #migrations = new Map<string, Migration>();
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
    this.#migrations.set(name, {
      definition,
      images: [],
      refused: new Map(),
      items: { tiles: [], descriptors: [] },
      state: 'running',
      reason: '',
      planClosed: false,
      planCursor: 0,
      bytes: 0,
      reclaimed: 0,
      digest: NO_DIGEST,
      startedAt: null,
      finishedAt: null,
      settled: 0,
      failed: 0,
    });
    return 'created';
  }

  async migrations(): Promise<readonly string[]> {
    return [...this.#migrations.keys()];
  }

  async addImage(name: string, id: string, geometry: q.ImageGeometry): Promise<'added' | 'known'> {
    const migration = this.#active(name);
    if (migration.images.some((image) => image.id === id)) return 'known';
    migration.refused.delete(id);
    const tiles = tileCount(geometry);
    migration.images.push({ ...geometry, id, number: migration.images.length, tiles });
    migration.items.tiles.push(Array.from({ length: tiles }, fresh));
    migration.items.descriptors.push([]);
    migration.finishedAt = null;
    return 'added';
  }

  async refuseImage(name: string, id: string, reason: string, status: number): Promise<void> {
    const migration = this.#active(name);
    if (!migration.images.some((image) => image.id === id)) migration.refused.set(id, { reason, status });
  }

  async planCursor(name: string): Promise<number> {
    return this.#get(name).planCursor;
  }

  async movePlanCursor(name: string, line: number): Promise<void> {
    this.#active(name).planCursor = line;
  }

  async closePlan(name: string): Promise<void> {
    const migration = this.#active(name);
    migration.planClosed = true;
    this.#noteFinish(migration);
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
    const open: Migration[] = [];
    for (const name of [...names.slice(turn), ...names.slice(0, turn)]) {
      const migration = this.#get(name);
      if (migration.state === 'cancelled' || this.#isFinished(migration)) continue;
      open.push(migration);
      if (migration.state === 'paused') continue;
      const next = this.#nextReady(migration, request.lane);
      if (next !== null) return this.take(request, name, next.image, next.first, next.end);
    }
    const running = open.filter((migration) => migration.state === 'running');
    if (running.length === 0 && names.length < asked.length) return idle('empty');
    if (running.length === 0) return idle(open.length === 0 ? 'finished' : 'paused');
    const dues = running.flatMap((migration) =>
      migration.items[request.lane].flat().flatMap((tile) => (tile.state === 'delayed' ? [tile.due] : [])),
    );
    const due = dues.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    return idle('empty', dues.length === 0 ? null : Math.max(0, due - this.#clock.now()));
  }

  /** Claims exactly these tiles; throws unless they may be claimed together. The property test's way in. */
  take(request: q.ClaimRequest, name: string, image: number, first: number, end: number): q.Claim {
    const migration = this.#get(name);
    const tiles = migration.items[request.lane][image]?.slice(first, end) ?? [];
    const head = tiles[0];
    if (head?.state !== 'ready' || tiles.some((tile) => !alike(tile, head)))
      throw new Error(`tiles ${first}..${end} of image ${image} are not ready alike`);
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
    this.#put(held, first, end, () => ({ state: 'claimed', token: request.token }));
    this.#claims.set(request.token, held);
    migration.startedAt ??= this.#clock.now();
    return this.#show(request.token, held);
  }

  async checkpoint(token: string, name: string, point: q.Checkpoint): Promise<q.CheckpointAnswer> {
    const migration = this.#get(name);
    const held = this.#claims.get(token);
    if (held === undefined) {
      const ended = this.#ended.get(token);
      return ended !== undefined && point.sequence <= ended.sequence ? ended.answer : 'lost';
    }
    if (point.sequence <= held.sequence) return held.answer;
    const settled = settledBy(point);
    if (point.sequence > held.sequence + 1) {
      migration.reclaimed += held.end - held.cursor;
      this.#giveBack(held, held.losses, held.alone);
      this.#claims.delete(token);
      return 'lost';
    }
    const badCursor = held.cursor + settled !== point.next || point.next > held.end;
    const problem = badCursor ? 'it does not go on from the cursor' : checkpointProblem(point);
    if (problem !== null) throw permanent(`bad checkpoint: ${problem}`, { code: 'bad-checkpoint' });

    const now = this.#clock.now();
    const named = [...point.failed, ...point.delayed].flatMap(({ first, count }) => indices(first, count));
    this.#store(held, point.next, named, point.skipped);
    for (const range of point.failed)
      this.#put(held, range.first, range.first + range.count, () => ({
        state: 'failed',
        failure: failureOf(range),
      }));
    for (const range of point.delayed)
      this.#put(held, range.first, range.first + range.count, () => ({
        state: 'delayed',
        due: now + range.delayMs,
        failure: failureOf(range),
      }));
    migration.bytes += point.bytes;
    migration.digest = xor(migration.digest, point.digest);
    if (settled > 0) held.losses = 0;
    held.cursor = point.next;
    held.sequence = point.sequence;
    held.deadline = now + held.leaseMs;
    this.#releaseDescriptor(migration, held);
    this.#stopAfterFailures(migration, held.lane, settled, point);
    if (migration.state === 'cancelled') this.#drop(migration);
    if (point.release || point.next === held.end) {
      this.#giveBack(held, held.losses, held.alone);
      this.#end(token, held);
    }
    held.answer = this.#ended.has(token) ? 'ended' : migration.state === 'running' ? 'kept' : 'pausing';
    this.#noteFinish(migration);
    return held.answer;
  }

  async reclaim(limit: number): Promise<number> {
    const now = this.#clock.now();
    let moved = 0;
    for (const name of this.#migrations.keys()) moved += this.#reclaimOf(name, now, limit);
    return moved;
  }

  #reclaimOf(name: string, now: number, limit: number): number {
    const migration = this.#get(name);
    let moved = 0;
    for (const [token, held] of [...this.#claims]) {
      if (held.migration !== name || held.deadline > now || moved >= limit) continue;
      moved++;
      migration.reclaimed += held.end - held.cursor;
      this.#claims.delete(token);
      const losses = held.losses + 1;
      const single = held.end - held.cursor === 1;
      if (losses < POISON_LOSSES) this.#giveBack(held, losses, held.alone);
      else if (!single) this.#giveBack(held, 0, true);
      else {
        const failure = { reason: 'worker-died', status: 0, attempt: held.attempt + 1 };
        this.#put(held, held.cursor, held.end, () => ({ state: 'failed', failure }));
      }
      if (migration.state === 'cancelled') this.#drop(migration);
    }
    for (const lane of ['tiles', 'descriptors'] as const)
      for (const tiles of migration.items[lane])
        tiles.forEach((tile, index) => {
          if (tile.state !== 'delayed' || tile.due > now) return;
          const before = tiles[index - 1];
          const goesOn = before?.state === 'ready' && before.attempt === tile.failure.attempt;
          if (!goesOn) moved++;
          tiles[index] = { ...fresh(), attempt: tile.failure.attempt };
        });
    this.#noteFinish(migration);
    return moved;
  }

  async report(report: q.WorkerReport, ttlMs: number): Promise<void> {
    this.#reports.set(report.worker, { report, until: this.#clock.now() + ttlMs });
  }

  async workers(): Promise<readonly q.WorkerReport[]> {
    const now = this.#clock.now();
    return [...this.#reports.values()].filter(({ until }) => until > now).map(({ report }) => report);
  }

  async status(name: string): Promise<q.MigrationStatus | null> {
    const migration = this.#look(name);
    if (migration === null) return null;
    const { definition, state, reason, planClosed, bytes, reclaimed, digest } = migration;
    const failures: Record<string, number> = {};
    for await (const record of this.failures(name, {}))
      failures[record.reason] = (failures[record.reason] ?? 0) + record.count;
    const descriptors = count(migration.items.descriptors);
    return {
      ...{ definition, state, reason, planClosed, bytes, reclaimed, digest, failures, descriptors },
      finished: this.#isFinished(migration),
      images: {
        total: migration.images.length,
        published: descriptors.done + descriptors.skipped,
        withheld: migration.items.tiles.filter(isWithheld).length,
        refused: migration.refused.size,
      },
      tiles: count(migration.items.tiles),
      startedAt: migration.startedAt,
      finishedAt: migration.finishedAt,
      now: this.#clock.now(),
    };
  }

  async pause(name: string, reason: string): Promise<void> {
    Object.assign(this.#active(name), { state: 'paused', reason });
  }

  async resume(name: string): Promise<void> {
    Object.assign(this.#active(name), { state: 'running', reason: '', settled: 0, failed: 0 });
  }

  async cancel(name: string, reason: string): Promise<void> {
    const migration = this.#get(name);
    Object.assign(migration, { state: 'cancelled', reason });
    this.#drop(migration);
  }

  async *failures(name: string, filter: q.FailureFilter): AsyncIterable<q.FailureRecord> {
    const migration = this.#get(name);
    const wanted = ({ image, reason }: q.FailureRecord): boolean =>
      (filter.image ?? image) === image && (filter.reason ?? reason) === reason;
    for (const [image, { reason, status }] of migration.refused) {
      const record = { lane: 'images', image, first: 0, count: 1, reason, status, attempt: 1 } as const;
      if (wanted(record)) yield record;
    }
    for (const lane of ['tiles', 'descriptors'] as const)
      for (const { id, number } of migration.images) {
        const runs: q.FailureRecord[] = [];
        for (const [first, tile] of (migration.items[lane][number] ?? []).entries()) {
          if (tile.state !== 'failed') continue;
          const last = runs.at(-1);
          if (last !== undefined && last.first + last.count === first && sameFailure(last, tile.failure))
            runs[runs.length - 1] = { ...last, count: last.count + 1 };
          else runs.push({ lane, image: id, first, count: 1, ...tile.failure });
        }
        yield* runs.filter(wanted);
      }
  }

  async requeueFailures(name: string, filter: q.FailureFilter): Promise<number> {
    const migration = this.#active(name);
    let moved = 0;
    for await (const { lane, image, first, count } of this.failures(name, filter)) {
      if (lane === 'images') continue;
      const { number } = migration.images.find(({ id }) => id === image)!;
      for (const index of indices(first, count)) migration.items[lane][number]![index] = fresh();
      moved += count;
    }
    if (moved > 0) migration.finishedAt = null;
    return moved;
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

  /** State of every tile, for comparing with the real queue: `ready`, `delayed`, ... per image and index. */
  states(name: string, lane: q.Lane): string[][] {
    return this.#get(name).items[lane].map((tiles) => tiles.map(({ state }) => state));
  }

  #lost(name: string): Error {
    return permanent(`the queue lost migration ${name}: its record is gone`, { code: 'lost' });
  }

  #look(name: string): Migration | null {
    const migration = this.#migrations.get(name);
    if (migration === undefined && this.#seen.has(name)) throw this.#lost(name);
    return migration ?? null;
  }

  #get(name: string): Migration {
    const migration = this.#look(name);
    if (migration === null) throw permanent(`there is no migration ${name}`, { code: 'not-found' });
    return migration;
  }

  #active(name: string): Migration {
    const migration = this.#get(name);
    if (migration.state === 'cancelled')
      throw permanent(`migration ${name} is cancelled`, { code: 'cancelled' });
    return migration;
  }

  #show(token: string, held: HeldClaim): q.Claim {
    const migration = this.#get(held.migration);
    return {
      token,
      migration: migration.definition,
      lane: held.lane,
      image: migration.images[held.image]!,
      first: held.cursor,
      end: held.end,
      attempt: held.attempt,
      leaseMs: held.leaseMs,
    };
  }

  #nextReady(migration: Migration, lane: q.Lane): { image: number; first: number; end: number } | null {
    for (const [image, tiles] of migration.items[lane].entries()) {
      const first = tiles.findIndex(({ state }) => state === 'ready');
      const head = tiles[first];
      if (head?.state !== 'ready') continue;
      const most = first + (head.alone ? 1 : migration.definition.rangeSize);
      let end = first;
      while (end < most && tiles[end] !== undefined && alike(tiles[end]!, head)) end++;
      return { image, first, end };
    }
    return null;
  }

  #put(held: HeldClaim, first: number, end: number, make: () => Tile): void {
    const tiles = this.#get(held.migration).items[held.lane][held.image]!;
    for (let index = first; index < end; index++) tiles[index] = make();
  }

  /** The tiles not named as failed or delayed: which of them were skipped only the worker knows, so the first. */
  #store(held: HeldClaim, next: number, named: readonly number[], skipped: number): void {
    const unnamed = indices(held.cursor, next - held.cursor).filter((index) => !named.includes(index));
    for (const [place, index] of unnamed.entries())
      this.#put(held, index, index + 1, () => ({ state: place < skipped ? 'skipped' : 'done' }));
  }

  #giveBack(held: HeldClaim, losses: number, alone: boolean): void {
    const { state } = this.#get(held.migration);
    const { attempt } = held;
    this.#put(held, held.cursor, held.end, () =>
      state === 'cancelled' ? { state: 'dropped' } : { state: 'ready', attempt, losses, alone },
    );
  }

  #end(token: string, held: HeldClaim): void {
    this.#claims.delete(token);
    this.#ended.set(token, held);
  }

  #drop(migration: Migration): void {
    for (const tiles of [...migration.items.tiles, ...migration.items.descriptors])
      tiles.forEach((tile, index) => {
        if (tile.state === 'ready' || tile.state === 'delayed') tiles[index] = { state: 'dropped' };
      });
  }

  #releaseDescriptor(migration: Migration, { lane, image }: HeldClaim): void {
    if (lane === 'descriptors' || migration.items.descriptors[image]!.length > 0) return;
    const tiles = migration.items.tiles[image]!;
    if (tiles.every(({ state }) => state === 'done' || state === 'skipped'))
      migration.items.descriptors[image] = [fresh()];
  }

  #stopAfterFailures(migration: Migration, lane: q.Lane, settled: number, point: q.Checkpoint): void {
    if (lane === 'descriptors') return;
    const failed = point.failed.reduce((sum, range) => sum + range.count, 0);
    migration.settled += settled - point.delayed.reduce((sum, range) => sum + range.count, 0);
    migration.failed += failed;
    const { stopAfterFailures, stopAfterTiles } = migration.definition;
    if (migration.state !== 'running' || migration.settled < stopAfterTiles) return;
    if (migration.failed <= stopAfterFailures * migration.settled) return;
    migration.state = 'paused';
    migration.reason = `${migration.failed} of ${migration.settled} tiles failed (more than ${stopAfterFailures * 100} %), the last with ${point.failed.at(-1)?.reason ?? 'worker-died'}`;
  }

  #isFinished({ planClosed, state, items }: Migration): boolean {
    const settled = ({ total, done, skipped, failed }: q.StateCounts): boolean =>
      done + skipped + failed === total;
    return (
      planClosed && state !== 'cancelled' && settled(count(items.tiles)) && settled(count(items.descriptors))
    );
  }

  #noteFinish(migration: Migration): void {
    if (this.#isFinished(migration)) migration.finishedAt ??= this.#clock.now();
  }
}

function fresh(): Extract<Tile, { state: 'ready' }> {
  return { state: 'ready', attempt: 0, losses: 0, alone: false };
}

function alike(tile: Tile, head: Extract<Tile, { state: 'ready' }>): boolean {
  return (
    tile.state === 'ready' &&
    tile.attempt === head.attempt &&
    tile.losses === head.losses &&
    tile.alone === head.alone
  );
}

function sameFailure(a: Failure, b: Failure): boolean {
  return a.reason === b.reason && a.status === b.status && a.attempt === b.attempt;
}

function failureOf({ reason, status, attempt }: Failure): Failure {
  return { reason, status, attempt };
}

function isWithheld(tiles: readonly Tile[]): boolean {
  const settled = tiles.every(({ state }) => state === 'done' || state === 'skipped' || state === 'failed');
  return settled && tiles.some(({ state }) => state === 'failed');
}

function count(images: readonly (readonly Tile[])[]): q.StateCounts {
  const counts = { total: 0, ready: 0, claimed: 0, delayed: 0, done: 0, skipped: 0, failed: 0 };
  for (const { state } of images.flat()) {
    if (state === 'dropped') continue;
    counts.total++;
    counts[state]++;
  }
  return counts;
}

function indices(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, place) => first + place);
}

function xor(a: string, b: string): string {
  return [...a]
    .map((digit, place) => (Number.parseInt(digit, 16) ^ Number.parseInt(b[place]!, 16)).toString(16))
    .join('');
}
