import { expect } from 'vitest';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import {
  type Checkpoint,
  type Claim,
  type ClaimRequest,
  type FailureFilter,
  type ImageStatus,
  LANES,
  type Lane,
  type MigrationStatus,
  type VerifyOptions,
} from '../../../jobs/work-queue.js';
import { point, ZERO } from '../../contracts/queue-cases.js';
import { MemoryQueue } from '../../fakes/memory-queue.js';
import { type ManualClock, manualClock } from '../../support/clock.js';
import { type Inspector, statesIn } from '../../support/queue-inspector.js';

export const MIGRATIONS = ['m', 'n'] as const;
export const SHORT = 1;
export const LONG = 1_000_000_000;
/** What lets every short lease and delay run out on Redis's clock, which only time moves. */
const AGE = 4;
/** As many attempts that failed are remembered. */
const REMEMBERED = 200;
const FIELDS = ['lane', 'image', 'first', 'count', 'reason', 'status', 'attempt', 'final', 'worker'];
/** As many workers take turns. */
const WORKERS = 3;

export interface Held {
  readonly request: ClaimRequest;
  readonly claim: Claim;
  readonly sent: Checkpoint[];
}

/** What is told of some items of a claim. */
export interface Settling {
  readonly count: number;
  readonly bad: number;
  readonly place: number;
  readonly skipped: number;
  readonly reason: string;
  readonly status: number;
  readonly delayMs: number | null;
  readonly digest: string;
  readonly release: boolean;
  /** As if Redis had forgotten the checkpoint before this one. */
  readonly forget: boolean;
  /** In lane checks. `agrees`: with the image's digest, if all of it is told so. */
  readonly agrees: boolean;
  readonly blind: boolean;
  readonly restart: boolean;
}

type Either = RedisQueue | MemoryQueue;

/** Redis and the model, and what the workers remember. */
export class BothQueues {
  readonly clock: ManualClock = manualClock();
  readonly model = new MemoryQueue(this.clock);
  readonly queue: RedisQueue;
  /** Also those that have ended or were lost: they may resend. */
  readonly held: Held[] = [];
  readonly #inspector: Inspector;
  readonly #before = new Map<string, string>();
  #tokens = 0;

  constructor(url: string, inspector: Inspector) {
    this.queue = new RedisQueue({ locate: async () => url, timeoutMs: 10_000 });
    this.#inspector = inspector;
  }

  /** Asks both and wants the same answer or the same refusal. */
  async both(ask: (queue: Either) => Promise<unknown>): Promise<void> {
    const outcome = (queue: Either): Promise<unknown> =>
      ask(queue).catch((error: { code?: string }) => {
        if (error.code === undefined) throw error;
        return error.code;
      });
    expect(await outcome(this.queue)).toEqual(await outcome(this.model));
  }

  async claim(lane: Lane, leaseMs: number, migration?: string): Promise<Held | null> {
    const token = `${this.#tokens++ % WORKERS}-${this.#tokens}`;
    const request = { token, lane, leaseMs, ...(migration === undefined ? {} : { migration }) };
    const answer = await this.queue.claim(request);
    if ('kind' in answer) {
      expect(await this.model.claim(request)).toMatchObject({ kind: 'idle', why: answer.why });
      return null;
    }
    const { name } = answer.migration;
    const { number } = answer.image;
    const taken = this.model.take(request, name, number, answer.first, answer.end);
    expect(withoutShare(answer)).toEqual(withoutShare(taken));
    const held = { request, claim: answer, sent: [] };
    this.held.push(held);
    return held;
  }

  /** The request of a claim again, while it is held: the same claim. */
  async claimAgain({ request }: Held): Promise<void> {
    if (this.model.holds(request.token))
      await this.both(async (queue) => withoutShare((await queue.claim(request)) as Claim));
  }

  async checkpoint(held: Held, pick: Settling): Promise<void> {
    const { claim, sent } = held;
    const from = sent.at(-1)?.next ?? claim.first;
    const moved = Math.min(claim.end - from, pick.count);
    const bad = Math.min(moved, pick.bad);
    const failure = { reason: pick.reason, status: pick.status, attempt: claim.attempt + 1 };
    const ranges =
      bad === 0 ? [] : [{ ...failure, count: bad, first: from + Math.min(pick.place, moved - bad) }];
    const good = moved - bad;
    const skipped = Math.min(good, pick.skipped);
    const checks = claim.lane === 'checks';
    const next = point(sent.length + 1 + (pick.forget ? 1 : 0), from + moved, {
      ...{ bytes: moved * 1000, done: good - skipped, skipped, release: pick.release },
      failed: pick.delayMs === null ? ranges : [],
      delayed: pick.delayMs === null ? [] : ranges.map((each) => ({ ...each, delayMs: pick.delayMs! })),
      digest:
        checks && pick.agrees ? await this.#gathered(held, from, moved) : good === 0 ? ZERO : pick.digest,
      found: checks ? { blind: pick.blind, restart: pick.restart } : null,
    });
    if (!pick.forget) sent.push(next);
    await this.#send(held, next);
  }

  async checkpointAgain(held: Held, back: number): Promise<void> {
    const old = held.sent.at(-1 - (back % Math.max(1, held.sent.length)));
    if (old !== undefined) await this.#send(held, old);
  }

