import { describe, expect, it } from 'vitest';
import type * as q from '../../jobs/work-queue.js';
import {
  add,
  all,
  claim,
  definition,
  failure,
  LONG,
  type OpenQueue,
  point,
  SMALL,
  small,
  status,
  tell,
} from './queue-cases.js';

/** What is kept of failures, and how they are put back. */
export function queueFailures(open: OpenQueue): void {
  describe('failures', () => {
    it('keeps them as coalesced ranges with reason, status and attempt, across checkpoints', async () => {
      const { queue } = await small(open);
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 3, { done: 1, failed: [failure(1, 2)] }));
      await tell(queue, token, point(2, 6, { failed: [failure(3, 2), failure(5, 1, { attempt: 3 })] }));
      await tell(queue, token, point(3, 9, { failed: [failure(6, 3, { reason: 'truncated' })] }));
      expect(await all(queue)).toEqual([
        { lane: 'tiles', image: 'a', ...failure(1, 4) },
        { lane: 'tiles', image: 'a', ...failure(5, 1, { attempt: 3 }) },
        { lane: 'tiles', image: 'a', ...failure(6, 3, { reason: 'truncated' }) },
      ]);
      expect((await status(queue)).failures).toEqual({ 'http-404': 5, truncated: 3 });
    });

    it('joins only neighbours', async () => {
      const { queue } = await small(open);
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 3, { done: 1, failed: [failure(0, 2)] }));
      await tell(queue, token, point(2, 6, { done: 1, failed: [failure(3, 1), failure(5, 1)] }));
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
        await add(queue, id, SMALL);
        const { token } = await claim(queue);
        const failed = [failure(0, 2), failure(4, 1, { reason: 'truncated', status: 200 })];
        await tell(queue, token, point(1, 9, { done: 6, failed }));
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

    it('filters by status, lane and range as well: all that is given must match', async () => {
      const { queue } = await small(open, { stopAfterFailures: 1 });
      await queue.addImages('m', [{ id: 'bad', reason: 'http-404', status: 404 }]);
      const { token } = await claim(queue);
      const failed = [failure(0, 3), failure(4, 4, { reason: 'reset', status: 0 })];
      await tell(queue, token, point(1, 9, { done: 2, failed }));
      const found = async (filter: q.FailureFilter) =>
        (await all(queue, filter)).map(({ lane, first, count }) => [lane, first, count]);
      expect(await found({ status: 404 })).toEqual([
        ['tiles', 0, 3],
        ['images', 0, 1],
      ]);
      expect(await found({ status: 0 })).toEqual([['tiles', 4, 4]]);
      expect(await found({ lane: 'images' })).toEqual([['images', 0, 1]]);
      expect(await found({ lane: 'tiles', status: 404 })).toEqual([['tiles', 0, 3]]);
      expect(await found({ lane: 'descriptors' })).toEqual([]);
      expect(await found({ image: 'a', reason: 'http-404', status: 0 })).toEqual([]);
      expect(await found({ range: { first: 2, end: 6 } })).toEqual([
        ['tiles', 2, 1],
        ['tiles', 4, 2],
      ]);
      expect(await found({ range: { first: 5, end: 6 }, status: 404 })).toEqual([]);
      expect(await found({ range: { first: 0, end: 1 } })).toEqual([['tiles', 0, 1]]);
      expect(await found({ range: { first: 3, end: 4 } })).toEqual([]);
      expect(await queue.requeueFailures('m', { lane: 'images' })).toBe(0);
      expect((await status(queue)).images.refused).toBe(1);
    });

    it('requeues a part of a record and keeps the rest', async () => {
      const { queue } = await small(open);
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 9, { done: 1, failed: [failure(1, 8)] }));
      expect(await queue.requeueFailures('m', { range: { first: 3, end: 5 } })).toBe(2);
      expect(await all(queue)).toEqual([
        { lane: 'tiles', image: 'a', ...failure(1, 2) },
        { lane: 'tiles', image: 'a', ...failure(5, 4) },
      ]);
      expect((await status(queue)).tiles).toMatchObject({ ready: 2, failed: 6, done: 1 });
      expect((await status(queue)).failures).toEqual({ 'http-404': 6 });
      expect(await claim(queue)).toMatchObject({ first: 3, end: 5, attempt: 0 });
      expect(await queue.requeueFailures('m', { range: { first: 0, end: 2 } })).toBe(1);
      expect(await queue.requeueFailures('m', { range: { first: 8, end: 100 }, status: 404 })).toBe(1);
      expect((await all(queue)).map(({ first, count }) => [first, count])).toEqual([
        [2, 1],
        [5, 3],
      ]);
      expect(await queue.requeueFailures('m', {})).toBe(4);
      expect(await all(queue)).toEqual([]);
      expect((await status(queue)).tiles).toMatchObject({ claimed: 2, ready: 6, failed: 0, done: 1 });
    });

    it('pauses the migration when too large a share failed, with the reason, and counts anew after resume', async () => {
      const { queue } = await open();
      await queue.createMigration(definition({ stopAfterFailures: 0.2, stopAfterTiles: 20, rangeSize: 100 }));
      for (const id of ['a', 'b', 'c']) await add(queue, id, SMALL);
      const [a, b, c] = [await claim(queue), await claim(queue), await claim(queue)];
      await tell(queue, a.token, point(1, 9, { failed: [failure(0, 9)] }));
      expect((await status(queue)).state).toBe('running');
      expect(await tell(queue, b.token, point(1, 8, { done: 8 }))).toBe('kept');
      expect(await tell(queue, c.token, point(1, 3, { done: 2, failed: [failure(2, 1)] }))).toBe('pausing');
      const paused = await status(queue);
      expect(paused.state).toBe('paused');
      expect(paused.reason).toContain('10 of 20');
      expect(paused.reason).toContain('http-404');
      await queue.resume('m');
      expect(await tell(queue, c.token, point(2, 5, { failed: [failure(3, 2)] }))).toBe('kept');
      expect(await status(queue)).toMatchObject({ state: 'running', reason: '' });
    });

    it('does not count delayed tiles as finished', async () => {
      const { queue } = await small(open, { stopAfterFailures: 0, stopAfterTiles: 5 });
      const { token } = await claim(queue);
      const delayed = [{ ...failure(0, 5), delayMs: LONG }];
      expect(await tell(queue, token, point(1, 8, { done: 2, failed: [failure(5, 1)], delayed }))).toBe(
        'kept',
      );
    });

    it('goes on while the share stays at the limit', async () => {
      const { queue } = await small(open, { stopAfterFailures: 2 / 9, stopAfterTiles: 1 });
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 9, { done: 7, failed: [failure(0, 2)] }));
      expect((await status(queue)).state).toBe('running');
    });
  });
}
