import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RedisQueue } from '../../../jobs/redis-queue.js';
import {
  type Checkpoint,
  type Claim,
  type ClaimRequest,
  LANES,
  type Lane,
} from '../../../jobs/work-queue.js';
import { definition, LARGE, point, SMALL } from '../../contracts/queue-contract.js';
import { MemoryQueue } from '../../fakes/memory-queue.js';
import { type ManualClock, manualClock } from '../../support/clock.js';
import { type Inspector, inspect } from '../../support/queue-inspector.js';
import { seeded } from '../../support/seed.js';
import { type TestServer, testRedis, useGround } from '../../support/services.js';

/**
 * Random sequences of every transition by several workers, on Redis and on the model. After each step: every tile is in
 * exactly one state, the counters agree with the structures, and both with the model.
 */
const ground = useGround('queue-property');
let redis: TestServer;
let inspector: Inspector;
beforeAll(async () => {
  redis = await testRedis(ground);
  inspector = inspect(redis.url);
});
afterAll(() => inspector.close());

const MIGRATIONS = ['m', 'n'] as const;
const SHORT = 1;
const LONG = 1_000_000_000;
/** What lets every short lease and delay run out on Redis's clock, which only time moves. */
const AGE = 4;

interface Held {
  readonly request: ClaimRequest;
  readonly claim: Claim;
  readonly sent: Checkpoint[];
}

/** Both queues, and what the workers remember. */
class Run {
  readonly clock: ManualClock = manualClock();
  readonly model = new MemoryQueue(this.clock);
  readonly queue = new RedisQueue({ locate: async () => redis.url, timeoutMs: 10_000 });
  /** Also those that have ended or were lost: they may resend. */
  readonly held: Held[] = [];
  #tokens = 0;

  /** Asks both and wants the same answer or the same refusal. */
  async both(ask: (queue: RedisQueue | MemoryQueue) => Promise<unknown>): Promise<void> {
    const outcome = (queue: RedisQueue | MemoryQueue): Promise<unknown> =>
      ask(queue).catch((error: { code?: string }) => {
        if (error.code === undefined) throw error;
        return error.code;
      });
    expect(await outcome(this.queue)).toEqual(await outcome(this.model));
  }

  async claim(lane: Lane, leaseMs: number, migration?: string): Promise<void> {
    const token = `w${++this.#tokens}`;
    const request = { token, lane, leaseMs, ...(migration === undefined ? {} : { migration }) };
    const answer = await this.queue.claim(request);
    if ('kind' in answer) {
      expect(await this.model.claim(request)).toMatchObject({ kind: 'idle', why: answer.why });
      return;
    }
    const { name } = answer.migration;
    const { number } = answer.image;
    expect(this.model.take(request, name, number, answer.first, answer.end)).toEqual(answer);
    this.held.push({ request, claim: answer, sent: [] });
  }

  /** The request of a claim again, while it is held: the same claim. */
  async claimAgain({ request }: Held): Promise<void> {
    if (this.model.holds(request.token)) await this.both((queue) => queue.claim(request));
  }

  checkpoint(held: Held, pick: Settling): Promise<void> {
    const { claim, sent, request } = held;
    const from = sent.at(-1)?.next ?? claim.first;
    const moved = Math.min(claim.end - from, pick.count);
    const bad = Math.min(moved, pick.bad);
    const range = { count: bad, reason: pick.reason, status: 404, attempt: claim.attempt + 1 };
    const ranges = bad === 0 ? [] : [{ ...range, first: from + Math.min(pick.place, moved - bad) }];
    const good = moved - bad;
    const skipped = Math.min(good, pick.skipped);
    const next = point(sent.length + 1 + (pick.forget ? 1 : 0), from + moved, {
      ...{ bytes: moved * 1000, done: good - skipped, skipped, release: pick.release },
      failed: pick.delayMs === null ? ranges : [],
      delayed: pick.delayMs === null ? [] : ranges.map((each) => ({ ...each, delayMs: pick.delayMs! })),
      digest: good === 0 ? '0'.repeat(32) : pick.digest,
    });
    if (!pick.forget) sent.push(next);
    return this.both((queue) => queue.checkpoint(request.token, claim.migration.name, next));
  }

