import { describe, expect, it } from 'vitest';
import {
  add,
  claim,
  definition,
  failure,
  LONG,
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

/** What checkpoints promise. */
export function queueCheckpoints(open: OpenQueue): void {
  describe('checkpoints', () => {
    it('applies each once, however often and late it is resent', async () => {
      const { queue } = await small(open);
      const { token } = await claim(queue);
      const first = point(1, 3, { done: 2, skipped: 1, bytes: 5_000_000_000 });
      const second = point(2, 9, { done: 6, bytes: 1 });
      expect(await tell(queue, token, first)).toBe('kept');
      expect(await tell(queue, token, first)).toBe('kept');
      expect(await tell(queue, token, second)).toBe('ended');
      expect(await tell(queue, token, second)).toBe('ended');
      await tell(queue, token, first);
      const now = await status(queue);
      expect(now.tiles).toMatchObject({ done: 8, skipped: 1, claimed: 0, ready: 0 });
      expect(now.bytes).toBe(5_000_000_001);
    });

    it('refuses one that does not add up, and applies nothing of it', async () => {
      const { queue } = await small(open);
      const { token } = await claim(queue);
      const wrong = [
        point(1, 3, { done: 2 }),
        point(1, 10, { done: 10 }),
        point(1, 3, { done: 2, failed: [failure(3, 1)] }),
        point(1, 3, { done: 1, failed: [failure(1, 1)], delayed: [{ ...failure(1, 1), delayMs: 1 }] }),
        point(1, 3, { done: 3, digest: 'xyz' }),
      ];
      for (const bad of wrong)
        expect(await rejection(tell(queue, token, bad))).toEqual({
          kind: 'permanent',
          code: 'bad-checkpoint',
        });
      expect((await status(queue)).tiles).toMatchObject({ claimed: 9, done: 0, failed: 0, delayed: 0 });
    });

    it('ends a claim whose checkpoints between it has forgotten, from its own cursor', async () => {
      const { queue } = await small(open);
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 2, { done: 2 }));
      expect(await tell(queue, token, point(3, 9, { done: 4, failed: [failure(8, 1)] }))).toBe('lost');
      expect((await status(queue)).tiles).toMatchObject({ done: 2, failed: 0, ready: 7, claimed: 0 });
      expect(await claim(queue)).toMatchObject({ first: 2, end: 9 });
      expect(await tell(queue, token, point(4, 9, { done: 1 }))).toBe('lost');
    });

    it('takes the rest back when the worker releases it', async () => {
      const { queue } = await small(open);
      const { token } = await claim(queue);
      const last = point(1, 4, { done: 4, release: true });
      expect(await tell(queue, token, last)).toBe('ended');
      expect(await tell(queue, token, last)).toBe('ended');
      expect((await status(queue)).tiles).toMatchObject({ done: 4, ready: 5, claimed: 0 });
      expect(await claim(queue)).toMatchObject({ first: 4, end: 9 });
    });

    it('keeps delayed ranges until they are due, and counts their attempts', async () => {
      const { queue, pass } = await small(open);
      const { token } = await claim(queue);
      const soon = { ...failure(2, 3, { reason: 'http-503', status: 503 }), delayMs: SHORT };
      const late = { ...failure(7, 1, { reason: 'http-503', status: 503 }), delayMs: LONG };
      await tell(queue, token, point(1, 9, { done: 5, delayed: [soon, late] }));
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
      await add(queue, 'a', SMALL);
      const digests = ['80000000ffffffff0000000000000001', 'ffffffff80000000123456789abcdef0'];
      for (const digest of digests) {
        const { token, end } = await claim(queue);
        await tell(queue, token, point(1, end, { done: 3, digest }));
        await tell(queue, token, point(1, end, { done: 3, digest }));
      }
      expect((await status(queue)).digest).toBe('7fffffff7fffffff123456789abcdef1');
    });
  });
}