  /** Claims and settles what there is, each claim as the picks say in turn. */
  async work(lane: Lane, name: string, picks: readonly Settling[]): Promise<void> {
    for (let turn = 0; turn < 60; turn++) {
      const held = await this.claim(lane, LONG, name);
      if (held === null) return;
      const pick = picks[turn % picks.length]!;
      await this.checkpoint(held, { ...pick, count: held.claim.end, delayMs: null, forget: false });
    }
  }

  /** Whoever holds a claim of the migration settles it, then all that is left is settled. */
  async finish(name: string, picks: readonly Settling[]): Promise<void> {
    await this.both((queue) => queue.resume(name));
    for (const held of this.held)
      if (held.claim.migration.name === name && this.model.holds(held.request.token))
        await this.checkpoint(held, { ...picks[0]!, count: held.claim.end, forget: false, delayMs: null });
    await this.reclaim();
    for (const lane of ['tiles', 'descriptors'] as const) {
      await this.work(lane, name, picks);
      await this.both((queue) => queue.resume(name));
    }
    await this.both((queue) => queue.closePlan(name, null));
  }

  async reclaim(): Promise<void> {
    await this.clock.advance(AGE);
    await new Promise((resolve) => setTimeout(resolve, AGE));
    await this.queue.reclaim(1000);
    await this.model.reclaim(1000);
  }

  verify(name: string, options: VerifyOptions): Promise<void> {
    return this.both((queue) => queue.beginVerification(name, options));
  }

  /** After every step: each item is in one state, the counters agree with the structures, and both with the model. */
  async agree(filter: FailureFilter): Promise<void> {
    const look = await this.#inspector.look();
    for (const name of MIGRATIONS) {
      expect(await attemptsOf(this.queue, name)).toEqual(await attemptsOf(this.model, name));
      const [real, model] = [await this.queue.status(name), await this.model.status(name)];
      const status = comparable(real!);
      expect(status).toEqual(comparable(model!));
      const { tiles, bytes, now } = real!;
      const settled = tiles.done + tiles.skipped + tiles.failed;
      expect(real!.samples.at(-1)).toEqual({ at: now, settled, bytes });
      for (const lane of LANES) {
        const gone = (state: string): string =>
          ['done', 'skipped', 'dropped'].includes(state) ? 'gone' : state;
        const wanted = this.model.states(name, lane).map((items) => items.map(gone));
        // An image's descriptor that was not released yet is nowhere.
        const released = wanted.map((items) =>
          lane === 'descriptors' && items.length === 0 ? ['gone'] : items,
        );
        expect(statesIn(look, name, lane)).toEqual(released);
      }
      if (JSON.stringify(status) === this.#before.get(name)) continue;
      this.#before.set(name, JSON.stringify(status));
      expect(await failuresOf(this.queue, name, filter)).toEqual(await failuresOf(this.model, name, filter));
      const images = await imagesOf(this.queue, name);
      expect(images).toEqual(await imagesOf(this.model, name));
      const id = images.at(-1)?.image.id ?? 'none';
      expect(await this.queue.image(name, id)).toEqual(await this.model.image(name, id));
    }
  }

  #send({ request, claim }: Held, next: Checkpoint): Promise<void> {
    return this.both(async (queue) => {
      const { answer, share } = await queue.checkpoint(request.token, claim.migration.name, next);
      return { answer, limited: share.requestsPerSecond !== null };
    });
  }

  /** So that what all claims of an image tell adds up to its digest: the first of its tiles tells it all. */
  async #gathered({ claim }: Held, from: number, moved: number): Promise<string> {
    if (from > 0 || moved === 0) return ZERO;
    return (await this.model.image(claim.migration.name, claim.image.id))!.digest;
  }
}

/** Which workers are live is a matter of time, which the model's clock does not share. */
function withoutShare({ share: { requestsPerSecond }, ...claim }: Claim): unknown {
  return { ...claim, limited: requestsPerSecond !== null };
}

function comparable(status: MigrationStatus): unknown {
  const {
    now: _now,
    reason: _reason,
    samples: _samples,
    startedAt,
    finishedAt,
    verification,
    ...rest
  } = status;
  const times = { startedAt: startedAt !== null, finishedAt: finishedAt !== null };
  if (verification === null) return { ...rest, ...times };
  const { startedAt: _at, finishedAt: verified, ...round } = verification;
  return { ...rest, ...times, round, verified: verified !== null };
}

/** One line for each item: where a record ends is not promised. */
async function failuresOf(queue: Either, name: string, filter: FailureFilter): Promise<string[]> {
  const items: string[] = [];
  for await (const { first, count, ...failure } of queue.failures(name, filter))
    for (let index = first; index < first + count; index++)
      items.push(
        JSON.stringify([failure.lane, failure.image, index, failure.reason, failure.status, failure.attempt]),
      );
  return items.sort();
}

/** In which order claims that ran out are found is not promised; nor, therefore, which of them are still remembered. */
async function attemptsOf(queue: Either, name: string): Promise<unknown> {
  const attempts = (await queue.newestFailures(name, REMEMBERED)).map(({ at: _, ...rest }) => rest);
  return attempts.length === REMEMBERED
    ? REMEMBERED
    : attempts.map((one) => JSON.stringify(one, FIELDS)).sort();
}

async function imagesOf(queue: Either, name: string): Promise<ImageStatus[]> {
  const images: ImageStatus[] = [];
  for await (const image of queue.images(name)) images.push(image);
  return images;
}
