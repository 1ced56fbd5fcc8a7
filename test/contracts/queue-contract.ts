import { describe, expect, it } from 'vitest';
import type * as q from '../../jobs/work-queue.js';
import { kindOf } from '../../runtime/errors.js';

/** A queue to test, and the faults its contract speaks of. */
export interface QueueHarness {
  readonly queue: q.WorkQueue;
  /** Lets every lease and every delay of up to `ms` run out on the queue's clock. */
  pass(ms: number): Promise<void>;
  /** Empties the store behind the queue. */
  flush(): Promise<void>;
}

/** One tile of 254 px: its levels 0..8 have a tile each, so 9 tiles. */
export const SMALL: q.ImageGeometry = { width: 254, height: 254, tileSize: 254, overlap: 1, format: 'jpg' };
/** Levels 0..8 with a tile each, then 4 and 12: 25 tiles. */
export const LARGE: q.ImageGeometry = { width: 1000, height: 700, tileSize: 254, overlap: 1, format: 'jpg' };

export function definition(change: Partial<q.MigrationDefinition> = {}): q.MigrationDefinition {
  return {
    name: 'm',
    source: 'http://source/',
    destination: 'file:///destination',
    rangeSize: 10,
    maxAttempts: 3,
    stopAfterFailures: 0.01,
    stopAfterTiles: 10_000,
    serverSide: 'auto',
    ...change,
  };
}

export const LONG = 1_000_000;
const SHORT = 20;
const ZERO = '0'.repeat(32);

export function point(sequence: number, next: number, change: Partial<q.Checkpoint> = {}): q.Checkpoint {
  return {
    ...{ sequence, next, bytes: 0, done: 0, skipped: 0, failed: [], delayed: [], digest: ZERO },
    release: false,
    ...change,
  };
}

const failure = (first: number, count: number, change: Partial<q.RangeFailure> = {}): q.RangeFailure => ({
  ...{ first, count, reason: 'http-404', status: 404, attempt: 1 },
  ...change,
});

