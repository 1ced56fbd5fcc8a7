import { describe, expect, test } from 'vitest';
import { createTilePools, type TilePool } from '../../../jobs/tile-pool.js';
import { manualClock } from '../../support/clock.js';

/** Resolves when it is over. */
const seen = (pool: TilePool, task: Parameters<TilePool['run']>[0]): Promise<void> =>
  new Promise((over) => pool.run(task, over));

/** Tasks that end when told, and count. */
function load(pool: TilePool, count: number) {
  const running: (() => void)[] = [];
  let over = 0;
  const done = Array.from({ length: count }, () =>
    seen(pool, async () => {
      await new Promise<void>((resolve) => running.push(resolve));
      return 'over';
    }).then(() => over++),
  );
  return {
    running,
    over: () => over,
    done: Promise.all(done),
    end(howMany = running.length) {
      for (const finish of running.splice(0, howMany)) finish();
    },
  };
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};

test('one that joins gets its places as the other frees them: never more in flight than the whole', async () => {
  const pools = createTilePools(8, manualClock());
  const [a, b] = [pools.open(), pools.open()];
  const first = load(a, 50);
  await settle();
  expect(first.running).toHaveLength(8);
  const second = load(b, 50);
  await settle();
  expect(second.running).toHaveLength(0);
  first.end(4);
  await settle();
  expect([first.running.length, second.running.length]).toEqual([4, 4]);
  first.end(1);
  await settle();
  expect([first.running.length, second.running.length]).toEqual([4, 4]);
});

test('one whose work is done leaves all places to the other, however few that had wanted', async () => {
  const pools = createTilePools(8, manualClock());
  const [a, b] = [pools.open(), pools.open()];
  const first = load(a, 8);
  await settle();
  const second = load(b, 1);
  first.end();
  await settle();
  second.end();
  await Promise.all([first.done, second.done]);
  const more = load(a, 20);
  await settle();
  expect(more.running).toHaveLength(8);
});

test('a held one takes no places, keeps what it has begun, and goes on where it was', async () => {
  const pools = createTilePools(8, manualClock());
  const [a, b] = [pools.open(), pools.open()];
  a.hold(true);
  const held = load(a, 10);
  const other = load(b, 10);
  await settle();
  expect([held.running.length, other.running.length, a.hasRoom]).toEqual([0, 8, false]);
  a.hold(false);
  other.end();
  await settle();
  expect(held.running.length).toBeGreaterThanOrEqual(4);
});

test('what has to wait for its store leaves its place, and is the first to come back', async () => {
  const pools = createTilePools(1, manualClock());
  const pool = pools.open();
  const order: string[] = [];
  let away = true;
  const wait = seen(pool, async () => {
    order.push('tried');
    return away ? 'again' : 'over';
  });
  pool.hold(true);
  const next = seen(pool, async () => {
    order.push('next');
    return 'over';
  });
  await settle();
  expect(order).toEqual(['tried']);
  away = false;
  pool.hold(false);
  await Promise.all([wait, next]);
  expect(order).toEqual(['tried', 'tried', 'next']);
});

test('a store that asks for mercy has the limit halved within a second, at each window again', async () => {
  const clock = manualClock();
  const pool = createTilePools(8, clock).open();
  const busy = load(pool, 100);
  await settle();
  await clock.advance(500);
  pool.throttled();
  expect(pool.limit).toBe(4);
  pool.throttled();
  expect(pool.limit).toBe(4);
  await clock.advance(500);
  pool.throttled();
  expect(pool.limit).toBe(2);
  pool.throttled();
  pool.hold(true);
  expect(pool.limit).toBe(1);
  pool.hold(false);
  busy.end(8);
  await settle();
  expect(busy.running).toHaveLength(1);
});

test('the first hundreds of objects show how near a store is: it gets all places, or twice as many', async () => {
  for (const [eachMs, places] of [
    [1, 64],
    [30, 16],
  ] as const) {
    const clock = manualClock();
    const pool = createTilePools(64, clock).open();
    const tiles = load(pool, 1_000);
    await settle();
    for (let step = 0; step < 25; step++) {
      expect(tiles.running).toHaveLength(8);
      await clock.advance(eachMs);
      tiles.end();
      await settle();
    }
    expect(tiles.running).toHaveLength(places);
  }
});

test('a step of the limit is judged when what was in flight before it has ended', async () => {
  const clock = manualClock();
  const pool = createTilePools(64, clock).open();
  const tiles = load(pool, 2_000);
  const rounds = async (count: number, eachMs: number, atOnce: number): Promise<void> => {
    for (let round = 0; round < count; round++) {
      await clock.advance(eachMs);
      tiles.end(atOnce);
      await settle();
    }
  };
  await settle();
  await rounds(25, 40, 8);
  expect(tiles.running).toHaveLength(16);
  await rounds(1, 5_000, 8);
  await rounds(25, 40, 16);
  expect(tiles.running).toHaveLength(32);
});

describe('naps', () => {
  /** Each of so many objects takes its time, until the first window is over. */
  async function firstWindow(pool: TilePool, clock: ReturnType<typeof manualClock>, eachMs: number) {
    const tiles = load(pool, 1_000);
    await settle();
    for (let step = 0; step < 25; step++) {
      await clock.advance(eachMs);
      tiles.end();
      await settle();
    }
    return tiles;
  }

  // With neither an object done nor a time known, the limit had become NaN: the worker ended.
  test.each(['asks for mercy', 'is held'])(
    'are none of a store that has done nothing yet and %s',
    async (then) => {
      const clock = manualClock();
      const pool = createTilePools(8, clock, () => undefined).open();
      const tiles = load(pool, 100);
      await settle();
      if (then === 'asks for mercy') await clock.advance(500);
      pool.throttled();
      pool.hold(then === 'is held');
      expect(pool.limit).toBe(4);
      pool.hold(false);
      tiles.end(8);
      await settle();
      expect(tiles.running).toHaveLength(4);
    },
  );

  test('of slow stores are asked for after an object, and more are in flight for them', async () => {
    const [clock, naps] = [manualClock(), [] as number[]];
    const pool = createTilePools(64, clock, (ms) => naps.push(Math.floor(ms))).open();
    const tiles = await firstWindow(pool, clock, 40);
    // 16 by the pace, and half as many for naps of half of the 40 ms.
    expect(tiles.running).toHaveLength(24);
    naps.length = 0;
    tiles.end(1);
    await settle();
    expect(naps).toEqual([20]);
  });

  test('of near stores are not, nor while one of several migrations has such', async () => {
    const [clock, naps] = [manualClock(), [] as number[]];
    const pools = createTilePools(64, clock, (ms) => naps.push(Math.floor(ms)));
    const slow = await firstWindow(pools.open(), clock, 40);
    const near = load(pools.open(), 1);
    await settle();
    slow.end(8);
    await settle();
    expect(near.running).toHaveLength(1);
    naps.length = 0;
    slow.end(1);
    await settle();
    expect(naps).toEqual([]);
    near.end();
    await settle();
    slow.end(1);
    await settle();
    expect(naps).toEqual([20]);
  });
});
