import { describe, expect, it } from 'vitest';
import {
  add,
  all,
  claim,
  drain,
  failure,
  type OpenQueue,
  point,
  rejection,
  request,
  SHORT,
  SMALL,
  small,
  status,
  tell,
} from './queue-cases.js';
import { begun, check, conclude, DIGEST, FINE, OPTIONS, OTHER, round, WRONG } from './queue-round.js';

/** zh-verify's part of the queue. */
export function queueChecks(open: OpenQueue): void {
  describe('a round of verification', () => {
    it('begins on a finished migration only', async () => {
      const { queue } = await small(open);
      expect((await status(queue)).verification).toBeNull();
      expect(await queue.claim(request({ lane: 'checks' }))).toMatchObject({ why: 'finished' });
      const unfinished = { kind: 'conflict', code: 'unfinished' };
      expect(await rejection(queue.beginVerification('m', OPTIONS))).toEqual(unfinished);
      await drain(queue, 'tiles');
      await drain(queue, 'descriptors');
      expect(await rejection(queue.beginVerification('m', OPTIONS))).toEqual(unfinished);
      await queue.closePlan('m', null);
      expect(await queue.beginVerification('m', OPTIONS)).toBe('begun');
    });

    it('is joined with the same options, and refused with others, until it is finished', async () => {
      const options = { sample: 0.01, read: true, unpublish: true };
      const { queue } = await begun(open, {}, options);
      expect(await queue.beginVerification('m', { ...options })).toBe('joined');
      for (const other of [{ sample: 0.02 }, { read: false }, { unpublish: false }])
        expect(await rejection(queue.beginVerification('m', { ...options, ...other }))).toEqual({
          ...{ kind: 'conflict', code: 'verifying' },
        });
      expect(await round(queue)).toMatchObject({ options, round: 1, finished: false, finishedAt: null });
      await drain(queue, 'checks', DIGEST);
      expect(await queue.beginVerification('m', OPTIONS)).toBe('begun');
      expect(await round(queue)).toMatchObject({ options: OPTIONS, round: 2, finished: false });
    });

    it('is joined also while an image that it restarted is being copied', async () => {
      const { queue } = await begun(open, { rangeSize: 5 });
      await conclude(queue, await check(queue), { found: WRONG });
      expect((await status(queue)).finished).toBe(false);
      expect(await queue.beginVerification('m', OPTIONS)).toBe('joined');
    });

    it('has a check for each tile, and one for each image as a whole', async () => {
      const { queue } = await begun(open, { rangeSize: 4 });
      const zero = { claimed: 0, delayed: 0, done: 0, skipped: 0, failed: 0 };
      expect((await round(queue)).checks).toEqual({ ...zero, total: 10, ready: 10 });
      const seen: number[] = [];
      for (const _ of [1, 2, 3]) {
        const held = await check(queue);
        expect(held).toMatchObject({
          lane: 'checks',
          image: { id: 'a', tiles: 9 },
          attempt: 0,
          lookFirst: false,
        });
        expect(held.check).toEqual({
          options: OPTIONS,
          round: 1,
          settled: true,
          published: true,
          failed: [],
          differs: false,
        });
        for (let index = held.first; index < held.end; index++) seen.push(index);
      }
      expect(seen.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect(await queue.claim(request({ lane: 'checks' }))).toMatchObject({ why: 'empty' });
      expect((await round(queue)).checks).toEqual({ ...zero, total: 10, ready: 0, claimed: 10 });
    });

    it('has a part in no other number of the migration', async () => {
      const { queue, pass } = await begun(open, { stopAfterFailures: 0, stopAfterTiles: 1, rangeSize: 4 });
      const before = await status(queue);
      expect(before.finished).toBe(true);
      const lost = await check(queue, { leaseMs: SHORT });
      await pass(SHORT);
      expect(await queue.reclaim(100)).toBe(1);
      expect(await tell(queue, lost.token, point(1, lost.end, { found: FINE }))).toBe('lost');
      const failed = [failure(0, 2, { reason: 'missing' })];
      await conclude(queue, await check(queue), { done: 1, skipped: 1, bytes: 7, digest: OTHER, failed });
      const { now: _, samples: __, verification, ...rest } = await status(queue);
      const { now: ___, samples: ____, verification: _____, ...expected } = before;
      expect(rest).toEqual(expected);
      expect(verification!.checks).toMatchObject({ total: 10, ready: 6, done: 1, skipped: 1, failed: 2 });
      expect(await all(queue)).toEqual([
        { lane: 'checks', image: 'a', ...failure(0, 2, { reason: 'missing' }) },
      ]);
      expect(await all(queue, { lane: 'tiles' })).toEqual([]);
      expect(await all(queue, { lane: 'checks', range: { first: 1, end: 9 } })).toMatchObject([
        { first: 1, count: 1 },
      ]);
    });

    it('is leased, released, delayed and captured like copying', async () => {
      const { queue, pass } = await begun(open);
      const first = await check(queue);
      await tell(queue, first.token, point(1, 2, { done: 2, digest: DIGEST, found: FINE, release: true }));
      const second = await check(queue);
      expect(second).toMatchObject({ first: 2, end: 10 });
      const delayed = [{ ...failure(2, 2, { reason: 'reset', status: 0 }), delayMs: SHORT }];
      await conclude(queue, second, { done: 6, delayed });
      expect((await round(queue)).checks).toMatchObject({ delayed: 2, done: 8 });
      await pass(SHORT);
      await queue.reclaim(100);
      expect(await check(queue, { leaseMs: SHORT })).toMatchObject({ first: 2, end: 4, attempt: 1 });
      for (let times = 0; times < 3; times++) {
        await pass(SHORT);
        await queue.reclaim(100);
        if (times < 2) await check(queue, { leaseMs: SHORT });
      }
      for (let times = 0; times < 3; times++) {
        expect(await check(queue, { leaseMs: SHORT })).toMatchObject({ first: 2, end: 3, attempt: 1 });
        await pass(SHORT);
        await queue.reclaim(100);
      }
      expect(await drain(queue, 'checks')).toBe(1);
      expect(await all(queue)).toMatchObject([{ first: 2, count: 1, reason: 'worker-died', attempt: 2 }]);
      const { checks, images, finished } = await round(queue);
      expect(checks).toMatchObject({ total: 10, done: 9, failed: 1 });
      expect([images, finished]).toEqual([{ matched: 0, restarted: 0, unproven: 1 }, true]);
    });

    it('wants to hear what was found, in this lane and in no other', async () => {
      const { queue } = await begun(open);
      const { token } = await check(queue);
      const bad = { kind: 'permanent', code: 'bad-checkpoint' };
      expect(await rejection(tell(queue, token, point(1, 10, { done: 10 })))).toEqual(bad);
      await add(queue, 'b', SMALL);
      const tile = await claim(queue);
      expect(await rejection(tell(queue, tile.token, point(1, 1, { done: 1, found: FINE })))).toEqual(bad);
      expect((await round(queue)).checks).toMatchObject({ claimed: 10 });
    });

    it('hands out nothing while the migration is paused, and is emptied by its end', async () => {
      const { queue } = await begun(open, { rangeSize: 4 });
      const held = await check(queue);
      await queue.pause('m', 'x');
      expect(await queue.claim(request({ lane: 'checks' }))).toMatchObject({ why: 'paused' });
      expect(await tell(queue, held.token, point(1, 1, { done: 1, found: FINE }))).toBe('pausing');
      await queue.cancel('m', 'x');
      expect((await round(queue)).checks).toMatchObject({ total: 4, claimed: 3, done: 1, ready: 0 });
      expect(await tell(queue, held.token, point(2, 2, { done: 1, release: true, found: WRONG }))).toBe(
        'ended',
      );
      const { tiles, verification } = await status(queue);
      expect(tiles).toMatchObject({ total: 9, done: 9 });
      expect(verification).toMatchObject({ checks: { total: 2, done: 2 }, finished: false });
      expect(await queue.claim(request({ lane: 'checks' }))).toMatchObject({ why: 'finished' });
    });

    it('clears the one before', async () => {
      const { queue } = await begun(open);
      await conclude(queue, await check(queue), { done: 9, failed: [failure(9, 1)] });
      expect(await round(queue)).toMatchObject({ finished: true, images: { unproven: 1 } });
      expect(await queue.beginVerification('m', OPTIONS)).toBe('begun');
      expect(await all(queue)).toEqual([]);
      const second = await round(queue);
      expect(second).toMatchObject({
        round: 2,
        checks: { total: 10, ready: 10, failed: 0 },
        finishedAt: null,
      });
      expect(second.images).toEqual({ matched: 0, restarted: 0, unproven: 0 });
      expect((await check(queue)).check?.round).toBe(2);
    });

    it('looks at the images there were when it began', async () => {
      const { queue } = await begun(open);
      await add(queue, 'b', SMALL);
      await drain(queue, 'tiles');
      expect(await drain(queue, 'checks', DIGEST)).toBe(10);
      expect(await round(queue)).toMatchObject({ finished: true, images: { matched: 1 } });
      await drain(queue, 'descriptors');
      expect(await queue.beginVerification('m', OPTIONS)).toBe('begun');
      expect((await round(queue)).checks.total).toBe(20);
    });
  });

  describe('the verdict on an image', () => {
    it('matched: the digests gathered by all its checks are its own', async () => {
      const { queue } = await begun(open, { rangeSize: 4 });
      const [one, two, three] = [await check(queue), await check(queue), await check(queue)];
      await conclude(queue, two, { digest: OTHER });
      await conclude(queue, three, { digest: DIGEST });
      expect((await round(queue)).images).toEqual({ matched: 0, restarted: 0, unproven: 0 });
      expect(await queue.claim(request({ lane: 'checks' }))).toMatchObject({ why: 'empty' });
      await conclude(queue, one, { digest: OTHER });
      const end = await round(queue);
      expect(end).toMatchObject({ finished: true, images: { matched: 1, restarted: 0, unproven: 0 } });
      expect(end.finishedAt).not.toBeNull();
      expect(await queue.claim(request({ lane: 'checks' }))).toMatchObject({ why: 'finished' });
      expect((await status(queue)).finished).toBe(true);
    });

    it('differing: the check of the image as a whole comes back, to be failed and to restart it', async () => {
      const { queue } = await begun(open, { rangeSize: 4 });
      const [one, two, three] = [await check(queue), await check(queue), await check(queue)];
      // The check of the whole image was settled before: the last one settled brings it back.
      for (const held of [three, two]) await conclude(queue, held, {});
      await conclude(queue, one, { digest: OTHER });
      expect(await round(queue)).toMatchObject({
        ...{ finished: false, checks: { total: 10, done: 9, ready: 1, failed: 0 } },
        images: { matched: 0, restarted: 0, unproven: 0 },
      });
      expect((await status(queue)).finished).toBe(true);
      const again = await check(queue);
      expect(again).toMatchObject({ first: 9, end: 10, attempt: 0, check: { settled: true, differs: true } });
      const failed = [failure(9, 1, { reason: 'digest-differs', status: 0 })];
      await conclude(queue, again, { done: 0, failed, found: WRONG });
      expect(await all(queue)).toEqual([{ lane: 'checks', image: 'a', ...failed[0] }]);
      expect(await round(queue)).toMatchObject({
        ...{ finished: true, checks: { total: 10, done: 9, failed: 1 } },
        images: { matched: 0, restarted: 1, unproven: 0 },
      });
      expect(await status(queue)).toMatchObject({ finished: false, tiles: { ready: 9, done: 0 } });
    });

    it('differing, but put back to work before anybody looked again: unproven', async () => {
      const { queue } = await small(open, { rangeSize: 100 });
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 9, { done: 7, digest: DIGEST, failed: [failure(2, 2)] }));
      await queue.closePlan('m', null);
      await queue.beginVerification('m', OPTIONS);
      await conclude(queue, await check(queue), { done: 0, skipped: 10, digest: OTHER });
      expect((await round(queue)).checks).toMatchObject({ total: 10, skipped: 9, ready: 1 });
      await queue.requeueFailures('m', {});
      const again = await check(queue);
      expect(again.check).toMatchObject({ settled: false, differs: true });
      await conclude(queue, again, { done: 0, skipped: 1, found: { blind: true, restart: false } });
      expect(await round(queue)).toMatchObject({ finished: true, images: { restarted: 0, unproven: 1 } });
    });

    it.each([
      ['some tile was not looked at', { skipped: 3, done: 7, found: { blind: true, restart: false } }],
      ['some check failed, and not for the object', { done: 9, failed: [failure(3, 1)] }],
    ])('unproven: %s', async (_, change) => {
      const { queue } = await begun(open);
      await conclude(queue, await check(queue), { digest: OTHER, ...change });
      expect(await round(queue)).toMatchObject({
        ...{ finished: true, images: { matched: 0, restarted: 0, unproven: 1 } },
      });
      expect((await status(queue)).finished).toBe(true);
    });

    it('unproven: blind once, whatever later checkpoints say', async () => {
      const { queue } = await begun(open);
      const { token } = await check(queue);
      await tell(queue, token, point(1, 4, { done: 4, found: { blind: true, restart: false } }));
      await tell(queue, token, point(2, 10, { done: 6, found: FINE, digest: DIGEST }));
      expect((await round(queue)).images.unproven).toBe(1);
    });

    it('unproven: a failure of it was retried meanwhile', async () => {
      const { queue } = await small(open, { rangeSize: 100 });
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 9, { done: 7, digest: DIGEST, failed: [failure(2, 2)] }));
      await queue.closePlan('m', null);
      await queue.beginVerification('m', OPTIONS);
      const held = await check(queue);
      await queue.requeueFailures('m', {});
      await drain(queue, 'tiles', OTHER);
      await drain(queue, 'descriptors');
      await conclude(queue, held, { digest: DIGEST });
      expect((await round(queue)).images).toEqual({ matched: 0, restarted: 0, unproven: 1 });
      expect((await status(queue)).finished).toBe(true);
    });

    it('matched: what failed to be copied is not asked for', async () => {
      const { queue } = await small(open, { rangeSize: 6 });
      const [one, two] = [await claim(queue), await claim(queue)];
      const bad = [failure(1, 2), failure(3, 1, { reason: 'truncated' }), failure(5, 1)];
      await tell(queue, one.token, point(1, 6, { done: 2, digest: DIGEST, failed: bad }));
      await tell(queue, two.token, point(1, 9, { done: 2, failed: [failure(6, 1)] }));
      await queue.closePlan('m', null);
      await queue.beginVerification('m', OPTIONS);
      const [first, second] = [await check(queue), await check(queue)];
      expect([first.first, first.end, second.first, second.end]).toEqual([0, 6, 6, 10]);
      expect(first.check).toMatchObject({ settled: true, published: false });
      expect(first.check!.failed).toEqual([
        { first: 1, count: 3 },
        { first: 5, count: 1 },
      ]);
      expect(second.check!.failed).toEqual([{ first: 6, count: 1 }]);
      await conclude(queue, first, { done: 2, skipped: 4, digest: DIGEST });
      await conclude(queue, second, { done: 3, skipped: 1 });
      expect(await round(queue)).toMatchObject({ finished: true, images: { matched: 1 } });
    });
  });
}
