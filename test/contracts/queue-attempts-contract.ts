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
  rejection,
  request,
  SHORT,
  small,
  status,
  tell,
} from './queue-cases.js';

/** 25 x 25 tiles on its last level, and fewer on those before. */
const BIG: q.ImageGeometry = { width: 6350, height: 6350, tileSize: 254, overlap: 1, format: 'jpg' };
const REMEMBERED = 200;

const newest = (queue: q.OperatorQueue, most = 1000): Promise<readonly q.FailedAttempt[]> =>
  queue.newestFailures('m', most);

/** As it is remembered, but for the time. */
function attempt(
  image: string,
  range: q.RangeFailure,
  change: Partial<q.FailedAttempt> = {},
): Omit<q.FailedAttempt, 'at'> {
  return { lane: 'tiles', image, ...range, final: true, worker: 'w', ...change };
}

const timeless = (attempts: readonly q.FailedAttempt[]) => attempts.map(({ at: _, ...rest }) => rest);

/** Claims tile by tile what a worker is to die on, lets it, and tells how many claims that took. */
async function dieOn(harness: { queue: q.WorkQueue; pass(ms: number): Promise<void> }): Promise<number> {
  for (let died = 0; ; died++) {
    const answer = await harness.queue.claim(request({ leaseMs: SHORT }));
    if ('kind' in answer) return died;
    await harness.pass(SHORT);
    await harness.queue.reclaim(100);
  }
}

