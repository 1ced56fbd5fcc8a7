import { describe, expect, it } from 'vitest';
import type * as q from '../../jobs/work-queue.js';
import {
  add,
  all,
  claim,
  definition,
  drain,
  failure,
  LARGE,
  LONG,
  type OpenQueue,
  point,
  request,
  SHORT,
  SMALL,
  small,
  status,
  tell,
} from './queue-cases.js';

/** What claims and their leases promise. */
export function queueClaims(open: OpenQueue): void {
  describe('claims', () => {
    it('hands out ranges of at most the range size that cover each tile once', async () => {
      const { queue } = await open();
      await queue.createMigration(definition());
      await add(queue, 'a', LARGE);
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
      const { queue } = await small(open);
      const again = request();
      const first = await queue.claim(again);
      expect(await queue.claim(again)).toEqual(first);
      expect((await status(queue)).tiles.claimed).toBe(9);
      await tell(queue, again.token, point(1, 9, { done: 9 }));
      expect(await queue.claim(again)).toMatchObject({ kind: 'idle', why: 'empty' });
    });

    it('answers each of many that ask at once with its own, and refuses only the one that is wrong', async () => {
      const { queue } = await open();
      await queue.createMigration(definition());
      const ids = Array.from({ length: 50 }, (_, at) => `image-${at}`);
      await queue.addImages(
        'm',
        ids.map((id) => ({ id, geometry: SMALL })),
      );
      const asked = ids.map(() => request());
      const none = request();
      const [idle, ...claims] = (
        await Promise.all([...asked, none].map((each) => queue.claim(each)))
      ).reverse() as [q.Idle, ...q.Claim[]];
      expect(idle).toMatchObject({ kind: 'idle', why: 'empty' });
      expect(claims.map(({ token }) => token).reverse()).toEqual(asked.map(({ token }) => token));
      expect(claims.map(({ image }) => image.id).sort()).toEqual([...ids].sort());
      const wrong = claims[7]!.token;
      const answers = await Promise.allSettled(
        claims.map(({ token }, at) =>
          tell(queue, token, point(1, 9, { done: token === wrong ? 8 : 9, bytes: at })),
        ),
      );
      expect(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : 'refused'))).toEqual(
        claims.map(({ token }) => (token === wrong ? 'refused' : 'ended')),
      );
      expect((await status(queue)).tiles).toMatchObject({ claimed: 9, done: 49 * 9, ready: 0 });
      for (const [at, { token, image }] of claims.entries())
        expect(await queue.image('m', image.id)).toMatchObject(
          token === wrong ? { stored: 0 } : { stored: 9, bytes: at },
        );
    });

    it('serves the running migrations in turn', async () => {
      const { queue } = await open();
      for (const name of ['m', 'n', 'o']) {
        await queue.createMigration(definition({ name, rangeSize: 1 }));
        await add(queue, 'a', SMALL, name);
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
      const { queue } = await small(open);
      expect(await queue.claim(request({ except: ['m'] }))).toEqual({
        ...{ kind: 'idle', why: 'empty', dueInMs: null },
      });
      expect(await queue.claim(request({ migration: 'm', except: ['m'] }))).toMatchObject({ why: 'empty' });
      await queue.createMigration(definition({ name: 'n' }));
      await add(queue, 'b', SMALL, 'n');
      expect((await claim(queue, { except: ['m'] })).migration.name).toBe('n');
      expect(await queue.claim(request({ except: ['m'] }))).toMatchObject({ why: 'empty' });
      expect((await claim(queue, { except: ['x'] })).migration.name).toBe('m');
    });

    it('puts a claim whose lease ran out back to ready, from its cursor', async () => {
      const { queue, pass } = await small(open);
      const { token } = await claim(queue, { leaseMs: SHORT });
      expect(await tell(queue, token, point(1, 4, { done: 4 }))).toBe('kept');
      await pass(SHORT);
      expect(await queue.reclaim(100)).toBe(1);
      expect(await queue.reclaim(100)).toBe(0);
      const now = await status(queue);
      expect(now.tiles).toMatchObject({ ready: 5, claimed: 0, done: 4 });
      expect(now.reclaimed).toBe(5);
      expect(await tell(queue, token, point(2, 9, { done: 5 }))).toBe('lost');
      expect((await status(queue)).tiles).toMatchObject({ ready: 5, done: 4 });
      expect(await claim(queue)).toMatchObject({ first: 4, end: 9, attempt: 0 });
    });

    it('reclaims at most as many as asked', async () => {
      const { queue, pass } = await small(open, { rangeSize: 1 });
      for (let count = 0; count < 5; count++) await claim(queue, { leaseMs: SHORT });
      await pass(SHORT);
      expect(await queue.reclaim(3)).toBe(3);
      expect(await queue.reclaim(3)).toBe(2);
    });

    it('keeps a claim that checkpoints within its lease', async () => {
      const { queue, pass } = await small(open);
      const { token } = await claim(queue, { leaseMs: LONG });
      await pass(SHORT);
      await queue.reclaim(100);
      expect(await tell(queue, token, point(1, 9, { done: 9 }))).toBe('ended');
    });

    it('lets a late worker go on whose range nobody took, with a new lease', async () => {
      const { queue, pass } = await small(open);
      const { token } = await claim(queue, { leaseMs: SHORT });
      await pass(SHORT);
      expect(await tell(queue, token, point(1, 4, { done: 4 }))).toBe('kept');
      expect((await status(queue)).tiles).toMatchObject({ done: 4, claimed: 5, ready: 0 });
      await pass(SHORT);
      expect(await queue.reclaim(100)).toBe(1);
      expect(await tell(queue, token, point(2, 9, { done: 5 }))).toBe('lost');
    });

    it('gives a range that lost three workers out tile by tile, and captures the tile that loses three more', async () => {
      const { queue, pass } = await small(open);
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

    it.each([1, 3])(
      'blames nothing that a worker held beside what killed it, in ranges of %i',
      async (rangeSize) => {
        const { queue, pass } = await small(open, { rangeSize });
        const poisonous = 4;
        let workers = 0;
        /** A worker takes all it may have, and settles nothing before it dies of the poisonous tile, if it has it. */
        const live = async (): Promise<q.Claim[]> => {
          const worker = `worker${++workers}`;
          const held: q.Claim[] = [];
          for (;;) {
            const answer = await queue.claim(request({ token: `${worker}-${held.length}`, leaseMs: SHORT }));
            if ('kind' in answer) break;
            held.push(answer);
          }
          if (held.some(({ first, end }) => first <= poisonous && poisonous < end)) await pass(SHORT);
          else
            for (const { token, first, end } of held)
              expect(await tell(queue, token, point(1, end, { done: end - first }))).toBe('ended');
          await queue.reclaim(100);
          return held;
        };
        for (let times = 0; times < 2; times++) expect(await live()).toHaveLength(9 / rangeSize);
        while ((await status(queue)).tiles.ready > 0) expect(await live()).toHaveLength(1);
        expect(await all(queue)).toMatchObject([{ first: poisonous, count: 1, reason: 'worker-died' }]);
        expect((await status(queue)).tiles).toMatchObject({ done: 8, failed: 1, ready: 0 });
      },
    );

    it('gives a worker one of those that may kill it, and all others', async () => {
      const { queue, pass } = await small(open);
      await add(queue, 'b', SMALL);
      for (let times = 0; times < 2; times++) {
        for (let count = 0; count < 2; count++) await claim(queue, { leaseMs: SHORT });
        await pass(SHORT);
        await queue.reclaim(100);
      }
      await add(queue, 'c', SMALL);
      const take = async (token: string): Promise<string> => {
        const answer = await queue.claim(request({ token }));
        return 'kind' in answer ? answer.why : answer.image.id;
      };
      const suspect = await take('one-1');
      expect(['a', 'b']).toContain(suspect);
      expect([await take('one-2'), await take('one-3')]).toEqual(['c', 'empty']);
      expect([suspect, await take('two-1')].sort()).toEqual(['a', 'b']);
      // What was settled of it clears it.
      await tell(queue, 'two-1', point(1, 4, { done: 4 }));
      await tell(queue, 'one-1', point(1, 0, { release: true }));
      expect(await take('two-2')).toBe(suspect);
    });

    it('keeps counting the attempts of tiles it gives out one by one', async () => {
      const { queue, pass } = await small(open);
      const { token } = await claim(queue);
      const delayed = [{ ...failure(0, 9), delayMs: SHORT }];
      await tell(queue, token, point(1, 9, { delayed }));
      for (let times = 0; times < 4; times++) {
        await pass(SHORT);
        await queue.reclaim(100);
        if (times < 3) expect(await claim(queue, { leaseMs: SHORT })).toMatchObject({ end: 9, attempt: 1 });
      }
      for (let first = 0; first < 9; first++)
        expect(await claim(queue, { token: `w${first}-1` })).toMatchObject({
          first,
          end: first + 1,
          attempt: 1,
        });
    });

    it('forgives losses once the cursor has moved', async () => {
      const { queue, pass } = await small(open);
      for (let times = 0; times < 4; times++) {
        const { token, first, end } = await claim(queue, { leaseMs: SHORT });
        expect([first, end]).toEqual([times, 9]);
        await tell(queue, token, point(1, first + 1, { done: 1 }));
        await pass(SHORT);
        await queue.reclaim(100);
      }
    });
  });
}