  async checkpointAgain({ request, claim, sent }: Held, back: number): Promise<void> {
    const old = sent.at(-1 - (back % Math.max(1, sent.length)));
    if (old !== undefined)
      await this.both((queue) => queue.checkpoint(request.token, claim.migration.name, old));
  }

  async reclaim(): Promise<void> {
    await this.clock.advance(AGE);
    await new Promise((resolve) => setTimeout(resolve, AGE));
    await this.queue.reclaim(1000);
    await this.model.reclaim(1000);
  }

  async agree(): Promise<void> {
    for (const name of MIGRATIONS) {
      const [real, model] = [await this.queue.status(name), await this.model.status(name)];
      const { now: _now, startedAt, finishedAt, reason: _reason, ...rest } = real!;
      const { now: _then, startedAt: started, finishedAt: ended, reason: _why, ...expected } = model!;
      expect(rest).toEqual(expected);
      expect([startedAt === null, finishedAt === null]).toEqual([started === null, ended === null]);
      for (const lane of LANES) {
        const gone = (state: string): string =>
          ['done', 'skipped', 'dropped'].includes(state) ? 'gone' : state;
        const states = (await inspector.states(name, lane)).map((tiles) => tiles);
        const wanted = this.model.states(name, lane).map((tiles) => tiles.map(gone));
        // An image's descriptor that was not released yet is nowhere.
        const released = wanted.map((tiles) =>
          lane === 'descriptors' && tiles.length === 0 ? ['gone'] : tiles,
        );
        expect(states).toEqual(released);
      }
      const listed = async (queue: RedisQueue | MemoryQueue): Promise<string[]> => {
        const tiles: string[] = [];
        for await (const { first, count, ...failure } of queue.failures(name, {}))
          for (let index = first; index < first + count; index++)
            tiles.push(JSON.stringify([failure.lane, failure.image, index, failure.reason, failure.attempt]));
        return tiles.sort();
      };
      expect(await listed(this.queue)).toEqual(await listed(this.model));
    }
  }
}

interface Settling {
  readonly count: number;
  readonly bad: number;
  readonly place: number;
  readonly skipped: number;
  readonly reason: string;
  readonly delayMs: number | null;
  readonly digest: string;
  readonly release: boolean;
  /** As if Redis had forgotten the checkpoint before this one. */
  readonly forget: boolean;
}

type Step = (run: Run) => Promise<void>;

const migration = fc.constantFrom(...MIGRATIONS);
const lease = fc.constantFrom(SHORT, LONG, LONG);
const settling: fc.Arbitrary<Settling> = fc.record({
  count: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 12 })),
  bad: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3 })),
  place: fc.integer({ min: 0, max: 5 }),
  skipped: fc.integer({ min: 0, max: 2 }),
  reason: fc.constantFrom('http-404', 'http-404', 'truncated'),
  delayMs: fc.constantFrom(null, null, SHORT, LONG),
  digest: fc.stringMatching(/^[0-9a-f]{32}$/),
  release: fc.integer({ min: 0, max: 5 }).map((chance) => chance === 0),
  forget: fc.integer({ min: 0, max: 19 }).map((chance) => chance === 0),
});
/** One of the claims ever given, the newest first. */
const some = fc.integer({ min: 0, max: 5 });
const at = (run: Run, back: number): Held | undefined =>
  run.held.at(-1 - (back % Math.max(1, run.held.length)));

