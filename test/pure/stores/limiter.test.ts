import { expect, test } from 'vitest';
import { createLimiter } from '../../../stores/limiter.js';
import { manualClock } from '../../support/clock.js';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Asks for so many turns at once and notes when each came, in ms from now. */
function setUp(rate: number | null) {
  const clock = manualClock();
  const limiter = createLimiter(rate, clock);
  const start = clock.steady();
  const came: number[] = [];
  const ask = async (count: number, signal?: AbortSignal): Promise<void> => {
    for (let i = 0; i < count; i++)
      void limiter.turn(signal).then(
        () => came.push(clock.steady() - start),
        () => came.push(-1),
      );
    await settled();
  };
  return { clock, limiter, came, ask };
}

test('turns come evenly, in order, with none saved up over a rest', async () => {
  const { clock, came, ask } = setUp(10);
  await ask(4);
  await clock.advance(1_000);
  expect(came).toEqual([0, 100, 200, 300]);
  await ask(2);
  await clock.advance(1_000);
  expect(came.slice(4)).toEqual([1_000, 1_100]);
});

test('a new rate holds for who waits already; none lets all go at once', async () => {
  const { clock, limiter, came, ask } = setUp(10);
  await ask(6);
  await clock.advance(100);
  limiter.setRate(1);
  await settled();
  await clock.advance(2_000);
  expect(came).toEqual([0, 100, 1_100, 2_100]);
  limiter.setRate(null);
  await settled();
  await clock.advance(0);
  expect(came.slice(4)).toEqual([2_100, 2_100]);
  await ask(3);
  await clock.advance(0);
  expect(came).toHaveLength(9);
});

test('whose signal fires gives up its turn: the others come as if it had not asked', async () => {
  const { clock, came, ask } = setUp(10);
  const leaving = new AbortController();
  await ask(1);
  await ask(2, leaving.signal);
  await ask(1);
  leaving.abort();
  await clock.advance(1_000);
  expect(came).toEqual([0, -1, -1, 100]);
  await ask(1, leaving.signal);
  await clock.advance(0);
  expect(came.at(-1)).toBe(-1);
});

test('what a turn cost beyond its own puts the next ones off, and a turn that cost too much brings them back', async () => {
  const { clock, limiter, came, ask } = setUp(1_000);
  await ask(1);
  limiter.charge(500);
  await ask(1);
  await clock.advance(500);
  expect(came).toEqual([0]);
  await clock.advance(1);
  expect(came).toEqual([0, 501]);
  limiter.charge(400);
  limiter.charge(-400);
  await ask(1);
  await clock.advance(1);
  expect(came).toEqual([0, 501, 502]);
});

test('a limiter that was frozen does not catch up', async () => {
  const { clock, limiter, came, ask } = setUp(10);
  await ask(1);
  await clock.advance(5_000);
  await ask(50);
  await clock.advance(1_000);
  expect(came.length).toBeLessThanOrEqual(12);
  expect(limiter.rate).toBe(10);
});