/** The promises of jobs/work-queue.ts, held by every form of it. */
export function queueContract(open: () => Promise<QueueHarness>): void {
  let tokens = 0;
  const request = (change: Partial<q.ClaimRequest> = {}): q.ClaimRequest => ({
    token: `w${++tokens}`,
    lane: 'tiles',
    leaseMs: LONG,
    ...change,
  });
  const claim = async (queue: q.WorkQueue, change: Partial<q.ClaimRequest> = {}): Promise<q.Claim> => {
    const answer = await queue.claim(request(change));
    if ('kind' in answer) throw new Error(`nothing to claim: ${answer.why}`);
    return answer;
  };
  const status = async (queue: q.WorkQueue, name = 'm'): Promise<q.MigrationStatus> =>
    (await queue.status(name))!;
  const all = async (queue: q.WorkQueue, filter: q.FailureFilter = {}): Promise<q.FailureRecord[]> => {
    const records: q.FailureRecord[] = [];
    for await (const record of queue.failures('m', filter)) records.push(record);
    return records.sort((a, b) => a.image.localeCompare(b.image) || a.first - b.first);
  };
  const rejection = async (promise: Promise<unknown>): Promise<{ kind: string; code: unknown }> => {
    const error = await promise.then(
      () => new Error('it did not reject'),
      (reason: unknown) => reason,
    );
    return { kind: kindOf(error), code: (error as { code?: unknown }).code };
  };
  const small = async (change: Partial<q.MigrationDefinition> = {}): Promise<QueueHarness> => {
    const harness = await open();
    await harness.queue.createMigration(definition(change));
    await harness.queue.addImage('m', 'a', SMALL);
    return harness;
  };
  /** Claims what is ready and settles it as done, until nothing is. */
  const drain = async (queue: q.WorkQueue, lane: q.Lane): Promise<number> => {
    let settled = 0;
    for (;;) {
      const answer = await queue.claim(request({ lane }));
      if ('kind' in answer) return settled;
      const done = answer.end - answer.first;
      expect(await queue.checkpoint(answer.token, 'm', point(1, answer.end, { done }))).toBe('ended');
      settled += done;
    }
  };

  describe('the plan', () => {
    it('creates a migration once, knows the same definition again and refuses another', async () => {
      const { queue } = await open();
      expect(await queue.status('m')).toBeNull();
      expect(await queue.createMigration(definition())).toBe('created');
      expect(await queue.createMigration(definition())).toBe('exists');
      expect((await rejection(queue.createMigration(definition({ rangeSize: 11 })))).kind).toBe('conflict');
      expect(await queue.migrations()).toEqual(['m']);
      expect((await status(queue)).definition).toEqual(definition());
    });

    it('keeps whether the destination copies by itself, and tells the workers', async () => {
      const { queue } = await small({ serverSide: 'never' });
      expect((await status(queue)).definition.serverSide).toBe('never');
      expect((await claim(queue)).migration.serverSide).toBe('never');
      expect((await rejection(queue.createMigration(definition()))).kind).toBe('conflict');
    });

    it('adds an image once: number, geometry and tiles in one step', async () => {
      const { queue } = await open();
      await queue.createMigration(definition());
      expect(await queue.addImage('m', 'a', LARGE)).toBe('added');
      expect(await queue.addImage('m', 'a', LARGE)).toBe('known');
      expect(await queue.addImage('m', 'b', SMALL)).toBe('added');
      const { tiles, images, descriptors } = await status(queue);
      expect(tiles).toEqual({ total: 34, ready: 34, claimed: 0, delayed: 0, done: 0, skipped: 0, failed: 0 });
      expect(images).toEqual({ total: 2, published: 0, withheld: 0, refused: 0 });
      expect(descriptors.total).toBe(0);
      expect((await claim(queue)).image).toEqual({ ...LARGE, id: 'a', number: 0, tiles: 25 });
    });

    it('keeps ids and formats apart whatever characters they hold', async () => {
      const { queue } = await open();
      await queue.createMigration(definition({ name: 'a:b', rangeSize: 100 }));
      await queue.createMigration(definition({ name: 'a', rangeSize: 100 }));
      const ids = ['x,y', 'x|y', 'x:y', 'é%2C', 'X', 'x', `${'long'.repeat(40)}`];
      for (const id of ids)
        expect(await queue.addImage('a:b', id, { ...SMALL, format: 'p,n|g' })).toBe('added');
      expect((await queue.status('a'))!.images.total).toBe(0);
      for (const id of ids) {
        const { image } = await claim(queue, { migration: 'a:b' });
        expect([image.id, image.format]).toEqual([id, 'p,n|g']);
      }
    });

    it('captures a refused id once, and forgets the refusal when it is added after all', async () => {
      const { queue } = await open();
      await queue.createMigration(definition());
      for (let times = 0; times < 2; times++) await queue.refuseImage('m', 'bad', 'not-xml', 200);
      expect((await status(queue)).images.refused).toBe(1);
      expect((await status(queue)).failures).toEqual({ 'not-xml': 1 });
      expect(await all(queue)).toEqual([
        { lane: 'images', image: 'bad', first: 0, count: 1, reason: 'not-xml', status: 200, attempt: 1 },
      ]);
      await queue.refuseImage('m', 'bad', 'http-404', 404);
      expect((await status(queue)).failures).toEqual({ 'http-404': 1 });
      await queue.addImage('m', 'bad', SMALL);
      await queue.refuseImage('m', 'bad', 'not-xml', 200);
      expect((await status(queue)).images).toMatchObject({ total: 1, refused: 0 });
      expect((await status(queue)).failures).toEqual({});
    });

    it('keeps the place in the id list, and says when the plan is closed', async () => {
      const { queue } = await small();
      expect(await queue.planCursor('m')).toBe(0);
      await queue.movePlanCursor('m', 17);
      expect(await queue.planCursor('m')).toBe(17);
      expect((await status(queue)).planClosed).toBe(false);
      await queue.closePlan('m');
      expect((await status(queue)).planClosed).toBe(true);
    });

    it('says that there is no such migration to everything that needs one', async () => {
      const { queue } = await open();
      const expected = { kind: 'permanent', code: 'not-found' };
      expect(await rejection(queue.addImage('m', 'a', SMALL))).toEqual(expected);
      expect(await rejection(queue.refuseImage('m', 'a', 'x', 0))).toEqual(expected);
      expect(await rejection(queue.planCursor('m'))).toEqual(expected);
      expect(await rejection(queue.closePlan('m'))).toEqual(expected);
      expect(await rejection(queue.pause('m', 'x'))).toEqual(expected);
      expect(await rejection(queue.resume('m'))).toEqual(expected);
      expect(await rejection(queue.cancel('m', 'x'))).toEqual(expected);
      expect(await rejection(queue.requeueFailures('m', {}))).toEqual(expected);
      expect(await rejection(all(queue))).toEqual(expected);
      expect(await queue.claim(request({ migration: 'm' }))).toMatchObject({ why: 'none' });
      expect(await queue.claim(request())).toMatchObject({ why: 'none' });
    });
  });

  describe('claims', () => {
    it('hands out ranges of at most the range size that cover each tile once', async () => {
      const { queue } = await open();
      await queue.createMigration(definition());
      await queue.addImage('m', 'a', LARGE);
      const seen: number[] = [];
      for (const _ of [1, 2, 3]) {
        const { first, end, attempt, leaseMs } = await claim(queue);
        expect([end - first <= 10, attempt, leaseMs]).toEqual([true, 0, LONG]);
        for (let index = first; index < end; index++) seen.push(index);
      }
      expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 25 }, (_, index) => index));
      expect(await queue.claim(request())).toEqual({ kind: 'idle', why: 'empty', dueInMs: null });
      expect((await status(queue)).tiles).toMatchObject({ ready: 0, claimed: 25, total: 25 });
      expect((await status(queue)).startedAt).not.toBeNull();
    });

    it('answers a resent claim with the same claim, and one that has ended with nothing', async () => {
      const { queue } = await small();
      const again = request();
      const first = await queue.claim(again);
      expect(await queue.claim(again)).toEqual(first);
      expect((await status(queue)).tiles.claimed).toBe(9);
      await queue.checkpoint(again.token, 'm', point(1, 9, { done: 9 }));
      expect(await queue.claim(again)).toMatchObject({ kind: 'idle', why: 'empty' });
    });

    it('serves the running migrations in turn', async () => {
      const { queue } = await open();
      for (const name of ['m', 'n', 'o']) {
        await queue.createMigration(definition({ name, rangeSize: 1 }));
        await queue.addImage(name, 'a', SMALL);
      }
      await queue.pause('n', 'test');
      const names: string[] = [];
      for (let turn = 0; turn < 6; turn++) names.push((await claim(queue)).migration.name);
      expect(names.filter((name) => name === 'm').length).toBeGreaterThanOrEqual(2);
      expect(names.filter((name) => name === 'o').length).toBeGreaterThanOrEqual(2);
      expect(names).not.toContain('n');
      expect((await claim(queue, { migration: 'o' })).migration.name).toBe('o');
    });

    it('hands out nothing of the migrations a worker cannot serve', async () => {
      const { queue } = await small();
      expect(await queue.claim(request({ except: ['m'] }))).toEqual({
        ...{ kind: 'idle', why: 'empty', dueInMs: null },
      });
      expect(await queue.claim(request({ migration: 'm', except: ['m'] }))).toMatchObject({ why: 'empty' });
      await queue.createMigration(definition({ name: 'n' }));
      await queue.addImage('n', 'b', SMALL);
      expect((await claim(queue, { except: ['m'] })).migration.name).toBe('n');
      expect(await queue.claim(request({ except: ['m'] }))).toMatchObject({ why: 'empty' });
      expect((await claim(queue, { except: ['x'] })).migration.name).toBe('m');
    });

    it('puts a claim whose lease ran out back to ready, from its cursor', async () => {
      const { queue, pass } = await small();
      const { token } = await claim(queue, { leaseMs: SHORT });
      expect(await queue.checkpoint(token, 'm', point(1, 4, { done: 4 }))).toBe('kept');
      await pass(SHORT);
      expect(await queue.reclaim(100)).toBe(1);
      expect(await queue.reclaim(100)).toBe(0);
      const now = await status(queue);
      expect(now.tiles).toMatchObject({ ready: 5, claimed: 0, done: 4 });
      expect(now.reclaimed).toBe(5);
      expect(await queue.checkpoint(token, 'm', point(2, 9, { done: 5 }))).toBe('lost');
      expect((await status(queue)).tiles).toMatchObject({ ready: 5, done: 4 });
      expect(await claim(queue)).toMatchObject({ first: 4, end: 9, attempt: 0 });
    });

    it('reclaims at most as many as asked', async () => {
      const { queue, pass } = await small({ rangeSize: 1 });
      for (let count = 0; count < 5; count++) await claim(queue, { leaseMs: SHORT });
      await pass(SHORT);
      expect(await queue.reclaim(3)).toBe(3);
      expect(await queue.reclaim(3)).toBe(2);
    });

    it('keeps a claim that checkpoints within its lease', async () => {
      const { queue, pass } = await small();
      const { token } = await claim(queue, { leaseMs: LONG });
      await pass(SHORT);
      await queue.reclaim(100);
      expect(await queue.checkpoint(token, 'm', point(1, 9, { done: 9 }))).toBe('ended');
    });

    it('lets a late worker go on whose range nobody took, with a new lease', async () => {
      const { queue, pass } = await small();
      const { token } = await claim(queue, { leaseMs: SHORT });
      await pass(SHORT);
      expect(await queue.checkpoint(token, 'm', point(1, 4, { done: 4 }))).toBe('kept');
      expect((await status(queue)).tiles).toMatchObject({ done: 4, claimed: 5, ready: 0 });
      await pass(SHORT);
      expect(await queue.reclaim(100)).toBe(1);
      expect(await queue.checkpoint(token, 'm', point(2, 9, { done: 5 }))).toBe('lost');
    });

    it('gives a range that lost three workers out tile by tile, and captures the tile that loses three more', async () => {
      const { queue, pass } = await small();
      const lose = async (): Promise<q.Claim> => {
        const lost = await claim(queue, { leaseMs: SHORT });
        await pass(SHORT);
        await queue.reclaim(100);
        return lost;
      };
      for (let times = 0; times < 3; times++) expect(await lose()).toMatchObject({ first: 0, end: 9 });
      for (let times = 0; times < 3; times++) {
        const alone = await lose();
        expect(alone.end - alone.first).toBe(1);
      }
      expect(await all(queue)).toMatchObject([{ first: 0, count: 1, reason: 'worker-died', status: 0 }]);
      expect((await status(queue)).failures).toEqual({ 'worker-died': 1 });
      expect(await drain(queue, 'tiles')).toBe(8);
      expect((await status(queue)).tiles).toMatchObject({ done: 8, failed: 1, ready: 0 });
    });

    it('keeps counting the attempts of tiles it gives out one by one', async () => {
      const { queue, pass } = await small();
      const { token } = await claim(queue);
      const delayed = [{ ...failure(0, 9), delayMs: SHORT }];
      await queue.checkpoint(token, 'm', point(1, 9, { delayed }));
      for (let times = 0; times < 4; times++) {
        await pass(SHORT);
        await queue.reclaim(100);
        if (times < 3) expect(await claim(queue, { leaseMs: SHORT })).toMatchObject({ end: 9, attempt: 1 });
      }
      for (let first = 0; first < 9; first++)
        expect(await claim(queue)).toMatchObject({ first, end: first + 1, attempt: 1 });
    });

    it('forgives losses once the cursor has moved', async () => {
      const { queue, pass } = await small();
      for (let times = 0; times < 4; times++) {
        const { token, first, end } = await claim(queue, { leaseMs: SHORT });
        expect([first, end]).toEqual([times, 9]);
        await queue.checkpoint(token, 'm', point(1, first + 1, { done: 1 }));
        await pass(SHORT);
        await queue.reclaim(100);
      }
    });
  });

  describe('checkpoints', () => {
    it('applies each once, however often and late it is resent', async () => {
      const { queue } = await small();
      const { token } = await claim(queue);
      const first = point(1, 3, { done: 2, skipped: 1, bytes: 5_000_000_000 });
      const second = point(2, 9, { done: 6, bytes: 1 });
      expect(await queue.checkpoint(token, 'm', first)).toBe('kept');
      expect(await queue.checkpoint(token, 'm', first)).toBe('kept');
      expect(await queue.checkpoint(token, 'm', second)).toBe('ended');
      expect(await queue.checkpoint(token, 'm', second)).toBe('ended');
      await queue.checkpoint(token, 'm', first);
      const now = await status(queue);
      expect(now.tiles).toMatchObject({ done: 8, skipped: 1, claimed: 0, ready: 0 });
      expect(now.bytes).toBe(5_000_000_001);
    });

    it('refuses one that does not add up, and applies nothing of it', async () => {
      const { queue } = await small();
      const { token } = await claim(queue);
      const wrong = [
        point(1, 3, { done: 2 }),
        point(1, 10, { done: 10 }),
        point(1, 3, { done: 2, failed: [failure(3, 1)] }),
        point(1, 3, { done: 1, failed: [failure(1, 1)], delayed: [{ ...failure(1, 1), delayMs: 1 }] }),
        point(1, 3, { done: 3, digest: 'xyz' }),
      ];
      for (const bad of wrong)
        expect(await rejection(queue.checkpoint(token, 'm', bad))).toEqual({
          kind: 'permanent',
          code: 'bad-checkpoint',
        });
      expect((await status(queue)).tiles).toMatchObject({ claimed: 9, done: 0, failed: 0, delayed: 0 });
    });

    it('ends a claim whose checkpoints between it has forgotten, from its own cursor', async () => {
      const { queue } = await small();
      const { token } = await claim(queue);
      await queue.checkpoint(token, 'm', point(1, 2, { done: 2 }));
      expect(await queue.checkpoint(token, 'm', point(3, 9, { done: 4, failed: [failure(8, 1)] }))).toBe(
        'lost',
      );
      expect((await status(queue)).tiles).toMatchObject({ done: 2, failed: 0, ready: 7, claimed: 0 });
      expect(await claim(queue)).toMatchObject({ first: 2, end: 9 });
      expect(await queue.checkpoint(token, 'm', point(4, 9, { done: 1 }))).toBe('lost');
    });

    it('takes the rest back when the worker releases it', async () => {
      const { queue } = await small();
      const { token } = await claim(queue);
      const last = point(1, 4, { done: 4, release: true });
      expect(await queue.checkpoint(token, 'm', last)).toBe('ended');
      expect(await queue.checkpoint(token, 'm', last)).toBe('ended');
      expect((await status(queue)).tiles).toMatchObject({ done: 4, ready: 5, claimed: 0 });
      expect(await claim(queue)).toMatchObject({ first: 4, end: 9 });
    });

    it('keeps delayed ranges until they are due, and counts their attempts', async () => {
      const { queue, pass } = await small();
      const { token } = await claim(queue);
      const soon = { ...failure(2, 3, { reason: 'http-503', status: 503 }), delayMs: SHORT };
      const late = { ...failure(7, 1, { reason: 'http-503', status: 503 }), delayMs: LONG };
      await queue.checkpoint(token, 'm', point(1, 9, { done: 5, delayed: [soon, late] }));
      expect((await status(queue)).tiles).toMatchObject({ done: 5, delayed: 4, ready: 0 });
      const idle = await queue.claim(request());
      expect(idle).toMatchObject({ kind: 'idle', why: 'empty' });
      if ('kind' in idle) expect(idle.dueInMs).toBeLessThanOrEqual(SHORT);
      await pass(SHORT);
      expect(await queue.reclaim(100)).toBe(1);
      expect((await status(queue)).tiles).toMatchObject({ delayed: 1, ready: 3 });
      expect(await claim(queue)).toMatchObject({ first: 2, end: 5, attempt: 1 });
      const idleStill = await queue.claim(request());
      if ('kind' in idleStill) expect(idleStill.dueInMs).toBeGreaterThan(SHORT);
    });

    it('moves the digest by exclusive or, whatever the order', async () => {
      const { queue } = await open();
      await queue.createMigration(definition({ rangeSize: 3 }));
      await queue.addImage('m', 'a', SMALL);
      const digests = ['80000000ffffffff0000000000000001', 'ffffffff80000000123456789abcdef0'];
      for (const digest of digests) {
        const { token, end } = await claim(queue);
        await queue.checkpoint(token, 'm', point(1, end, { done: 3, digest }));
        await queue.checkpoint(token, 'm', point(1, end, { done: 3, digest }));
      }
      expect((await status(queue)).digest).toBe('7fffffff7fffffff123456789abcdef1');
    });
  });

  describe('descriptors', () => {
    it('releases one with the last tile of its image, once', async () => {
      const { queue } = await small({ rangeSize: 5 });
      await queue.closePlan('m');
      const [one, two] = [await claim(queue), await claim(queue)];
      await queue.checkpoint(one.token, 'm', point(1, one.end, { done: one.end - one.first }));
      expect(await queue.claim(request({ lane: 'descriptors' }))).toMatchObject({ why: 'empty' });
      const last = point(1, two.end, { done: 1, skipped: two.end - two.first - 1 });
      await queue.checkpoint(two.token, 'm', last);
      await queue.checkpoint(two.token, 'm', last);
      expect((await status(queue)).descriptors).toMatchObject({ total: 1, ready: 1 });
      expect((await status(queue)).finished).toBe(false);
      const descriptor = await claim(queue, { lane: 'descriptors' });
      expect(descriptor).toMatchObject({ lane: 'descriptors', first: 0, end: 1, image: { id: 'a' } });
      await queue.checkpoint(descriptor.token, 'm', point(1, 1, { done: 1, bytes: 7 }));
      const now = await status(queue);
      expect(now).toMatchObject({ finished: true, bytes: 7, images: { published: 1, withheld: 0 } });
      expect(now.finishedAt).not.toBeNull();
      expect(await queue.claim(request())).toEqual({ kind: 'idle', why: 'finished', dueInMs: null });
    });

    it('withholds it while tiles are failed; the retry that completes the image releases it', async () => {
      const { queue } = await small();
      await queue.closePlan('m');
      const { token } = await claim(queue);
      await queue.checkpoint(token, 'm', point(1, 9, { done: 6, failed: [failure(0, 2), failure(8, 1)] }));
      const withheld = await status(queue);
      expect(withheld).toMatchObject({ finished: true, images: { withheld: 1 }, descriptors: { total: 0 } });
      expect(await queue.requeueFailures('m', { reason: 'http-404' })).toBe(3);
      const retried = await status(queue);
      expect(retried).toMatchObject({ finished: false, finishedAt: null, images: { withheld: 0 } });
      expect(retried.tiles).toMatchObject({ ready: 3, failed: 0, done: 6 });
      expect(retried.failures).toEqual({});
      expect(await drain(queue, 'tiles')).toBe(3);
      expect((await status(queue)).descriptors).toMatchObject({ total: 1, ready: 1 });
      expect(await drain(queue, 'descriptors')).toBe(1);
      expect((await status(queue)).finished).toBe(true);
    });

    it('leases, delays and captures a descriptor like a tile', async () => {
      const { queue, pass } = await small();
      await queue.closePlan('m');
      await drain(queue, 'tiles');
      const lost = await claim(queue, { lane: 'descriptors', leaseMs: SHORT });
      await pass(SHORT);
      expect(await queue.reclaim(100)).toBe(1);
      expect(await queue.checkpoint(lost.token, 'm', point(1, 1, { done: 1 }))).toBe('lost');
      const late = await claim(queue, { lane: 'descriptors' });
      await queue.checkpoint(
        late.token,
        'm',
        point(1, 1, { delayed: [{ ...failure(0, 1), delayMs: SHORT }] }),
      );
      expect((await status(queue)).descriptors).toMatchObject({ delayed: 1, total: 1 });
      await pass(SHORT);
      await queue.reclaim(100);
      const bad = await claim(queue, { lane: 'descriptors' });
      expect(bad.attempt).toBe(1);
      await queue.checkpoint(bad.token, 'm', point(1, 1, { failed: [failure(0, 1, { attempt: 2 })] }));
      expect(await status(queue)).toMatchObject({ finished: true, descriptors: { failed: 1 } });
      expect(await all(queue)).toMatchObject([{ lane: 'descriptors', image: 'a', attempt: 2 }]);
      expect(await queue.requeueFailures('m', { image: 'a' })).toBe(1);
      expect((await status(queue)).finished).toBe(false);
    });
  });

  describe('failures', () => {
    it('keeps them as coalesced ranges with reason, status and attempt, across checkpoints', async () => {
      const { queue } = await small();
      const { token } = await claim(queue);
      await queue.checkpoint(token, 'm', point(1, 3, { done: 1, failed: [failure(1, 2)] }));
      await queue.checkpoint(
        token,
        'm',
        point(2, 6, { failed: [failure(3, 2), failure(5, 1, { attempt: 3 })] }),
      );
      await queue.checkpoint(token, 'm', point(3, 9, { failed: [failure(6, 3, { reason: 'truncated' })] }));
      expect(await all(queue)).toEqual([
        { lane: 'tiles', image: 'a', ...failure(1, 4) },
        { lane: 'tiles', image: 'a', ...failure(5, 1, { attempt: 3 }) },
        { lane: 'tiles', image: 'a', ...failure(6, 3, { reason: 'truncated' }) },
      ]);
      expect((await status(queue)).failures).toEqual({ 'http-404': 5, truncated: 3 });
    });

    it('joins only neighbours', async () => {
      const { queue } = await small();
      const { token } = await claim(queue);
      await queue.checkpoint(token, 'm', point(1, 3, { done: 1, failed: [failure(0, 2)] }));
      await queue.checkpoint(token, 'm', point(2, 6, { done: 1, failed: [failure(3, 1), failure(5, 1)] }));
      expect((await all(queue)).map(({ first, count }) => [first, count])).toEqual([
        [0, 2],
        [3, 1],
        [5, 1],
      ]);
    });

    it('lists and requeues by reason and by image, and nothing else', async () => {
      const { queue } = await open();
      await queue.createMigration(definition());
      for (const id of ['a', 'b']) {
        await queue.addImage('m', id, SMALL);
        const { token } = await claim(queue);
        const failed = [failure(0, 2), failure(4, 1, { reason: 'truncated', status: 200 })];
        await queue.checkpoint(token, 'm', point(1, 9, { done: 6, failed }));
      }
      expect((await all(queue, { image: 'b' })).map(({ image }) => image)).toEqual(['b', 'b']);
      expect(await all(queue, { image: 'c' })).toEqual([]);
      expect((await all(queue, { reason: 'truncated' })).length).toBe(2);
      expect(await queue.requeueFailures('m', { image: 'b', reason: 'truncated' })).toBe(1);
      expect(await queue.requeueFailures('m', { image: 'c' })).toBe(0);
      expect(await queue.requeueFailures('m', { reason: 'never' })).toBe(0);
      expect((await status(queue)).tiles).toMatchObject({ ready: 1, failed: 5 });
      expect((await status(queue)).images.withheld).toBe(1);
      expect(await claim(queue)).toMatchObject({ image: { id: 'b' }, first: 4, end: 5, attempt: 0 });
      expect((await status(queue)).failures).toEqual({ 'http-404': 4, truncated: 1 });
    });

    it('pauses the migration when too large a share failed, with the reason, and counts anew after resume', async () => {
      const { queue } = await open();
      await queue.createMigration(definition({ stopAfterFailures: 0.2, stopAfterTiles: 20, rangeSize: 100 }));
      for (const id of ['a', 'b', 'c']) await queue.addImage('m', id, SMALL);
      const [a, b, c] = [await claim(queue), await claim(queue), await claim(queue)];
      await queue.checkpoint(a.token, 'm', point(1, 9, { failed: [failure(0, 9)] }));
      expect((await status(queue)).state).toBe('running');
      expect(await queue.checkpoint(b.token, 'm', point(1, 8, { done: 8 }))).toBe('kept');
      expect(await queue.checkpoint(c.token, 'm', point(1, 3, { done: 2, failed: [failure(2, 1)] }))).toBe(
        'pausing',
      );
      const paused = await status(queue);
      expect(paused.state).toBe('paused');
      expect(paused.reason).toContain('10 of 20');
      expect(paused.reason).toContain('http-404');
      await queue.resume('m');
      expect(await queue.checkpoint(c.token, 'm', point(2, 5, { failed: [failure(3, 2)] }))).toBe('kept');
      expect(await status(queue)).toMatchObject({ state: 'running', reason: '' });
    });

    it('does not count delayed tiles as finished', async () => {
      const { queue } = await small({ stopAfterFailures: 0, stopAfterTiles: 5 });
      const { token } = await claim(queue);
      const delayed = [{ ...failure(0, 5), delayMs: LONG }];
      expect(
        await queue.checkpoint(token, 'm', point(1, 8, { done: 2, failed: [failure(5, 1)], delayed })),
      ).toBe('kept');
    });

    it('goes on while the share stays at the limit', async () => {
      const { queue } = await small({ stopAfterFailures: 2 / 9, stopAfterTiles: 1 });
      const { token } = await claim(queue);
      await queue.checkpoint(token, 'm', point(1, 9, { done: 7, failed: [failure(0, 2)] }));
      expect((await status(queue)).state).toBe('running');
    });
  });

  describe('pause, resume, cancel', () => {
    it('hands out nothing while paused and tells whoever checkpoints', async () => {
      const { queue } = await small({ rangeSize: 4 });
      const { token } = await claim(queue);
      await queue.pause('m', 'by an operator');
      expect(await status(queue)).toMatchObject({ state: 'paused', reason: 'by an operator' });
      expect(await queue.claim(request())).toEqual({ kind: 'idle', why: 'paused', dueInMs: null });
      expect(await queue.checkpoint(token, 'm', point(1, 1, { done: 1 }))).toBe('pausing');
      expect(await queue.checkpoint(token, 'm', point(2, 2, { done: 1, release: true }))).toBe('ended');
      expect((await status(queue)).tiles).toMatchObject({ ready: 7, done: 2 });
      await queue.resume('m');
      expect(await claim(queue)).toBeDefined();
    });

    it('empties the work on cancel and keeps the record and the failures', async () => {
      const { queue, pass } = await open();
      await queue.createMigration(definition({ rangeSize: 3 }));
      for (const id of ['a', 'b']) await queue.addImage('m', id, SMALL);
      const delayed = [{ ...failure(2, 1), delayMs: SHORT }];
      const one = await claim(queue);
      await queue.checkpoint(one.token, 'm', point(1, 3, { done: 1, failed: [failure(1, 1)], delayed }));
      const held = await claim(queue);
      const lost = await claim(queue, { leaseMs: SHORT });
      await queue.cancel('m', 'enough');
      await queue.cancel('m', 'enough');
      const counts = { done: 1, failed: 1, ready: 0, delayed: 0, skipped: 0 };
      expect((await status(queue)).tiles).toEqual({ ...counts, claimed: 6, total: 8 });
      expect(await queue.checkpoint(held.token, 'm', point(1, held.first + 1, { done: 1 }))).toBe('pausing');
      const gone = { ...failure(held.first + 1, 1), delayMs: LONG };
      const give = point(2, held.first + 2, { release: true, delayed: [gone] });
      expect(await queue.checkpoint(held.token, 'm', give)).toBe('ended');
      await pass(SHORT);
      await queue.reclaim(100);
      expect(await queue.checkpoint(lost.token, 'm', point(1, lost.end, { done: 3 }))).toBe('lost');
      const now = await status(queue);
      expect(now.tiles).toEqual({ ...counts, done: 2, claimed: 0, total: 3 });
      expect(now).toMatchObject({ state: 'cancelled', finished: false, reason: 'enough' });
      expect(await all(queue)).toMatchObject([{ first: 1, count: 1 }]);
      const cancelled = { kind: 'permanent', code: 'cancelled' };
      expect(await rejection(queue.resume('m'))).toEqual(cancelled);
      expect(await rejection(queue.pause('m', 'x'))).toEqual(cancelled);
      expect(await rejection(queue.addImage('m', 'c', SMALL))).toEqual(cancelled);
      expect(await rejection(queue.requeueFailures('m', {}))).toEqual(cancelled);
      expect(await queue.claim(request())).toMatchObject({ kind: 'idle', why: 'finished' });
    });
  });

  describe('a queue that forgot', () => {
    it('says lost of every migration it has seen, never finished and never unknown', async () => {
      const { queue, flush } = await small();
      const { token } = await claim(queue);
      await flush();
      const lost = { kind: 'permanent', code: 'lost' };
      expect(await rejection(queue.status('m'))).toEqual(lost);
      expect(await rejection(queue.claim(request()))).toEqual(lost);
      expect(await rejection(queue.claim(request({ migration: 'm' })))).toEqual(lost);
      expect(await rejection(queue.checkpoint(token, 'm', point(1, 9, { done: 9 })))).toEqual(lost);
      expect(await rejection(queue.addImage('m', 'b', SMALL))).toEqual(lost);
      expect(await rejection(queue.closePlan('m'))).toEqual(lost);
    });
  });

  describe('worker reports', () => {
    it('keeps the last of each worker until it runs out', async () => {
      const { queue, pass } = await open();
      const report: q.WorkerReport = {
        ...{ worker: 'w', lane: 'tiles', unit: 'zh-import-blobs@1.service', machine: 'a' },
        ...{ state: 'copying', since: 1, detail: '' },
      };
      await queue.report(report, LONG);
      await queue.report({ ...report, state: 'source unreachable' }, LONG);
      await queue.report({ ...report, worker: 'gone' }, SHORT);
      await pass(SHORT);
      expect(await queue.workers()).toEqual([{ ...report, state: 'source unreachable' }]);
    });
  });
}
