import { describe, expect, it } from 'vitest';
import type * as q from '../../jobs/work-queue.js';
import { NO_LIMIT } from '../../jobs/work-queue.js';
import {
  add,
  all,
  CANCELLED,
  claim,
  definition,
  failure,
  imagesOf,
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

/** Pausing, cancelling, limits and what is told of a migration. */
export function queueOperator(open: OpenQueue): void {
  describe('pause, resume, cancel', () => {
    it('hands out nothing while paused and tells whoever checkpoints', async () => {
      const { queue } = await small(open, { rangeSize: 4 });
      const { token } = await claim(queue);
      await queue.pause('m', 'by an operator');
      expect(await status(queue)).toMatchObject({ state: 'paused', reason: 'by an operator' });
      expect(await queue.claim(request())).toEqual({ kind: 'idle', why: 'paused', dueInMs: null });
      expect(await tell(queue, token, point(1, 1, { done: 1 }))).toBe('pausing');
      expect(await tell(queue, token, point(2, 2, { done: 1, release: true }))).toBe('ended');
      expect((await status(queue)).tiles).toMatchObject({ ready: 7, done: 2 });
      await queue.resume('m');
      expect(await claim(queue)).toBeDefined();
    });

    it('empties the work on cancel and keeps the record and the failures', async () => {
      const { queue, pass } = await open();
      await queue.createMigration(definition({ rangeSize: 3 }));
      for (const id of ['a', 'b']) await add(queue, id, SMALL);
      const delayed = [{ ...failure(2, 1), delayMs: SHORT }];
      const one = await claim(queue);
      await tell(queue, one.token, point(1, 3, { done: 1, failed: [failure(1, 1)], delayed }));
      const held = await claim(queue);
      const lost = await claim(queue, { leaseMs: SHORT });
      await queue.cancel('m', 'enough');
      await queue.cancel('m', 'enough');
      const counts = { done: 1, failed: 1, ready: 0, delayed: 0, skipped: 0 };
      expect((await status(queue)).tiles).toEqual({ ...counts, claimed: 6, total: 8 });
      expect(await tell(queue, held.token, point(1, held.first + 1, { done: 1 }))).toBe('pausing');
      const gone = { ...failure(held.first + 1, 1), delayMs: LONG };
      const give = point(2, held.first + 2, { release: true, delayed: [gone] });
      expect(await tell(queue, held.token, give)).toBe('ended');
      await pass(SHORT);
      await queue.reclaim(100);
      expect(await tell(queue, lost.token, point(1, lost.end, { done: 3 }))).toBe('lost');
      const now = await status(queue);
      expect(now.tiles).toEqual({ ...counts, done: 2, claimed: 0, total: 3 });
      expect(now).toMatchObject({ state: 'cancelled', finished: false, reason: 'enough' });
      expect(await all(queue)).toMatchObject([{ first: 1, count: 1 }]);
      expect(await rejection(queue.resume('m'))).toEqual(CANCELLED);
      expect(await rejection(queue.pause('m', 'x'))).toEqual(CANCELLED);
      expect(await rejection(add(queue, 'c', SMALL))).toEqual(CANCELLED);
      expect(await rejection(queue.requeueFailures('m', {}))).toEqual(CANCELLED);
      expect(await rejection(queue.beginPlan('m', 'x'))).toEqual(CANCELLED);
      expect(await rejection(queue.knownImages('m', ['a']))).toEqual(CANCELLED);
      expect(await rejection(queue.closePlan('m', null))).toEqual(CANCELLED);
      expect(await rejection(queue.limit('m', NO_LIMIT))).toEqual(CANCELLED);
      expect(await rejection(queue.accept('m', 'a'))).toEqual(CANCELLED);
      const options = { sample: 1, read: false, unpublish: false };
      expect(await rejection(queue.beginVerification('m', options))).toEqual(CANCELLED);
      expect((await queue.image('m', 'a'))?.failed).toBe(1);
      expect(await queue.claim(request())).toMatchObject({ kind: 'idle', why: 'finished' });
    });
  });

  describe('a queue that forgot', () => {
    it('says lost of every migration it has seen, never finished and never unknown', async () => {
      const { queue, flush } = await small(open);
      const { token } = await claim(queue);
      await flush();
      const lost = { kind: 'permanent', code: 'lost' };
      expect(await rejection(queue.status('m'))).toEqual(lost);
      expect(await rejection(queue.claim(request()))).toEqual(lost);
      expect(await rejection(queue.claim(request({ migration: 'm' })))).toEqual(lost);
      expect(await rejection(tell(queue, token, point(1, 9, { done: 9 })))).toEqual(lost);
      expect(await rejection(add(queue, 'b', SMALL))).toEqual(lost);
      expect(await rejection(queue.closePlan('m', null))).toEqual(lost);
      expect(await rejection(queue.beginPlan('m', 'x'))).toEqual(lost);
      expect(await rejection(queue.knownImages('m', ['a']))).toEqual(lost);
      expect(await rejection(queue.image('m', 'a'))).toEqual(lost);
      expect(await rejection(imagesOf(queue))).toEqual(lost);
      expect(await rejection(queue.accept('m', 'a'))).toEqual(lost);
      const options = { sample: 1, read: false, unpublish: false };
      expect(await rejection(queue.beginVerification('m', options))).toEqual(lost);
    });
  });

  describe('worker reports', () => {
    it('keeps the last of each worker until it runs out', async () => {
      const { queue, pass } = await open();
      const report: q.WorkerReport = {
        ...{ worker: 'w', lane: 'tiles', unit: 'zh-import-blobs@1.service', machine: 'a' },
        ...{ state: 'copying', since: 1, detail: '' },
        ...{ done: 5, skipped: 1, failed: 2, bytes: 5_000_000_000, rate: 12.5, limit: 64 },
        latency: [{ side: 'source', kind: 'azure', counts: [0, 3, 1] }],
      };
      await queue.report(report, LONG);
      await queue.report({ ...report, state: 'source unreachable' }, LONG);
      await queue.report({ ...report, worker: 'gone' }, SHORT);
      await pass(SHORT);
      expect(await queue.workers()).toEqual([{ ...report, state: 'source unreachable' }]);
    });
  });
}
