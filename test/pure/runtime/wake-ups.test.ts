import { expect, test } from 'vitest';
import { createWakeUps } from '../../../runtime/wake-ups.js';

test('wake-ups count from the call on and are merged while a listener is busy', async () => {
  const wakeUps = createWakeUps();
  const stop = new AbortController();
  const changes = wakeUps.changes(stop.signal)[Symbol.asyncIterator]();
  wakeUps.wake();
  wakeUps.wake();
  expect(await changes.next()).toEqual({ done: false, value: undefined });
  const next = changes.next();
  wakeUps.wake();
  expect((await next).done).toBe(false);
});

test('every listener ends with its own signal, waiting or not', async () => {
  const wakeUps = createWakeUps();
  const [one, other] = [new AbortController(), new AbortController()];
  const ending = wakeUps.changes(one.signal)[Symbol.asyncIterator]();
  const going = wakeUps.changes(other.signal)[Symbol.asyncIterator]();
  const end = ending.next();
  one.abort();
  expect((await end).done).toBe(true);
  wakeUps.wake();
  expect((await going.next()).done).toBe(false);
  other.abort();
  expect((await going.next()).done).toBe(true);
});
