import { describe, expect, it } from 'vitest';
import type * as q from '../../jobs/work-queue.js';
import {
  add,
  claim,
  drain,
  failure,
  LONG,
  type OpenQueue,
  point,
  SHORT,
  SMALL,
  small,
  status,
  tell,
  ZERO,
} from './queue-cases.js';
import { BYTES, begun, check, conclude, DIGEST, OPTIONS, round, WRONG } from './queue-round.js';

/** What becomes of an image that a check found wrong. */
export function queueRestarts(open: OpenQueue): void {
  describe('an image that is restarted', () => {
    it('is as if added just now: it leaves all counts, once', async () => {
      const { queue } = await begun(open, { rangeSize: 4 });
      await add(queue, 'b', SMALL);
      await drain(queue, 'tiles', ZERO);
      await drain(queue, 'descriptors');
      const { digest, bytes } = await status(queue);
      expect([digest, bytes]).toEqual([DIGEST, BYTES]);
      const [one, two] = [await check(queue), await check(queue)];
      const missing = failure(one.first + 1, 1, { reason: 'missing', status: 0 });
      const wrong = point(1, one.first + 2, { done: 1, failed: [missing], found: WRONG });
      for (let times = 0; times < 2; times++) expect(await tell(queue, one.token, wrong)).toBe('kept');
      const restarted = await status(queue);
      expect(restarted).toMatchObject({
        ...{ finished: false, finishedAt: null, bytes: 0, digest: ZERO },
        tiles: { total: 18, ready: 9, done: 9, failed: 0 },
        descriptors: { total: 1, done: 1 },
        images: { total: 2, published: 1, withheld: 0, incomplete: 0 },
      });
      expect(await queue.image('m', 'a')).toMatchObject({
        ...{ stored: 0, failed: 0, bytes: 0, digest: ZERO, descriptor: 'waiting' },
      });
      // It is being copied already: no more is lost by a second finding.
      await claim(queue);
      await conclude(queue, two, { found: WRONG });
      expect((await status(queue)).tiles).toMatchObject({ total: 18, ready: 5, claimed: 4, done: 9 });
      expect((await check(queue)).check).toMatchObject({ settled: false, published: false });
    });

    it('is copied again and counted as if it had never been, while the round goes on', async () => {
      const { queue } = await begun(open, { rangeSize: 100 });
      const held = await check(queue);
      await tell(queue, held.token, point(1, 3, { done: 3, found: WRONG }));
      const again = await claim(queue);
      expect(again).toMatchObject({ first: 0, end: 9, attempt: 0, lookFirst: true });
      await tell(queue, again.token, point(1, 9, { done: 1, skipped: 8, bytes: 10, digest: DIGEST }));
      const descriptor = await claim(queue, { lane: 'descriptors' });
      expect(descriptor.lookFirst).toBe(false);
      await tell(queue, descriptor.token, point(1, 1, { done: 1, bytes: 5 }));
      expect(await status(queue)).toMatchObject({
        ...{ finished: true, bytes: 15, digest: DIGEST, images: { published: 1 } },
        tiles: { total: 9, done: 1, skipped: 8 },
      });
      await tell(queue, held.token, point(2, 10, { skipped: 7, found: { blind: true, restart: false } }));
      expect((await round(queue)).images).toEqual({ matched: 0, restarted: 1, unproven: 0 });
      await queue.beginVerification('m', OPTIONS);
      expect(await drain(queue, 'checks', DIGEST)).toBe(10);
      expect((await round(queue)).images).toEqual({ matched: 1, restarted: 0, unproven: 0 });
    });

    it('takes its failures and its acceptance along', async () => {
      const { queue } = await small(open, { rangeSize: 100 });
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 9, { done: 7, failed: [failure(2, 2)] }));
      await queue.accept('m', 'a');
      await drain(queue, 'descriptors');
      await queue.closePlan('m', null);
      await queue.beginVerification('m', OPTIONS);
      await conclude(queue, await check(queue), { found: WRONG });
      expect(await status(queue)).toMatchObject({
        ...{ failures: {}, tiles: { failed: 0, ready: 9 }, descriptors: { total: 0 } },
        images: { published: 0, incomplete: 0, withheld: 0 },
      });
      const again = await claim(queue);
      await tell(queue, again.token, point(1, 9, { done: 8, failed: [failure(2, 1)] }));
      expect(await status(queue)).toMatchObject({
        ...{ descriptors: { total: 0 }, images: { incomplete: 0, withheld: 1 } },
      });
    });

    it('has its tiles looked at first however they come back', async () => {
      const { queue, pass } = await begun(open, { rangeSize: 3 });
      await conclude(queue, await check(queue), { found: WRONG });
      const back = async (first: number): Promise<q.Claim> => {
        const held = await claim(queue);
        expect(held).toMatchObject({ first, lookFirst: true });
        return held;
      };
      const [one, two, three] = [
        await claim(queue, { leaseMs: SHORT }),
        await claim(queue),
        await claim(queue),
      ];
      expect([one, two, three].map(({ lookFirst }) => lookFirst)).toEqual([true, true, true]);
      await pass(SHORT);
      await queue.reclaim(100);
      const reclaimed = await back(one.first);
      await tell(queue, reclaimed.token, point(1, reclaimed.end, { done: 3 }));
      await tell(queue, two.token, point(1, two.first + 1, { done: 1, release: true }));
      const released = await back(two.first + 1);
      const delayed = [{ ...failure(released.first, 2), delayMs: SHORT }];
      await tell(queue, released.token, point(1, released.end, { delayed }));
      await pass(SHORT);
      await queue.reclaim(100);
      const due = await back(two.first + 1);
      await tell(queue, due.token, point(1, due.end, { done: 2 }));
      await tell(queue, three.token, point(1, three.end, { failed: [failure(three.first, 3)] }));
      expect(await queue.requeueFailures('m', {})).toBe(3);
      await back(three.first);
    });

    it('is the only one whose tiles are looked at first', async () => {
      const { queue } = await begun(open, { rangeSize: 100 });
      await conclude(queue, await check(queue), { found: WRONG });
      await add(queue, 'b', SMALL);
      const claims = [await claim(queue, { leaseMs: LONG }), await claim(queue, { leaseMs: LONG })];
      expect(claims.map(({ image, lookFirst }) => [image.id, lookFirst]).sort()).toEqual([
        ['a', true],
        ['b', false],
      ]);
    });
  });
}
