import { describe, expect, it } from 'vitest';
import { NO_LIMIT } from '../../jobs/work-queue.js';
import {
  add,
  claim,
  definition,
  failure,
  GONE,
  LARGE,
  type OpenQueue,
  point,
  request,
  SMALL,
  small,
  status,
} from './queue-cases.js';

/** A limit of the whole migration and its shares, and the readings of its counters. */
export function queueShares(open: OpenQueue): void {
  describe('limit', () => {
    const of = (worker: string, number: number) => ({ token: `${worker}-${number}` });
    /** A worker's id may hold dashes itself. */
    const [one, two] = ['0b4e-11', '0b4e-12'] as const;

    it('is kept, told, and taken away again', async () => {
      const { queue } = await small(open, { rangeSize: 2 });
      expect((await status(queue)).limit).toEqual(NO_LIMIT);
      expect((await claim(queue)).share).toEqual(NO_LIMIT);
      const limit = { requestsPerSecond: 12.5, bytesPerSecond: null };
      await queue.limit('m', limit);
      expect((await status(queue)).limit).toEqual(limit);
      expect((await claim(queue)).share).toEqual(limit);
      await queue.limit('m', { requestsPerSecond: null, bytesPerSecond: 5_000_000_000 });
      const { token, share } = await claim(queue);
      expect(share).toEqual({ requestsPerSecond: null, bytesPerSecond: 5_000_000_000 });
      await queue.limit('m', NO_LIMIT);
      const reply = await queue.checkpoint(token, 'm', point(1, 4, { release: true }));
      expect(reply).toEqual({ answer: 'ended', share: NO_LIMIT });
    });

    it('is shared by the workers that claim and tell checkpoints, until one is gone for seconds', async () => {
      const { queue, pass } = await open();
      await queue.createMigration(definition({ rangeSize: 5 }));
      await add(queue, 'a', LARGE);
      await queue.limit('m', { requestsPerSecond: 100, bytesPerSecond: 3000 });
      const whole = { requestsPerSecond: 100, bytesPerSecond: 3000 };
      const half = { requestsPerSecond: 50, bytesPerSecond: 1500 };
      const first = await claim(queue, of(one, 1));
      expect(first.share).toEqual(whole);
      expect((await claim(queue, of(one, 2))).share).toEqual(whole);
      expect((await claim(queue, of(two, 1))).share).toEqual(half);
      const told = await queue.checkpoint(first.token, 'm', point(1, first.first + 1, { done: 1 }));
      expect(told).toEqual({ answer: 'kept', share: half });
      await pass(GONE);
      const later = await queue.checkpoint(first.token, 'm', point(2, first.first + 2, { done: 1 }));
      expect(later).toEqual({ answer: 'kept', share: whole });
    }, 20_000);

    it('is not shared with who found nothing to claim, nor with workers of other migrations', async () => {
      const { queue } = await small(open);
      await queue.createMigration(definition({ name: 'n' }));
      await add(queue, 'x', SMALL, 'n');
      await queue.limit('m', { requestsPerSecond: 100, bytesPerSecond: null });
      await claim(queue, { ...of(two, 1), migration: 'n' });
      const { token } = await claim(queue, { ...of(one, 1), migration: 'm' });
      expect(await queue.claim(request({ token: 'idle-1', migration: 'm' }))).toMatchObject({ why: 'empty' });
      expect((await queue.checkpoint(token, 'm', point(1, 1, { done: 1 }))).share.requestsPerSecond).toBe(
        100,
      );
    });
  });

  describe('samples', () => {
    it('are readings of the counters, about one a second', async () => {
      const { queue, pass } = await small(open);
      const { token } = await claim(queue);
      await tellTimes(4, 0);
      await pass(1_100);
      await tellTimes(4, 4);
      await queue.reclaim(1);
      const { samples, now } = await status(queue);
      expect(samples.length).toBeGreaterThanOrEqual(2);
      expect(samples.length).toBeLessThanOrEqual(3);
      for (const [place, sample] of samples.entries()) {
        const before = samples[place - 1] ?? { at: 0, settled: 0, bytes: 0 };
        expect(sample.at).toBeGreaterThan(before.at);
        expect(sample.settled).toBeGreaterThanOrEqual(before.settled);
        expect(sample.bytes).toBeGreaterThanOrEqual(before.bytes);
      }
      expect(samples[0]!.settled).toBeLessThanOrEqual(4);
      const last = samples.at(-1)!;
      expect(last.settled).toBeGreaterThanOrEqual(5);
      expect(last.bytes).toBe(1000 * Math.ceil(last.settled / 2));
      expect(last.at).toBeLessThanOrEqual(now);

      /** Every other tile fails: it is settled as well, without bytes. */
      async function tellTimes(times: number, from: number): Promise<void> {
        for (let index = from; index < from + times; index++) {
          const change = index % 2 === 0 ? { done: 1, bytes: 1000 } : { failed: [failure(index, 1)] };
          await queue.checkpoint(token, 'm', point(index + 1, index + 1, change));
        }
      }
    });
  });
}
