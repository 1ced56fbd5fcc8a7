import { describe, expect, it } from 'vitest';
import {
  add,
  all,
  claim,
  drain,
  failure,
  imagesOf,
  type OpenQueue,
  point,
  request,
  SHORT,
  SMALL,
  small,
  status,
  tell,
  ZERO,
} from './queue-cases.js';

/** When descriptors are released, and how the images stand. */
export function queueDescriptors(open: OpenQueue): void {
  describe('descriptors', () => {
    it('releases one with the last tile of its image, once', async () => {
      const { queue } = await small(open, { rangeSize: 5 });
      await queue.closePlan('m', null);
      const [one, two] = [await claim(queue), await claim(queue)];
      await tell(queue, one.token, point(1, one.end, { done: one.end - one.first }));
      expect(await queue.claim(request({ lane: 'descriptors' }))).toMatchObject({ why: 'empty' });
      const last = point(1, two.end, { done: 1, skipped: two.end - two.first - 1 });
      await tell(queue, two.token, last);
      await tell(queue, two.token, last);
      expect((await status(queue)).descriptors).toMatchObject({ total: 1, ready: 1 });
      expect((await status(queue)).finished).toBe(false);
      const descriptor = await claim(queue, { lane: 'descriptors' });
      expect(descriptor).toMatchObject({ lane: 'descriptors', first: 0, end: 1, image: { id: 'a' } });
      await tell(queue, descriptor.token, point(1, 1, { done: 1, bytes: 7 }));
      const now = await status(queue);
      expect(now).toMatchObject({ finished: true, bytes: 7, digest: ZERO });
      expect(now.images).toEqual({ total: 1, published: 1, withheld: 0, incomplete: 0, refused: 0 });
      expect(now.finishedAt).not.toBeNull();
      expect(await queue.claim(request())).toEqual({ kind: 'idle', why: 'finished', dueInMs: null });
    });

    it('withholds it while tiles are failed; the retry that completes the image releases it', async () => {
      const { queue } = await small(open);
      await queue.closePlan('m', null);
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 9, { done: 6, failed: [failure(0, 2), failure(8, 1)] }));
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
      const { queue, pass } = await small(open);
      await queue.closePlan('m', null);
      await drain(queue, 'tiles');
      const lost = await claim(queue, { lane: 'descriptors', leaseMs: SHORT });
      await pass(SHORT);
      expect(await queue.reclaim(100)).toBe(1);
      expect(await tell(queue, lost.token, point(1, 1, { done: 1 }))).toBe('lost');
      const late = await claim(queue, { lane: 'descriptors' });
      await tell(queue, late.token, point(1, 1, { delayed: [{ ...failure(0, 1), delayMs: SHORT }] }));
      expect((await status(queue)).descriptors).toMatchObject({ delayed: 1, total: 1 });
      await pass(SHORT);
      await queue.reclaim(100);
      const bad = await claim(queue, { lane: 'descriptors' });
      expect(bad.attempt).toBe(1);
      await tell(queue, bad.token, point(1, 1, { failed: [failure(0, 1, { attempt: 2 })] }));
      expect(await status(queue)).toMatchObject({ finished: true, descriptors: { failed: 1 } });
      expect(await all(queue)).toMatchObject([{ lane: 'descriptors', image: 'a', attempt: 2 }]);
      expect(await queue.requeueFailures('m', { image: 'a' })).toBe(1);
      expect((await status(queue)).finished).toBe(false);
    });

    it('publishes an image that misses tiles where the migration says so, and not twice when they come', async () => {
      const { queue } = await small(open, { incomplete: 'publish' });
      expect((await status(queue)).definition.incomplete).toBe('publish');
      await queue.closePlan('m', null);
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 8, { done: 6, failed: [failure(0, 2)] }));
      expect((await status(queue)).descriptors.total).toBe(0);
      await tell(queue, token, point(2, 9, { done: 1 }));
      expect(await status(queue)).toMatchObject({
        ...{ finished: false, descriptors: { total: 1, ready: 1 }, images: { withheld: 0, incomplete: 1 } },
      });
      expect(await drain(queue, 'descriptors')).toBe(1);
      expect(await status(queue)).toMatchObject({
        ...{ finished: true, images: { published: 1, withheld: 0, incomplete: 1 }, tiles: { failed: 2 } },
      });
      expect(await queue.requeueFailures('m', {})).toBe(2);
      expect(await status(queue)).toMatchObject({ finished: false, images: { published: 1, incomplete: 1 } });
      expect(await drain(queue, 'tiles')).toBe(2);
      expect(await status(queue)).toMatchObject({
        ...{ finished: true, descriptors: { total: 1, done: 1 }, images: { published: 1, incomplete: 0 } },
      });
    });

    it('publishes an image whose last tile died with its workers, where the migration says so', async () => {
      const { queue, pass } = await small(open, { incomplete: 'publish' });
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 8, { done: 8, release: true }));
      for (let times = 0; times < 6; times++) {
        await claim(queue, { leaseMs: SHORT });
        await pass(SHORT);
        await queue.reclaim(100);
      }
      expect((await status(queue)).failures).toEqual({ 'worker-died': 1 });
      expect(await status(queue)).toMatchObject({ descriptors: { ready: 1 }, images: { incomplete: 1 } });
    });

    it('accepts no image that has tiles to come, and none that it does not know', async () => {
      const { queue } = await small(open);
      await queue.closePlan('m', null);
      expect(await queue.accept('m', 'none')).toBe('unknown');
      expect(await queue.accept('m', 'a')).toBe('unsettled');
      const { token } = await claim(queue);
      const delayed = [{ ...failure(8, 1), delayMs: SHORT }];
      await tell(queue, token, point(1, 9, { done: 6, failed: [failure(0, 2)], delayed }));
      expect(await queue.accept('m', 'a')).toBe('unsettled');
      expect((await status(queue)).descriptors.total).toBe(0);
    });

    it('publishes an accepted image once, also when the retry of its tiles completes it', async () => {
      const { queue } = await small(open);
      await queue.closePlan('m', null);
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 9, { done: 7, failed: [failure(0, 2)] }));
      expect(await status(queue)).toMatchObject({ finished: true, images: { withheld: 1, incomplete: 0 } });
      for (let times = 0; times < 2; times++) expect(await queue.accept('m', 'a')).toBe('accepted');
      expect(await status(queue)).toMatchObject({
        ...{ finished: false, finishedAt: null, descriptors: { total: 1, ready: 1 } },
        images: { withheld: 0, incomplete: 1, published: 0 },
      });
      expect(await drain(queue, 'descriptors')).toBe(1);
      expect(await queue.accept('m', 'a')).toBe('accepted');
      expect(await status(queue)).toMatchObject({ finished: true, images: { published: 1, incomplete: 1 } });
      await queue.requeueFailures('m', {});
      expect(await queue.accept('m', 'a')).toBe('unsettled');
      expect(await drain(queue, 'tiles')).toBe(2);
      expect(await status(queue)).toMatchObject({
        ...{ finished: true, descriptors: { total: 1, done: 1, ready: 0 } },
        images: { withheld: 0, incomplete: 0, published: 1 },
      });
      expect(await queue.accept('m', 'a')).toBe('whole');
      expect((await status(queue)).descriptors.total).toBe(1);
    });

    it('releases nothing anew when tiles of an accepted image fail again', async () => {
      const { queue } = await small(open);
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 9, { done: 7, failed: [failure(0, 2)] }));
      await queue.accept('m', 'a');
      await queue.requeueFailures('m', {});
      const again = await claim(queue);
      await tell(queue, again.token, point(1, 2, { failed: [failure(0, 2)] }));
      expect(await status(queue)).toMatchObject({
        ...{ descriptors: { total: 1, ready: 1 }, images: { withheld: 0, incomplete: 1 } },
      });
    });
  });

  describe('images', () => {
    it('tells how each stands: stored, failed, bytes, digest, descriptor', async () => {
      const { queue } = await small(open, { stopAfterFailures: 1 });
      for (const id of ['b', 'c']) await add(queue, id, SMALL);
      expect(await queue.image('m', 'none')).toBeNull();
      const { token, image } = await claim(queue);
      const digest = `f${ZERO.slice(1)}`;
      expect(await queue.image('m', image.id)).toEqual({
        ...{ image, stored: 0, failed: 0, bytes: 0, digest: ZERO, descriptor: 'waiting' },
      });
      await tell(queue, token, point(1, 5, { done: 3, skipped: 2, bytes: 5_000_000_000, digest }));
      const part = { image, stored: 5, failed: 0, bytes: 5_000_000_000, digest, descriptor: 'waiting' };
      expect(await queue.image('m', image.id)).toEqual(part);
      await tell(queue, token, point(2, 9, { done: 2, bytes: 1, failed: [failure(5, 2)] }));
      const withheld = { ...part, stored: 7, failed: 2, bytes: 5_000_000_001, descriptor: 'withheld' };
      expect(await queue.image('m', image.id)).toEqual(withheld);
      await queue.accept('m', image.id);
      expect(await queue.image('m', image.id)).toEqual({ ...withheld, descriptor: 'released' });
      const descriptor = await claim(queue, { lane: 'descriptors' });
      await tell(queue, descriptor.token, point(1, 1, { done: 1, bytes: 70 }));
      const accepted = { ...withheld, bytes: 5_000_000_071, descriptor: 'released' };
      expect(await queue.image('m', image.id)).toEqual(accepted);
      const other = await claim(queue);
      await tell(queue, other.token, point(1, 9, { done: 9, bytes: 9, digest: `e${ZERO.slice(1)}` }));
      const images = await imagesOf(queue);
      expect(images.map((one) => [one.image.number, one.image.id])).toEqual([
        [0, 'a'],
        [1, 'b'],
        [2, 'c'],
      ]);
      expect(images[image.number]).toEqual(accepted);
      expect(images[other.image.number]).toMatchObject({ stored: 9, bytes: 9, descriptor: 'released' });
      const now = await status(queue);
      expect(now.digest).toBe(`1${ZERO.slice(1)}`);
      expect(now.bytes).toBe(5_000_000_080);
    });
  });
}
