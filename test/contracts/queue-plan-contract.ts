import { describe, expect, it } from 'vitest';
import { NO_LIMIT } from '../../jobs/work-queue.js';
import {
  add,
  all,
  claim,
  definition,
  drain,
  imagesOf,
  insistent,
  LARGE,
  type OpenQueue,
  rejection,
  request,
  SMALL,
  small,
  status,
} from './queue-cases.js';

/** What the plan promises: migrations, lists of images, images added and refused. */
export function queuePlan(open: OpenQueue): void {
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
      const { queue } = await small(open, { serverSide: 'never' });
      expect((await status(queue)).definition.serverSide).toBe('never');
      expect((await claim(queue)).migration.serverSide).toBe('never');
      expect((await rejection(queue.createMigration(definition()))).kind).toBe('conflict');
    });

    it('adds an image once: number, geometry and tiles in one step', async () => {
      const { queue } = await open();
      await queue.createMigration(definition());
      expect(await add(queue, 'a', LARGE)).toBe('added');
      expect(await add(queue, 'a', LARGE)).toBe('known');
      expect(await add(queue, 'b', SMALL)).toBe('added');
      const { tiles, images, descriptors } = await status(queue);
      expect(tiles).toEqual({ total: 34, ready: 34, claimed: 0, delayed: 0, done: 0, skipped: 0, failed: 0 });
      expect(images).toEqual({ total: 2, published: 0, withheld: 0, incomplete: 0, refused: 0 });
      expect(descriptors.total).toBe(0);
      expect((await claim(queue)).image).toEqual({ ...LARGE, id: 'a', number: 0, tiles: 25 });
    });

    it('keeps ids and formats apart whatever characters they hold', async () => {
      const { queue } = await open();
      await queue.createMigration(definition({ name: 'a:b', rangeSize: 100 }));
      await queue.createMigration(definition({ name: 'a', rangeSize: 100 }));
      const ids = ['x,y', 'x|y', 'x:y', 'é%2C', 'X', 'x', `${'long'.repeat(40)}`];
      for (const id of ids) expect(await add(queue, id, { ...SMALL, format: 'p,n|g' }, 'a:b')).toBe('added');
      expect(await queue.knownImages('a:b', ['x', 'x,', ...ids])).toEqual([
        true,
        false,
        ...ids.map(() => true),
      ]);
      expect((await queue.status('a'))!.images.total).toBe(0);
      for (const id of ids) {
        const { image } = await claim(queue, { migration: 'a:b' });
        expect([image.id, image.format]).toEqual([id, 'p,n|g']);
      }
    });

    it('adds many in one step, and answers for each in the order given', async () => {
      const { queue } = await open();
      await queue.createMigration(definition());
      await add(queue, 'b', SMALL);
      const planned = [
        { id: 'a', geometry: LARGE },
        { id: 'b', geometry: LARGE },
        { id: 'c', reason: 'not-xml', status: 200 },
        { id: 'a', geometry: SMALL },
        { id: 'b', reason: 'http-404', status: 404 },
        { id: 'd', geometry: SMALL },
      ];
      expect(await queue.addImages('m', planned)).toEqual([
        'added',
        'known',
        'refused',
        'known',
        'known',
        'added',
      ]);
      const before = await status(queue);
      expect(before).toMatchObject({ tiles: { total: 43, ready: 43 }, images: { total: 3, refused: 1 } });
      expect(await queue.addImages('m', planned)).toEqual([
        'known',
        'known',
        'refused',
        'known',
        'known',
        'known',
      ]);
      expect(await status(queue)).toMatchObject({ tiles: before.tiles, images: before.images });
      expect((await imagesOf(queue)).map(({ image }) => [image.number, image.id, image.tiles])).toEqual([
        [0, 'b', 9],
        [1, 'a', 25],
        [2, 'd', 9],
      ]);
      expect(await queue.addImages('m', [])).toEqual([]);
    });

    it('adds each image once when several add the same side by side', async () => {
      const { queue } = await open();
      await queue.createMigration(definition());
      const batch = (ids: string[]) =>
        queue.addImages(
          'm',
          ids.map((id) => ({ id, geometry: SMALL })),
        );
      const answers = await Promise.all([batch(['a', 'b', 'c']), batch(['c', 'b', 'd']), batch(['d', 'a'])]);
      expect(answers.flat().filter((answer) => answer === 'added')).toHaveLength(4);
      expect((await imagesOf(queue)).map(({ image }) => image.number)).toEqual([0, 1, 2, 3]);
      expect((await status(queue)).tiles).toMatchObject({ total: 36, ready: 36 });
    });

    it('adds a thousand images in one step', async () => {
      const { queue } = await open();
      await queue.createMigration(definition());
      const ids = Array.from({ length: 1000 }, (_, number) => `i${number}`);
      const answers = await queue.addImages(
        'm',
        ids.map((id) => ({ id, geometry: SMALL })),
      );
      expect(answers.filter((answer) => answer === 'added')).toHaveLength(1000);
      expect((await status(queue)).tiles.total).toBe(9000);
      expect(await queue.knownImages('m', [...ids, 'i1000'])).toEqual([...ids.map(() => true), false]);
      expect((await imagesOf(queue)).map(({ image }) => image.id)).toEqual(ids);
    });

    it('captures a refused id once, and forgets the refusal when it is added after all', async () => {
      const { queue } = await open();
      await queue.createMigration(definition());
      const refuse = async (reason: string, code: number) =>
        (await queue.addImages('m', [{ id: 'bad', reason, status: code }]))[0];
      for (let times = 0; times < 2; times++) expect(await refuse('not-xml', 200)).toBe('refused');
      expect((await status(queue)).images.refused).toBe(1);
      expect((await status(queue)).failures).toEqual({ 'not-xml': 1 });
      expect(await all(queue)).toEqual([
        { lane: 'images', image: 'bad', first: 0, count: 1, reason: 'not-xml', status: 200, attempt: 1 },
      ]);
      expect(await queue.knownImages('m', ['bad'])).toEqual([false]);
      expect(await refuse('http-404', 404)).toBe('refused');
      expect((await status(queue)).failures).toEqual({ 'http-404': 1 });
      expect(await add(queue, 'bad', SMALL)).toBe('added');
      expect(await queue.knownImages('m', ['bad'])).toEqual([true]);
      expect(await refuse('not-xml', 200)).toBe('known');
      expect((await status(queue)).images).toMatchObject({ total: 1, refused: 0 });
      expect((await status(queue)).failures).toEqual({});
    });

    it('closes with the last list that is read, and is open while one is', async () => {
      const { queue } = await small(open);
      const plan = async () => {
        const { planClosed, planOpen } = await status(queue);
        return [planClosed, ...planOpen];
      };
      expect(await plan()).toEqual([false]);
      for (const list of ['x:1', 'y', 'x:1']) await queue.beginPlan('m', list);
      expect((await status(queue)).planOpen.toSorted()).toEqual(['x:1', 'y']);
      await queue.closePlan('m', 'x:1');
      expect(await plan()).toEqual([false, 'y']);
      await queue.closePlan('m', 'y');
      expect(await plan()).toEqual([true]);
      await queue.closePlan('m', 'y');
      expect(await plan()).toEqual([true]);
    });

    it('opens again with another list, or the same one', async () => {
      const { queue } = await small(open);
      await queue.beginPlan('m', 'x');
      await queue.closePlan('m', 'x');
      await drain(queue, 'tiles');
      await drain(queue, 'descriptors');
      expect((await status(queue)).finished).toBe(true);
      for (const list of ['y', 'x']) {
        await queue.beginPlan('m', list);
        expect(await status(queue)).toMatchObject({
          ...{ planClosed: false, planOpen: [list], finished: false, finishedAt: null },
        });
        expect(await queue.claim(request())).toMatchObject({ why: 'empty' });
        await queue.closePlan('m', list);
        expect(await status(queue)).toMatchObject({ planClosed: true, planOpen: [], finished: true });
        expect((await status(queue)).finishedAt).not.toBeNull();
      }
    });

    it('is closed as a whole when an operator gives up what was not read', async () => {
      const { queue } = await small(open);
      for (const list of ['x', 'y']) await queue.beginPlan('m', list);
      await queue.closePlan('m', null);
      expect(await status(queue)).toMatchObject({ planClosed: true, planOpen: [] });
      await queue.closePlan('m', 'x');
      expect((await status(queue)).planClosed).toBe(true);
    });

    it('is closed by an operator although no list was ever begun', async () => {
      const { queue } = await open();
      await queue.createMigration(definition());
      await queue.closePlan('m', null);
      expect(await status(queue)).toMatchObject({ planClosed: true, finished: true, images: { total: 0 } });
    });

    it('takes an image more after it was closed, and is unfinished until that is done', async () => {
      const { queue } = await small(open);
      await queue.closePlan('m', null);
      await drain(queue, 'tiles');
      await drain(queue, 'descriptors');
      await add(queue, 'late', SMALL);
      expect(await status(queue)).toMatchObject({ planClosed: true, finished: false, finishedAt: null });
      expect(await drain(queue, 'tiles')).toBe(9);
      await drain(queue, 'descriptors');
      expect((await status(queue)).finished).toBe(true);
    });

    it('has a list gone through again if the queue was started again since it was begun', async (context) => {
      const { queue, restart } = await small(open);
      if (restart === undefined) return context.skip('nothing is behind it that could be started again');
      await queue.beginPlan('m', 'x');
      await restart();
      const again = { kind: 'conflict', code: 'restarted' };
      const closing = () => insistent(() => queue.closePlan('m', 'x'));
      expect(await rejection(closing())).toEqual(again);
      expect((await status(queue)).planClosed).toBe(false);
      await queue.beginPlan('m', 'x');
      await closing();
      expect((await status(queue)).planClosed).toBe(true);
    });

    it('says that there is no such migration to everything that needs one', async () => {
      const { queue } = await open();
      const expected = { kind: 'permanent', code: 'not-found' };
      expect(await rejection(add(queue, 'a', SMALL))).toEqual(expected);
      expect(await rejection(queue.beginPlan('m', 'x'))).toEqual(expected);
      expect(await rejection(queue.knownImages('m', ['a']))).toEqual(expected);
      expect(await rejection(queue.closePlan('m', null))).toEqual(expected);
      expect(await rejection(queue.pause('m', 'x'))).toEqual(expected);
      expect(await rejection(queue.resume('m'))).toEqual(expected);
      expect(await rejection(queue.cancel('m', 'x'))).toEqual(expected);
      expect(await rejection(queue.requeueFailures('m', {}))).toEqual(expected);
      expect(await rejection(all(queue))).toEqual(expected);
      expect(await rejection(queue.limit('m', NO_LIMIT))).toEqual(expected);
      expect(await rejection(queue.accept('m', 'a'))).toEqual(expected);
      expect(await rejection(queue.image('m', 'a'))).toEqual(expected);
      expect(await rejection(imagesOf(queue))).toEqual(expected);
      const options = { sample: 1, read: false, unpublish: false };
      expect(await rejection(queue.beginVerification('m', options))).toEqual(expected);
      expect(await queue.claim(request({ migration: 'm' }))).toMatchObject({ why: 'none' });
      expect(await queue.claim(request())).toMatchObject({ why: 'none' });
    });
  });
}
