import { type ConvoyError, conflict, permanent } from '../runtime/errors.js';
import { createBatches } from './batches.js';
import { checkpointProblem } from './checkpoint.js';
import { NO_DIGEST } from './digest.js';
import { tileCount } from './pyramid.js';
import { type Argument, RedisConnection, type Reply } from './redis-connection.js';
import { failuresOf, type StoredFailures } from './redis-failures.js';
import {
  idBucket,
  MIGRATIONS,
  migrationPrefix,
  ROWS_PER_BUCKET,
  WORKER_EXPIRIES,
  WORKER_REPORTS,
} from './redis-keys.js';
import { attemptsOf, claimOf, idleOf, imagesOf, limitOf, reportOf, statusOf } from './redis-replies.js';
import { packDefinition, packRow, packVerifyOptions } from './redis-rows.js';
import { loadScripts, type Script } from './redis-scripts.js';
import type * as q from './work-queue.js';

/**
 * The work queue in Redis. Every transition is one Lua script, so Redis makes it durable as a whole or not at all, and
 * the counters move with what they count.
 *
 * What a Redis that lost its last second (AOF, everysec) means; all of it rolls back to one moment together:
 * - past a claim: its range is in ready again, the token is unknown, the worker's checkpoint is answered `lost`.
 * - past a checkpoint: the claim stands with an older cursor and sequence. The next checkpoint's sequence has a gap; the
 *   counts of the tiles between are gone with it, and a checkpoint cannot say them again. So the claim ends there, the
 *   range goes back to ready from Redis's cursor, and the answer is `lost`: these tiles are copied twice (writes are
 *   idempotent by key) and counted once.
 * - past the end of a claim: the claim is alive again and nobody's; its lease runs out and it is reclaimed.
 * - past images that were added: the populate job has heard that they were, and would not add them again. So a list is
 *   closed only in the run of Redis in which it was begun: otherwise `conflict`/`restarted`, and the job begins it anew and
 *   goes through it again.
 * - an emptied Redis: this object remembers the migrations it has seen, and says `lost` of them.
 *
 * Ended claims are remembered for a minute, so that a checkpoint whose answer got lost is answered again; after that
 * it is `lost`, which costs the worker nothing: the claim had ended.
 */
const ENDED_CLAIM_MS = 60_000;
/** Claims or checkpoints of one script: some milliseconds of Redis's time. */
const AT_ONCE = 32;
/** Values requeued by one script, of up to two dozen ranges each: a few milliseconds of Redis's time. */
const REQUEUE_STEP = 50;

export interface RedisQueueOptions {
  /** Asked when there is no connection: `redis://[user:password@]host:port[/db]`. */
  readonly locate: () => Promise<string>;
  /** How long one answer may take. */
  readonly timeoutMs: number;
}

/** Opens nothing yet: the first call connects. */
export class RedisQueue implements q.WorkQueue {
  readonly #redis: RedisConnection;
  readonly #seen = new Set<string>();
  /** Per migration and list of images: the run of Redis in which it was begun. */
  readonly #runs = new Map<string, string>();
  readonly #batches = new Map<string, (args: readonly Argument[]) => Promise<Reply>>();
  #turn = 0;

  constructor(options: RedisQueueOptions) {
    this.#redis = new RedisConnection({ ...options, scripts: loadScripts() });
  }

  async createMigration(definition: q.MigrationDefinition): Promise<'created' | 'exists'> {
    const { name, rangeSize, stopAfterFailures, stopAfterTiles, incomplete } = definition;
    const args = [name, packDefinition(definition), rangeSize, stopAfterFailures, stopAfterTiles, incomplete];
    const answer = await this.#run('create-migration', name, args);
    if (answer === 'conflict')
      throw conflict(`migration ${name} exists with another definition: choose another name`, {
        code: 'exists',
      });
    this.#seen.add(name);
    return answer as 'created' | 'exists';
  }