const step: fc.Arbitrary<[string, Step]> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(migration, fc.integer({ min: 0, max: 4 }))
      .map(([name, id]): [string, Step] => [
        `add ${name} ${id}`,
        (run) => run.both((queue) => queue.addImage(name, `i${id}`, id % 2 === 0 ? SMALL : LARGE)),
      ]),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(migration, fc.integer({ min: 0, max: 6 }), fc.constantFrom('not-xml', 'http-404'))
      .map(([name, id, reason]): [string, Step] => [
        `refuse ${name} ${id}`,
        (run) => run.both((queue) => queue.refuseImage(name, `i${id}`, reason, 0)),
      ]),
  },
  {
    weight: 10,
    arbitrary: fc
      .tuple(
        fc.constantFrom(...LANES, 'tiles' as const),
        lease,
        fc.option(migration, { freq: 2, nil: undefined }),
      )
      .map(([lane, leaseMs, name]): [string, Step] => [
        `claim ${lane} ${leaseMs} ${name ?? 'any'}`,
        (run) => run.claim(lane, leaseMs, name),
      ]),
  },
  {
    weight: 16,
    arbitrary: fc.tuple(some, settling).map(([back, pick]): [string, Step] => [
      `checkpoint -${back} ${JSON.stringify(pick)}`,
      async (run) => {
        const held = at(run, back);
        if (held !== undefined) await run.checkpoint(held, pick);
      },
    ]),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(some, some).map(([back, old]): [string, Step] => [
      `checkpoint again -${back} -${old}`,
      async (run) => {
        const held = at(run, back);
        if (held !== undefined) await run.checkpointAgain(held, old);
      },
    ]),
  },
  {
    weight: 2,
    arbitrary: some.map((back): [string, Step] => [
      `claim again -${back}`,
      async (run) => {
        const held = at(run, back);
        if (held !== undefined) await run.claimAgain(held);
      },
    ]),
  },
  { weight: 3, arbitrary: fc.constant<[string, Step]>(['reclaim', (run) => run.reclaim()]) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        fc.constantFrom(...LANES, 'tiles' as const),
        migration,
        fc.array(fc.option(settling, { freq: 2 }), { maxLength: 9, size: 'max' }),
      )
      .map(([lane, name, picks]): [string, Step] => [
        `lose ${lane} ${name} ${JSON.stringify(picks)}`,
        async (run) => {
          for (const pick of picks) {
            const before = run.held.length;
            await run.claim(lane, SHORT, name);
            const count = Math.min(1, pick?.count ?? 0);
            if (pick !== null && run.held.length > before)
              await run.checkpoint(run.held.at(-1)!, { ...pick, count });
            await run.reclaim();
          }
        },
      ]),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(migration, fc.constantFrom({}, { reason: 'http-404' }, { image: 'i1' }))
      .map(([name, filter]): [string, Step] => [
        `requeue ${name} ${JSON.stringify(filter)}`,
        (run) => run.both((queue) => queue.requeueFailures(name, filter)),
      ]),
  },
  {
    weight: 1,
    arbitrary: migration.map((name): [string, Step] => [
      `pause ${name}`,
      (run) => run.both((queue) => queue.pause(name, 'x')),
    ]),
  },
  {
    weight: 3,
    arbitrary: migration.map((name): [string, Step] => [
      `resume ${name}`,
      (run) => run.both((queue) => queue.resume(name)),
    ]),
  },
  {
    weight: 1,
    arbitrary: migration.map((name): [string, Step] => [
      `close ${name}`,
      (run) => run.both((queue) => queue.closePlan(name)),
    ]),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 0, max: 3 }).map((chance): [string, Step] => [
      `cancel? ${chance}`,
      async (run) => {
        if (chance === 0) await run.both((queue) => queue.cancel('n', 'x'));
      },
    ]),
  },
);

it('keeps every tile in exactly one state, as the model does', { timeout: 180_000 }, async () => {
  const named = step.map(([name, perform]) => Object.assign(perform, { [fc.toStringMethod]: () => name }));
  const steps = fc.array(named, { minLength: 20, maxLength: 80, size: 'max' });
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      await inspector.command('FLUSHALL');
      const run = new Run();
      try {
        for (const name of MIGRATIONS)
          await run.both((queue) =>
            queue.createMigration(definition({ name, stopAfterFailures: 0.4, stopAfterTiles: 25 })),
          );
        await run.both((queue) => queue.addImage('m', 'i1', LARGE));
        for (const perform of list) {
          await perform(run);
          await run.agree();
        }
      } finally {
        await run.queue.close();
      }
    }),
    { ...seeded(60), interruptAfterTimeLimit: 60_000, verbose: true },
  );
});
