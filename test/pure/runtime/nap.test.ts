import { afterEach, expect, test, vi } from 'vitest';
import { createNap } from '../../../runtime/nap.js';

const order: string[] = [];

afterEach(() => {
  vi.restoreAllMocks();
  order.length = 0;
});

/** Notes each sleep instead of sleeping; what comes meanwhile is heard in the next turn. */
function watchSleeps(): void {
  vi.spyOn(Atomics, 'wait').mockImplementation((_array, _index, _value, ms) => {
    order.push(`sleeps ${ms}`);
    setImmediate(() => order.push('hears'));
    return 'timed-out';
  });
}

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

test('sleeps once what is to be done in this turn is done, and hears near servers in between', async () => {
  watchSleeps();
  const nap = createNap();
  nap(20);
  setImmediate(() => {
    order.push('writes requests');
    setImmediate(() => order.push('writes more'));
  });
  nap(10);
  nap(30);
  await turns(8);
  expect(order).toEqual(['writes requests', 'sleeps 3', 'writes more', 'hears', 'sleeps 7', 'hears']);
});

test('a short one is slept in one piece, and the next one is as long as it is asked for', async () => {
  watchSleeps();
  const nap = createNap();
  nap(2);
  await turns(6);
  nap(5);
  await turns(6);
  expect(order.filter((what) => what !== 'hears')).toEqual(['sleeps 2', 'sleeps 3', 'sleeps 2']);
});

test('lasts as long as it says', async () => {
  const began = performance.now();
  createNap()(40);
  await turns(6);
  expect(performance.now() - began).toBeGreaterThanOrEqual(39);
});