  async migrations(): Promise<readonly string[]> {
    return (await this.#redis.command('LRANGE', MIGRATIONS, 0, -1)) as string[];
  }

  async beginPlan(migration: string, list: string): Promise<void> {
    const run = (await this.#change('begin-plan', migration, [list])) as string;
    this.#runs.set(listKey(migration, list), run);
  }

  async knownImages(migration: string, ids: readonly string[]): Promise<readonly boolean[]> {
    const args = ids.flatMap((id) => [id, idBucket(id)]);
    const known = (await this.#change('known-images', migration, args)) as number[];
    return known.map((each) => each === 1);
  }

  async addImages(
    migration: string,
    images: readonly q.PlannedImage[],
  ): Promise<readonly ('added' | 'known' | 'refused')[]> {
    const args = images.flatMap((image) => [
      ...[image.id, idBucket(image.id)],
      ...('geometry' in image
        ? [packRow(image.id, image.geometry), tileCount(image.geometry)]
        : [`!${image.status}!${image.reason}`, 0]),
    ]);
    return (await this.#change('add-images', migration, args)) as ('added' | 'known' | 'refused')[];
  }

  async closePlan(migration: string, list: string | null): Promise<void> {
    const run = list === null ? undefined : this.#runs.get(listKey(migration, list));
    const answer = await this.#change('close-plan', migration, [list ?? '', run ?? '']);
    if (answer === 'restarted')
      throw conflict('Redis was started again and may have lost what was added last: read the list again', {
        code: 'restarted',
      });
  }

  async claim(request: q.ClaimRequest): Promise<q.Claim | q.Idle> {
    const { token, lane, leaseMs, migration, except = [] } = request;
    const asked = migration === undefined ? await this.migrations() : [migration];
    if (asked.length === 0 && this.#seen.size > 0) throw lost([...this.#seen].join(', '));
    const names = asked.filter((name) => !except.includes(name));
    const turn = this.#turn++ % Math.max(1, names.length);
    const left = [...names.slice(turn), ...names.slice(0, turn)];
    const idle: { why: string; due: number | null }[] = [];
    if (names.length < asked.length) idle.push({ why: 'empty', due: null });
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      const answer = (await this.#together('claim', name, [token, lane, leaseMs, name])) as Reply[];
      const [why, ...rest] = answer as [string, ...Reply[]];
      if (why === 'missing') {
        if (migration !== undefined && !this.#seen.has(name))
          return { kind: 'idle', why: 'none', dueInMs: null };
        throw lost(name);
      }
      this.#seen.add(name);
      if (why === 'claim') return claimOf(token, rest);
      if (why === 'elsewhere') left.unshift(rest[0] as string);
      else idle.push({ why, due: (rest[0] as number | undefined) ?? null });
    }
    return idleOf(idle);
  }

  async checkpoint(token: string, migration: string, point: q.Checkpoint): Promise<q.CheckpointReply> {
    const problem = checkpointProblem(point);
    const { sequence, next, bytes, done, skipped, failed, delayed, digest, release, found } = point;
    const args = [
      token,
      sequence,
      next,
      bytes,
      done,
      skipped,
      failed.length === 0 ? '' : JSON.stringify(failed),
      delayed.length === 0 ? '' : JSON.stringify(delayed),
    ];
    const seen = found === null ? '' : `${found.blind ? 1 : 0}${found.restart ? 1 : 0}`;
    const rest = [
      digest === NO_DIGEST ? '' : Buffer.from(digest, 'hex'),
      release ? 1 : 0,
      seen,
      ENDED_CLAIM_MS,
    ];
    const answer = problem ?? (await this.#together('checkpoint', migration, [...args, ...rest]));
    if (answer === 'missing') throw lost(migration);
    if (problem !== null || answer === 'bad')
      throw permanent(`bad checkpoint: ${problem ?? 'it does not fit the claim'}`, {
        code: 'bad-checkpoint',
      });
    const [word, requests, bandwidth] = answer as [q.CheckpointAnswer, string, string];
    return { answer: word, share: limitOf(requests, bandwidth) };
  }

  async reclaim(limit: number): Promise<number> {
    let moved = 0;
    for (const name of await this.migrations()) {
      const answer = await this.#run('reclaim', name, [limit]);
      if (answer === 'missing') throw lost(name);
      moved += answer as number;
    }
    return moved;
  }

  async newestFailures(migration: string, most: number): Promise<readonly q.FailedAttempt[]> {
    if (most < 1) return [];
    const answer = await this.#run('newest-failures', migration, [most]);
    if (answer === null) throw await this.#missing(migration);
    this.#seen.add(migration);
    return attemptsOf(answer);
  }

  async report(report: q.WorkerReport, ttlMs: number): Promise<void> {
    const args = [report.worker, JSON.stringify(report), ttlMs];
    await this.#redis.script('report', [WORKER_EXPIRIES, WORKER_REPORTS], args);
  }

  async workers(): Promise<readonly q.WorkerReport[]> {
    const reports = await this.#redis.script('workers', [WORKER_EXPIRIES, WORKER_REPORTS], []);
    return (reports as string[]).map(reportOf);
  }

  async status(migration: string): Promise<q.MigrationStatus | null> {
    const answer = await this.#run('status', migration, []);
    if (answer === null) {
      const error = await this.#missing(migration);
      if (error.code === 'lost') throw error;
      return null;
    }
    this.#seen.add(migration);
    return statusOf(answer);
  }

  async pause(migration: string, reason: string): Promise<void> {
    await this.#change('set-state', migration, ['paused', reason]);
  }

  async resume(migration: string): Promise<void> {
    await this.#change('set-state', migration, ['running', '']);
  }

  async cancel(migration: string, reason: string): Promise<void> {
    await this.#change('cancel', migration, [reason]);
  }

  async *failures(migration: string, filter: q.FailureFilter): AsyncIterable<q.FailureRecord> {
    await this.#record(migration);
    for await (const page of failuresOf(this.#redis, migration, filter)) yield* page.records;
  }

  async requeueFailures(migration: string, filter: q.FailureFilter): Promise<number> {
    if ((await this.#record(migration)).state === 'cancelled') throw cancelled(migration);
    let moved = 0;
    for await (const page of failuresOf(this.#redis, migration, filter)) {
      if (page.lane !== 'images' && page.lane !== 'checks')
        moved += await this.#requeue(migration, filter, page);
    }
    return moved;
  }

  async beginVerification(migration: string, options: q.VerifyOptions): Promise<'begun' | 'joined'> {
    const answer = await this.#change('begin-verification', migration, [packVerifyOptions(options)]);
    if (answer === 'verifying')
      throw conflict(`migration ${migration} is being verified with other options`, { code: answer });
    if (answer === 'unfinished')
      throw conflict(`migration ${migration} has work left: verify it when it is complete`, { code: answer });
    return answer as 'begun' | 'joined';
  }

  async limit(migration: string, { requestsPerSecond, bytesPerSecond }: q.Limit): Promise<void> {
    await this.#change('set-limit', migration, [requestsPerSecond ?? '', bytesPerSecond ?? '']);
  }

  async accept(migration: string, image: string): Promise<'accepted' | 'whole' | 'unsettled' | 'unknown'> {
    const answer = await this.#change('accept', migration, [image, idBucket(image)]);
    return answer as 'accepted' | 'whole' | 'unsettled' | 'unknown';
  }

  async image(migration: string, id: string): Promise<q.ImageStatus | null> {
    return (await this.#images(migration, ['id', id, idBucket(id)]))[0] ?? null;
  }

  async *images(migration: string): AsyncIterable<q.ImageStatus> {
    for (let bucket = 0; ; bucket++) {
      const page = await this.#images(migration, ['page', bucket]);
      yield* page;
      if (page.length < ROWS_PER_BUCKET) return;
    }
  }

  async close(): Promise<void> {
    await this.#redis.close();
  }

  async #requeue(migration: string, { range }: q.FailureFilter, page: StoredFailures): Promise<number> {
    const { lane, bucket, fields } = page;
    let moved = 0;
    for (let start = 0; start < fields.length; start += REQUEUE_STEP) {
      const step = fields.slice(start, start + REQUEUE_STEP);
      const args = [lane, bucket, range?.first ?? 0, range?.end ?? '', ...step];
      moved += (await this.#change('requeue', migration, args)) as number;
    }
    return moved;
  }

  async #images(migration: string, args: readonly (string | number)[]): Promise<readonly q.ImageStatus[]> {
    const answer = await this.#run('show-images', migration, args);
    if (answer === null) throw await this.#missing(migration);
    this.#seen.add(migration);
    return imagesOf(answer);
  }

  async #record(migration: string): Promise<q.MigrationStatus> {
    const status = await this.status(migration);
    if (status === null) throw await this.#missing(migration);
    return status;
  }

  #run(script: Script, migration: string, args: readonly Argument[]): Promise<Reply> {
    return this.#redis.script(script, [migrationPrefix(migration)], args);
  }

  /** A script that takes many at once: what workers ask all the time. */
  #together(script: 'claim' | 'checkpoint', migration: string, args: readonly Argument[]): Promise<Reply> {
    const name = `${script} ${migration}`;
    let ask = this.#batches.get(name);
    if (ask === undefined) {
      ask = createBatches(
        async (all) => (await this.#run(script, migration, all.flat())) as readonly Reply[],
        AT_ONCE,
      );
      this.#batches.set(name, ask);
    }
    return ask(args);
  }

  /** A script that needs a migration which is not cancelled. */
  async #change(script: Script, migration: string, args: readonly (string | number)[]): Promise<Reply> {
    const answer = await this.#run(script, migration, args);
    if (answer === 'missing') throw await this.#missing(migration);
    this.#seen.add(migration);
    if (answer === 'cancelled') throw cancelled(migration);
    return answer;
  }

  /** The error for a record that is not there: lost if this object has seen it, or Redis remembers its name. */
  async #missing(migration: string): Promise<ConvoyError> {
    const known = this.#seen.has(migration) || (await this.migrations()).includes(migration);
    if (known) return lost(migration);
    return permanent(`there is no migration ${migration}`, { code: 'not-found' });
  }
}

function lost(migrations: string): ConvoyError {
  return permanent(`Redis lost migration ${migrations}: its record is gone`, { code: 'lost' });
}

function cancelled(migration: string): ConvoyError {
  return permanent(`migration ${migration} is cancelled`, { code: 'cancelled' });
}

/** A list's name may hold any character, a migration's name no NUL. */
function listKey(migration: string, list: string): string {
  return `${migration}\0${list}`;
}