/** The last attempts that failed, whatever became of their items since. */
export function queueAttempts(open: OpenQueue): void {
  describe('attempts that failed', () => {
    it('are remembered with time and worker, those that are tried again as well, newest first', async () => {
      const { queue } = await small(open);
      expect(await newest(queue)).toEqual([]);
      const { token } = await claim(queue, { token: 'importer-of-a-7-1' });
      const before = (await status(queue)).now;
      const again = { ...failure(1, 2, { reason: 'http-503', status: 503 }), delayMs: LONG };
      await tell(queue, token, point(1, 4, { done: 1, failed: [failure(3, 1)], delayed: [again] }));
      await tell(queue, token, point(2, 5, { done: 1 }));
      const between = (await status(queue)).now;
      await tell(queue, token, point(3, 9, { done: 2, failed: [failure(5, 1), failure(8, 1)] }));
      const after = (await status(queue)).now;
      const found = await newest(queue);
      const worker = 'importer-of-a-7';
      expect(timeless(found)).toEqual([
        attempt('a', failure(8, 1), { worker }),
        attempt('a', failure(5, 1), { worker }),
        attempt('a', failure(3, 1), { worker }),
        attempt('a', failure(1, 2, { reason: 'http-503', status: 503 }), { worker, final: false }),
      ]);
      const times = found.map(({ at }) => at);
      expect(times[0]).toBe(times[1]);
      expect(times[2]).toBe(times[3]);
      const inOrder = [before, times[2]!, between, times[0]!, after];
      expect(inOrder).toEqual(inOrder.toSorted((a, b) => a - b));
      expect(await newest(queue, 1)).toEqual(found.slice(0, 1));
      expect(await newest(queue, 0)).toEqual([]);
    });

    it('are remembered once for a checkpoint that is sent again', async () => {
      const { queue } = await small(open);
      const { token } = await claim(queue);
      for (const _ of [1, 2]) await tell(queue, token, point(1, 9, { done: 8, failed: [failure(0, 1)] }));
      expect(timeless(await newest(queue))).toEqual([attempt('a', failure(0, 1))]);
    });

    it('are of all lanes', async () => {
      const { queue } = await small(open);
      await queue.closePlan('m', null);
      const tiles = await claim(queue);
      await tell(queue, tiles.token, point(1, 9, { done: 9 }));
      const descriptor = await claim(queue, { lane: 'descriptors' });
      await tell(queue, descriptor.token, point(1, 1, { failed: [failure(0, 1)] }));
      await queue.beginVerification('m', { sample: 1, read: false, unpublish: false });
      const check = await claim(queue, { lane: 'checks' });
      const found = { blind: false, restart: false };
      const missing = failure(2, 1, { reason: 'missing' });
      await tell(queue, check.token, point(1, 10, { done: 9, failed: [missing], found }));
      expect(timeless(await newest(queue))).toEqual([
        attempt('a', missing, { lane: 'checks' }),
        attempt('a', failure(0, 1), { lane: 'descriptors' }),
      ]);
    });

    it('are so many and no more, the last of a checkpoint with more, and what fails for good before the rest', async () => {
      const { queue } = await open();
      await queue.createMigration(definition({ rangeSize: 1000, stopAfterFailures: 1 }));
      await add(queue, 'big', BIG);
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 1, { failed: [failure(0, 1)] }));
      const each = (first: number, count: number) =>
        Array.from({ length: count }, (_, place) => failure(first + 2 * place, 1));
      const failed = each(2, REMEMBERED - 1);
      const delayed = each(401, 3).map((range) => ({ ...range, delayMs: LONG }));
      await tell(queue, token, point(2, 407, { done: 406 - failed.length - 3, failed, delayed }));
      const half = await newest(queue);
      expect(half.map(({ first, final }) => [first, final])).toEqual([
        ...failed.map(({ first }) => [first, true]).reverse(),
        [405, false],
      ]);
      const more = each(407, REMEMBERED + 20).map((range) => ({ ...range, reason: 'truncated' }));
      await tell(queue, token, point(3, 847, { done: 440 - more.length, failed: more }));
      expect((await newest(queue)).map(({ first }) => first)).toEqual(
        more
          .slice(20)
          .map(({ first }) => first)
          .reverse(),
      );
      expect(await all(queue)).toHaveLength(1 + failed.length + more.length);
    });

    it('are images that were refused, each time, by nobody', async () => {
      const { queue } = await small(open);
      const refuse = (id: string, reason = 'http-404', code = 404) => ({ id, reason, status: code });
      const odd = 'of:"1!2!\\ é';
      await queue.addImages('m', [refuse('b'), refuse(odd, 'not-an-image', 0)]);
      await queue.addImages('m', [refuse('b', 'http-403', 403), refuse('a')]);
      const refused = (image: string, change: Partial<q.FailedAttempt>) =>
        attempt(image, failure(0, 1), { lane: 'images', worker: '', ...change });
      expect(timeless(await newest(queue))).toEqual([
        refused('b', { reason: 'http-403', status: 403 }),
        refused(odd, { reason: 'not-an-image', status: 0 }),
        refused('b', {}),
      ]);
      const many = Array.from({ length: REMEMBERED + 5 }, (_, place) => refuse(`r${place}`));
      await queue.addImages('m', many);
      expect((await newest(queue)).map(({ image }) => image)).toEqual(
        many
          .slice(5)
          .map(({ id }) => id)
          .reverse(),
      );
    });

    it('name an image by its id, whatever is in it', async () => {
      const { queue } = await open();
      await queue.createMigration(definition());
      await add(queue, 'a:"\\:é', BIG);
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 1, { failed: [failure(0, 1)] }));
      expect(timeless(await newest(queue))).toEqual([attempt('a:"\\:é', failure(0, 1))]);
    });

    it('are claims that were lost, by nobody: tried again, until the tile is given up', async () => {
      const harness = await open();
      const { queue, pass } = harness;
      await queue.createMigration(definition({ rangeSize: 4 }));
      await add(queue, 'a', { ...BIG, width: 1, height: 2 });
      const { token, end } = await claim(queue, { leaseMs: SHORT });
      expect(end).toBe(2);
      await tell(queue, token, point(1, 1, { done: 1 }));
      await pass(SHORT);
      await queue.reclaim(100);
      const lost = (final: boolean) =>
        attempt('a', failure(1, 1, { reason: 'worker-died', status: 0 }), { final, worker: '' });
      expect(timeless(await newest(queue))).toEqual([lost(false)]);
      expect(await dieOn(harness)).toBe(5);
      expect(timeless(await newest(queue))).toEqual([lost(true), ...Array(5).fill(lost(false))]);
      expect((await status(queue)).tiles).toMatchObject({ done: 1, failed: 1 });
    });

    it('are not claims that were given back', async () => {
      const { queue } = await small(open);
      const { token } = await claim(queue);
      await tell(queue, token, point(1, 4, { done: 4, release: true }));
      expect(await newest(queue)).toEqual([]);
    });

    it('stay when their items are tried again and stored', async () => {
      const { queue } = await small(open);
      const first = await claim(queue);
      await tell(queue, first.token, point(1, 9, { done: 8, failed: [failure(0, 1)] }));
      const found = await newest(queue);
      expect(await queue.requeueFailures('m', {})).toBe(1);
      const second = await claim(queue);
      await tell(queue, second.token, point(1, 1, { done: 1 }));
      expect(await all(queue)).toEqual([]);
      expect(await newest(queue)).toEqual(found);
    });

    it('stay when the migration is cancelled, and nothing is tried again then', async () => {
      const { queue, pass } = await small(open, { rangeSize: 2 });
      const [ends, dies] = [await claim(queue), await claim(queue, { leaseMs: SHORT })];
      await tell(queue, ends.token, point(1, 1, { failed: [failure(0, 1)] }));
      await queue.cancel('m', 'no longer wanted');
      await tell(queue, ends.token, point(2, 2, { delayed: [{ ...failure(1, 1), delayMs: LONG }] }));
      await pass(SHORT);
      await queue.reclaim(100);
      const lost = failure(dies.first, 2, { reason: 'worker-died', status: 0 });
      expect(timeless(await newest(queue))).toEqual([
        attempt('a', lost, { worker: '' }),
        attempt('a', failure(1, 1)),
        attempt('a', failure(0, 1)),
      ]);
    });

    it('are each migration’s own, and of one that is not there not to be had', async () => {
      const { queue, flush } = await small(open);
      const { token } = await claim(queue);
      await queue.createMigration(definition({ name: 'other' }));
      await tell(queue, token, point(1, 9, { done: 8, failed: [failure(0, 1)] }));
      expect(await queue.newestFailures('other', 10)).toEqual([]);
      expect(await rejection(queue.newestFailures('never', 10))).toEqual({
        kind: 'permanent',
        code: 'not-found',
      });
      await flush();
      expect(await rejection(newest(queue))).toEqual({ kind: 'permanent', code: 'lost' });
    });
  });
}
