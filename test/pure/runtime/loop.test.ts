import { expect, test } from 'vitest';
import { silentLog } from '../../../runtime/log.js';
import { startLoop } from '../../../runtime/loop.js';
import { manualClock } from '../../support/clock.js';
import { until } from '../../support/until.js';

function aLoop(round: (signal: AbortSignal) => Promise<void>) {
  const clock = manualClock();
  return { clock, loop: startLoop({ name: 'test', intervalMs: 1000, round, clock, log: silentLog }) };
}

test('runs at once, then after each interval', async () => {
  let rounds = 0;
  const { clock, loop } = aLoop(async () => {
    rounds += 1;
  });
  await clock.sleeping();
  expect(rounds).toBe(1);
  await clock.advance(1000);
  await clock.sleeping();
  expect(rounds).toBe(2);
  await loop.stop();
});

test('any number of wake-ups during a round lead to exactly one more', async () => {
  let rounds = 0;
  let release = (): void => undefined;
  const { clock, loop } = aLoop(async () => {
    rounds += 1;
    if (rounds === 1)
      await new Promise<void>((resolve) => {
        release = resolve;
      });
  });
  loop.wake();
  loop.wake();
  loop.wake();
  release();
  await clock.sleeping();
  expect(rounds).toBe(2);
  await loop.stop();
});

test('an error ends the round, not the loop', async () => {
  let rounds = 0;
  const { clock, loop } = aLoop(async () => {
    rounds += 1;
    throw new Error('broken');
  });
  await clock.sleeping();
  loop.wake();
  await until('second round', () => rounds === 2);
  await loop.stop();
});

test('stop lets the round in hand see its signal and waits for it', async () => {
  let ended = false;
  const { loop } = aLoop(
    (signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          ended = true;
          resolve();
        });
      }),
  );
  await loop.stop();
  expect(ended).toBe(true);
});

test('what wakes it is gathered for as long as asked before one round looks at it', async () => {
  let rounds = 0;
  const clock = manualClock();
  const gathered: number[] = [];
  const loop = startLoop({
    ...{ name: 'test', intervalMs: 1000, clock, log: silentLog },
    gatherMs(tookMs) {
      gathered.push(tookMs);
      return 50;
    },
    async round() {
      rounds += 1;
      await clock.sleep(30);
    },
  });
  await clock.sleeping();
  loop.wake();
  await clock.advance(30);
  await clock.sleeping();
  loop.wake();
  await clock.advance(49);
  expect([rounds, gathered]).toEqual([1, [30]]);
  await clock.advance(1);
  expect(rounds).toBe(2);
  await clock.advance(30);
  await loop.stop();
});
